/*
 * The second page of a run is freed.
 * EXPECT: free\(0x[0-9a-f]+\): 4096 bytes inside the run of 64 pages at 0x[0-9a-f]+
 */
#include "misuse.h"

int main(void)
{
	char *p = opaque(malloc(256 << 10));

	free(opaque(p + 4096));
	return 0;
}
