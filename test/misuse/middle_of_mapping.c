/*
 * The second page of a large object is freed.
 * EXPECT: free\(0x[0-9a-f]+\): 4096 bytes inside the mapping of 16777216 bytes at 0x[0-9a-f]+
 */
#include "misuse.h"

int main(void)
{
	char *p = opaque(malloc(16 << 20));

	free(opaque(p + 4096));
	return 0;
}
