/*
 * The usable size at the middle of an object is asked for.
 * EXPECT: malloc_usable_size\(0x[0-9a-f]+\): 16 bytes inside the object of size-64 at 0x[0-9a-f]+
 */
#include "misuse.h"

int main(void)
{
	char *p = opaque(malloc(64));

	return malloc_usable_size(opaque(p + 16)) == 48;
}
