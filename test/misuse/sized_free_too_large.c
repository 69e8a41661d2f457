/*
 * A sized free states more than the object has.
 * EXPECT: free_sized\(0x[0-9a-f]+, 100\): wrong size: the object has 64 bytes
 */
#include "misuse.h"

int main(void)
{
	void *p = opaque(malloc(64));

	free_sized(p, 100);
	return 0;
}
