/*
 * An address of the stack is asked to grow.
 * EXPECT: realloc\(0x[0-9a-f]+\): not from this allocator, or a mapping freed before
 */
#include "misuse.h"

int main(void)
{
	_Alignas(16) char array[64] = "";

	return realloc(opaque(array), 100) == NULL;
}
