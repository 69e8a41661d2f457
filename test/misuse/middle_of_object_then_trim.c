/*
 * The middle of an object is freed.
 * EXPECT: free\(0x[0-9a-f]+\): 48 bytes inside the object of size-96 at 0x[0-9a-f]+
 */
#include "misuse.h"

int main(void)
{
	char *p = opaque(malloc(96));

	free(opaque(p + 48));
	quarry_trim();
	return 0;
}
