/*
 * An address 16 bytes into a run is freed.
 * EXPECT: free\(0x[0-9a-f]+\): 16 bytes inside the run of 64 pages at 0x[0-9a-f]+
 */
#include "misuse.h"

int main(void)
{
	char *p = opaque(malloc(256 << 10));

	free(opaque(p + 16));
	return 0;
}
