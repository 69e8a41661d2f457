/*
 * Data of libc is freed.
 * EXPECT: free\(0x[0-9a-f]+\): not from this allocator, or a mapping freed before
 */
#include "misuse.h"

int main(void)
{
	free(opaque(stdout));
	return 0;
}
