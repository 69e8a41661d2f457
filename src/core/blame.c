#include "core/blame.h"

#include "arena/large.h"
#include "arena/zone.h"
#include "core/boot.h"
#include "slab/misuse.h"
#include "slab/slab.h"
#include "sys/print.h"

/* The live run around @frame, or NULL. */
static struct qr_page *run_around(struct qr_span *span, size_t frame)
{
	size_t low = frame >= QR_MAX_BLOCK_FRAMES
			     ? frame - QR_MAX_BLOCK_FRAMES + 1
			     : 0;

	for (size_t f = frame; f >= qr_max(low, span->first_frame); f--) {
		struct qr_page *page = &span->mem_map[f];

		if (span->frame_bytes[f] == QR_FRAME_RUN)
			return f + page->nr_pages > frame ? page : NULL;
		if (span->frame_bytes[f] != QR_FRAME_NONE)
			break;
	}
	return NULL;
}

static struct qr_cache *cache_at(const struct qr_span *span, size_t frame)
{
	uint8_t byte = span->frame_bytes[frame];

	if (byte == QR_FRAME_SLAB)
		return qr_slab_cache_of(span, frame);
	return byte < QR_MAX_CACHES ? qr_caches[byte] : NULL;
}

static void blame_span(const char *operation, const void *ptr,
		       struct qr_span *span) QR_NORETURN;

static void blame_span(const char *operation, const void *ptr,
		       struct qr_span *span)
{
	uintptr_t addr = (uintptr_t)ptr;
	size_t frame = qr_span_frame(span, addr);
	struct qr_cache *cache = cache_at(span, frame);
	struct qr_page *run = run_around(span, frame);

	if (cache)
		qr_misuse_interior(operation, ptr, cache);
	if (run) {
		uintptr_t start = qr_page_addr(run);

		qr_die("%s(%p): %zu bytes inside the run of %zu pages at %p",
		       operation, ptr, (size_t)(addr - start), run->nr_pages,
		       (void *)start);
	}
	if (frame < span->first_frame)
		qr_die("%s(%p): inside the allocator's own data", operation,
		       ptr);
	qr_die("%s(%p): double free: the page is free", operation, ptr);
}

void qr_blame(const char *operation, const void *ptr)
{
	struct qr_span *span = qr_span_find((uintptr_t)ptr);
	uintptr_t start;
	size_t size;

	if (span)
		blame_span(operation, ptr, span);
	if (qr_boot() && qr_large_find((uintptr_t)ptr, &start, &size))
		qr_die("%s(%p): %zu bytes inside the mapping of %zu bytes at "
		       "%p",
		       operation, ptr, (size_t)((uintptr_t)ptr - start), size,
		       (void *)start);
	qr_die("%s(%p): not from this allocator, or a mapping freed before",
	       operation, ptr);
}

void qr_blame_size(const void *ptr, size_t size, size_t has)
{
	qr_die("free_sized(%p, %zu): wrong size: the object has %zu bytes", ptr,
	       size, has);
}

void qr_blame_cache(const char *name, const void *ptr)
{
	struct qr_span *span = qr_span_find((uintptr_t)ptr);
	const struct qr_cache *cache =
		span ? cache_at(span, qr_span_frame(span, (uintptr_t)ptr))
		     : NULL;

	if (cache)
		qr_die("quarry_cache_free(%p): an object of %s, not of %s", ptr,
		       cache->name, name);
	qr_blame("quarry_cache_free", ptr);
}
