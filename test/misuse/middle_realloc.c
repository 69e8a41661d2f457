/*
 * The middle of an object is asked to grow.
 * EXPECT: realloc\(0x[0-9a-f]+\): 16 bytes inside the object of size-64 at 0x[0-9a-f]+
 */
#include "misuse.h"

int main(void)
{
	char *p = opaque(malloc(64));

	return realloc(opaque(p + 16), 100) == NULL;
}
