/*
 * A run of pages is freed twice.
 * EXPECT: free\(0x[0-9a-f]+\): double free: the page is free
 */
#include "misuse.h"

int main(void)
{
	void *p = opaque(malloc(256 << 10));

	free(p);
	free(opaque(p));
	return 0;
}
