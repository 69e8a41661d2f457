/*
 * The usable size of data of the program is asked for.
 * EXPECT: malloc_usable_size\(0x[0-9a-f]+\): not from this allocator, or a mapping freed before
 */
#include "misuse.h"

static _Alignas(16) char array[64];

int main(void)
{
	return malloc_usable_size(opaque(array)) == 64;
}
