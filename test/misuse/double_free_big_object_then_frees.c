/*
 * An object of one of the larger classes is freed twice.
 * EXPECT: free\(0x[0-9a-f]+\): double free of an object of size-[0-9]+
 */
#include "misuse.h"

int main(void)
{
	void *p = opaque(malloc(8000));

	alloc_others(8000);
	free(p);
	free(opaque(p));
	free_others();
	return 0;
}
