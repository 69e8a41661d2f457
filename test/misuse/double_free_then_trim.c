/*
 * An object is freed twice, then the program trims.
 * EXPECT: free\(0x[0-9a-f]+\): double free of an object of size-64
 */
#include "misuse.h"

int main(void)
{
	void *p = opaque(malloc(64));

	free(p);
	free(opaque(p));
	quarry_trim();
	return 0;
}
