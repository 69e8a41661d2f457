#include "slab/misuse.h"

#include "slab/slab.h"
#include "sys/print.h"

void qr_misuse_double_free(const void *ptr, const struct qr_cache *cache)
{
	qr_die("free(%p): double free of an object of %s", ptr, cache->name);
}

void qr_misuse_interior(const char *operation, const void *ptr,
			const struct qr_cache *cache)
{
	uintptr_t addr = (uintptr_t)ptr;
	uintptr_t start = qr_slab_start(cache, addr);
	unsigned i = qr_slab_index(cache, addr);

	if (i >= cache->nr_objects)
		qr_die("%s(%p): behind the last object of a slab of %s at %p",
		       operation, ptr, cache->name, (void *)start);
	start += (size_t)i * cache->size;
	qr_die("%s(%p): %zu bytes inside the object of %s at %p", operation,
	       ptr, (size_t)(addr - start), cache->name, (void *)start);
}
