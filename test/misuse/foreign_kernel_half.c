/*
 * An address that no program can have is freed.
 * EXPECT: free\(0xffff800000001000\): not from this allocator, or a mapping freed before
 */
#include "misuse.h"

int main(void)
{
	free((void *)(uintptr_t)0xffff800000001000);
	return 0;
}
