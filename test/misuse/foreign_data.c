/*
 * Data of the program is freed.
 * EXPECT: free\(0x[0-9a-f]+\): not from this allocator, or a mapping freed before
 */
#include "misuse.h"

static _Alignas(16) char array[64];

int main(void)
{
	free(opaque(array));
	return 0;
}
