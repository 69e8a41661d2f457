/*
 * An address one byte into an object is freed, and the program ends.
 * EXPECT: free\(0x[0-9a-f]+\): 1 bytes inside the object of size-64 at 0x[0-9a-f]+
 */
#include "misuse.h"

int main(void)
{
	char *p = opaque(malloc(64));

	free(opaque(p + 1));
	return 0;
}
