/*
 * An address of the stack goes into a cache.
 * EXPECT: quarry_cache_free\(0x[0-9a-f]+\): not from this allocator, or a mapping freed before
 */
#include "misuse.h"

int main(void)
{
	_Alignas(16) char array[64] = "";
	struct quarry_cache *a;

	a = quarry_cache_create("cache-a", 64, 0, NULL, 0);
	if (!a)
		return 2;
	quarry_cache_free(a, opaque(array));
	return 0;
}
