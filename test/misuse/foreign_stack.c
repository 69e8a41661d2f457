/*
 * An address of the stack is freed.
 * EXPECT: free\(0x[0-9a-f]+\): not from this allocator, or a mapping freed before
 */
#include "misuse.h"

int main(void)
{
	_Alignas(16) char array[64] = "";

	free(opaque(array));
	return 0;
}
