/*
 * An object of a cache is freed twice.
 * EXPECT: (quarry_cache_)?free\(0x[0-9a-f]+\): double free of an object of cache-a
 */
#include "misuse.h"

int main(void)
{
	struct quarry_cache *a;
	void *p;

	a = quarry_cache_create("cache-a", 64, 0, NULL, 0);
	if (!a || !(p = quarry_cache_alloc(a)))
		return 2;
	quarry_cache_free(a, p);
	quarry_cache_free(a, opaque(p));
	quarry_cache_shrink(a);
	return 0;
}
