/*
 * A cache with live objects is destroyed: it refuses, and stays usable.
 * EXIT: 0
 * EXPECT: quarry_cache_destroy\(cache-a\): 3 objects live
 */
#include "misuse.h"

int main(void)
{
	struct quarry_cache *a;
	void *p[4];

	a = quarry_cache_create("cache-a", 64, 0, NULL, 0);
	if (!a || !quarry_cache_alloc_bulk(a, 3, p))
		return 2;
	if (quarry_cache_destroy(a) != EBUSY)
		return 3;
	if (!(p[3] = quarry_cache_alloc(a)))
		return 4;
	quarry_cache_free_bulk(a, 4, p);
	return quarry_cache_destroy(a);
}
