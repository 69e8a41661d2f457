/*
 * A large object is freed twice; the second time it may be gone for good.
 * EXPECT: free\(0x[0-9a-f]+\): (double free of a mapping of [0-9]+ bytes|not from this allocator, or a mapping freed before)
 */
#include "misuse.h"

int main(void)
{
	void *p = opaque(malloc(16 << 20));

	free(p);
	free(opaque(p));
	return 0;
}
