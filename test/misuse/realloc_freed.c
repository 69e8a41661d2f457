/*
 * An object that was freed is asked to grow.
 * EXPECT: (realloc|free)\(0x[0-9a-f]+\): double free(: the page is free| of an object of size-64)
 */
#include "misuse.h"

int main(void)
{
	void *p = opaque(malloc(64));

	free(p);
	quarry_trim();
	return realloc(opaque(p), 100) == NULL;
}
