/*
 * An object is freed again after a thousand others of its class.
 * EXPECT: free\(0x[0-9a-f]+\): double free of an object of size-64
 */
#include "misuse.h"

int main(void)
{
	void *p = opaque(malloc(64));

	alloc_others(64);
	free(p);
	for (int i = 0; i < 1000; i++)
		free(opaque(malloc(64 + i % 500)));
	for (int i = 0; i < 1000; i++)
		free(others[i]);
	free(opaque(p));
	for (int i = 1000; i < FREES; i++)
		free(others[i]);
	return 0;
}
