/*
 * An address one byte into an object is freed.
 * EXPECT: free\(0x[0-9a-f]+\): 1 bytes inside the object of size-64 at 0x[0-9a-f]+
 */
#include "misuse.h"

int main(void)
{
	char *p = opaque(malloc(64));

	alloc_others(64);
	free(opaque(p + 1));
	free_others();
	return 0;
}
