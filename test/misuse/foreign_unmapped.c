/*
 * An address with nothing behind it is freed.
 * EXPECT: free\(0x[0-9a-f]+\): not from this allocator, or a mapping freed before
 */
#include "misuse.h"

int main(void)
{
	free((void *)(uintptr_t)0x123450);
	return 0;
}
