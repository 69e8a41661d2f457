/*
 * An address of the reserved span that never held memory is freed.
 * EXPECT: free\(0x[0-9a-f]+\): (double free: the page is free|not from this allocator, or a mapping freed before)
 */
#include "misuse.h"

int main(void)
{
	char *p = opaque(malloc(64));

	/* past every frontier; the span has 64 GiB and more */
	free(opaque((char *)((uintptr_t)p & ~(uintptr_t)4095) +
		    ((size_t)8 << 30)));
	return 0;
}
