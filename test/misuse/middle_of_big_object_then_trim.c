/*
 * The second page of an object that has two is freed.
 * EXPECT: free\(0x[0-9a-f]+\): 4096 bytes inside the object of size-8192 at 0x[0-9a-f]+
 */
#include "misuse.h"

int main(void)
{
	char *p = opaque(malloc(8192));

	free(opaque(p + 4096));
	quarry_trim();
	return 0;
}
