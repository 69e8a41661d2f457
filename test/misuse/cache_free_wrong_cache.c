/*
 * An object goes into another cache than it came from.
 * EXPECT: quarry_cache_free\(0x[0-9a-f]+\): an object of cache-a, not of cache-b
 */
#include "misuse.h"

int main(void)
{
	struct quarry_cache *a, *b;
	void *p;

	a = quarry_cache_create("cache-a", 64, 0, NULL, 0);
	b = quarry_cache_create("cache-b", 64, 0, NULL, 0);
	if (!a || !b || !(p = quarry_cache_alloc(a)))
		return 2;
	quarry_cache_free(b, p);
	quarry_cache_shrink(b);
	return 0;
}
