/*
 * The same thread frees an object twice in a row; other frees follow.
 * EXPECT: free\(0x[0-9a-f]+\): double free of an object of size-64
 */
#include "misuse.h"

int main(void)
{
	void *p = opaque(malloc(64));

	alloc_others(64);
	free(p);
	free(opaque(p));
	free_others();
	return 0;
}
