/*
 * An object of malloc goes into a cache.
 * EXPECT: quarry_cache_free\(0x[0-9a-f]+\): an object of size-64, not of cache-a
 */
#include "misuse.h"

int main(void)
{
	struct quarry_cache *a;

	a = quarry_cache_create("cache-a", 64, 0, NULL, 0);
	if (!a)
		return 2;
	quarry_cache_free(a, opaque(malloc(64)));
	quarry_cache_shrink(a);
	return 0;
}
