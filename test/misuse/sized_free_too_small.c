/*
 * A sized free states a size of a smaller class.
 * EXPECT: free_sized\(0x[0-9a-f]+, 40\): wrong size: the object has 64 bytes
 */
#include "misuse.h"

int main(void)
{
	void *p = opaque(malloc(64));

	free_sized(p, 40);
	return 0;
}
