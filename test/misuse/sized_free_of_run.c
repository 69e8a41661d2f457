/*
 * A sized free of a run of pages states the size of an object.
 * EXPECT: free_sized\(0x[0-9a-f]+, 64\): wrong size: the object has 262144 bytes
 */
#include "misuse.h"

int main(void)
{
	void *p = opaque(malloc(256 << 10));

	free_sized(p, 64);
	return 0;
}
