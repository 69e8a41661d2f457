/*
 * A sized free of a large object states half of it.
 * EXPECT: free_sized\(0x[0-9a-f]+, 8388608\): wrong size: the object has 16777216 bytes
 */
#include "misuse.h"

int main(void)
{
	void *p = opaque(malloc(16 << 20));

	free_sized(p, 8 << 20);
	return 0;
}
