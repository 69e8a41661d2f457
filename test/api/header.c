/*
 * quarry.h comes first and alone: it needs nothing before it, and says
 * nothing that a strict compiler minds.  Built as C11, C17 and C++.
 */
#include "quarry.h"
#include "quarry.h"

int main(void)
{
	struct quarry_cache *cache =
		quarry_cache_create("header", 40, 0, NULL, QUARRY_CACHE_ZERO);
	void *object = cache ? quarry_cache_alloc(cache) : NULL;

	if (!object)
		return 1;
	quarry_cache_free(cache, object);
	return quarry_cache_destroy(cache);
}
