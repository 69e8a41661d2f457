/*
 * An object is freed twice, pairs follow, and the program ends.
 * EXPECT: free\(0x[0-9a-f]+\): double free of an object of size-64
 */
#include "misuse.h"

int main(void)
{
	void *p = opaque(malloc(64));

	free(p);
	free(opaque(p));
	for (int i = 0; i < FREES; i++)
		free(opaque(malloc(64)));
	return 0;
}
