/*
 * kmem_caches as quarry.h offers them, over slab/cache.h.
 */
#include "quarry.h"

#include "core/blame.h"
#include "core/boot.h"
#include "core/limit.h"
#include "slab/pcpu.h"
#include "slab/slab.h"
#include "sys/print.h"

#include <errno.h>
#include <string.h>

/* The public name is opaque. */
static struct qr_cache *inner(struct quarry_cache *cache)
{
	return (struct qr_cache *)(void *)cache;
}

QR_EXPORT struct quarry_cache *
quarry_cache_create(const char *name, size_t size, size_t align,
		    void (*constructor)(void *object), unsigned flags)
{
	int error = ENOMEM;
	struct qr_cache *cache =
		qr_boot() ? qr_cache_create(name, size, align, constructor,
					    flags, &error)
			  : NULL;

	if (!cache)
		errno = error;
	return (struct quarry_cache *)(void *)cache;
}

QR_EXPORT int quarry_cache_destroy(struct quarry_cache *cache)
{
	size_t live;

	if (!cache)
		return 0;
	if (qr_cache_destroy(inner(cache), &live) == 0)
		return 0;
	qr_warn("quarry_cache_destroy(%s): %zu objects live",
		inner(cache)->name, live);
	return EBUSY;
}

QR_EXPORT bool quarry_cache_alloc_bulk(struct quarry_cache *cache, size_t count,
				       void **objects)
{
	struct qr_cache *in = inner(cache);
	struct qr_need need = {.size = in->size};
	size_t got = 0;

	do
		got += qr_pcpu_alloc_bulk(in, objects + got, count - got);
	while (qr_unlikely(got < count) && qr_relieve(&need));
	if (got < count) {
		qr_pcpu_free_bulk(in, objects, got);
		errno = ENOMEM;
		return false;
	}
	for (size_t i = 0; in->flags & QUARRY_CACHE_ZERO && i < count; i++)
		memset(objects[i], 0, in->object_size);
	return true;
}

QR_EXPORT void *quarry_cache_alloc(struct quarry_cache *cache)
{
	void *object;

	return quarry_cache_alloc_bulk(cache, 1, &object) ? object : NULL;
}

/* A look at the frame, no more: what a free of an object costs anyway. */
static bool is_of(const struct qr_cache *cache, const void *object)
{
	struct qr_span *span = qr_span_find((uintptr_t)object);
	size_t frame;

	if (!span)
		return false;
	frame = qr_span_frame(span, (uintptr_t)object);
	if (span->frame_bytes[frame] != cache->number)
		return false;
	return cache->number != QR_FRAME_SLAB ||
	       qr_slab_cache_of(span, frame) == cache;
}

QR_EXPORT void quarry_cache_free_bulk(struct quarry_cache *cache, size_t count,
				      void **objects)
{
	struct qr_cache *in = inner(cache);

	for (size_t i = 0; i < count; i++) {
		if (qr_unlikely(!is_of(in, objects[i])))
			qr_blame_cache(in->name, objects[i]);
	}
	qr_pcpu_free_bulk(in, objects, count);
}

QR_EXPORT void quarry_cache_free(struct quarry_cache *cache, void *object)
{
	if (object)
		quarry_cache_free_bulk(cache, 1, &object);
}

QR_EXPORT size_t quarry_cache_shrink(struct quarry_cache *cache)
{
	return qr_cache_shrink(inner(cache));
}
