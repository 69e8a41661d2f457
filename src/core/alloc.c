#include "core/core.h"

#include "arena/large.h"
#include "arena/policy.h"
#include "core/blame.h"
#include "core/boot.h"
#include "core/limit.h"
#include "core/reclaim.h"
#include "slab/hot.h"
#include "slab/pcpu.h"
#include "slab/slab.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

enum {
	/* a run that had to move while growing gets an eighth more */
	RUN_SLACK_SHIFT = 3,
};

static const size_t MAX_ALIGN = (size_t)1 << 30;

static size_t frames_of(size_t size)
{
	return (size + QR_FRAME_SIZE - 1) >> QR_FRAME_SHIFT;
}

/* A run of pages, or a mapping of its own.  *@ret_zero: it reads as zeros. */
static void *big_alloc(size_t size, size_t align, bool *ret_zero)
{
	struct qr_page *page;

	if (size > PTRDIFF_MAX)
		return NULL;
	if (size > QR_MAX_BLOCK_SIZE || align > QR_MAX_BLOCK_SIZE)
		return qr_large_alloc(size, qr_max(align, QR_FRAME_SIZE),
				      ret_zero);
	page = qr_policy_run_alloc(
		size ? frames_of(size) : 1,
		align <= QR_FRAME_SIZE ? 0 : qr_ctz(align) - QR_FRAME_SHIFT,
		ret_zero);
	return page ? (void *)qr_page_addr(page) : NULL;
}

/* As long as there is hope; see core/limit.h. */
static void *big_alloc_hard(size_t size, size_t align, bool *ret_zero)
{
	struct qr_need need = {.size = size};
	void *p;

	qr_reclaim_note(size);
	do
		p = big_alloc(size, align, ret_zero);
	while (qr_unlikely(!p) && size <= PTRDIFF_MAX && qr_relieve(&need));
	return p;
}

static void *small_alloc(unsigned class)
{
	struct qr_need need = {.size = qr_class_size(class)};
	void *p;

	qr_reclaim_note(1);
	do
		p = qr_pcpu_alloc(qr_caches[2 * class]);
	while (qr_unlikely(!p) && qr_relieve(&need));
	return p;
}

void *qr_malloc_slow(size_t size)
{
	void *p = NULL;

	if (qr_likely(qr_boot()))
		p = size <= QR_MAX_CLASS_SIZE
			    ? small_alloc(qr_class_of(size ? size : 1))
			    : big_alloc_hard(size, 1, NULL);
	if (qr_unlikely(!p))
		errno = ENOMEM;
	return p;
}

void *qr_malloc(size_t size)
{
	return qr_hot_malloc(size, qr_malloc_slow);
}

void *qr_calloc(size_t n, size_t size)
{
	bool zero = false;
	size_t bytes;
	void *p;

	if (__builtin_mul_overflow(n, size, &bytes)) {
		errno = ENOMEM;
		return NULL;
	}
	if (bytes <= QR_MAX_CLASS_SIZE) {
		p = qr_malloc(bytes);
	} else {
		p = qr_boot() ? big_alloc_hard(bytes, 1, &zero) : NULL;
		if (!p)
			errno = ENOMEM;
	}
	return p && !zero ? memset(p, 0, bytes) : p;
}

void *qr_aligned_alloc(size_t align, size_t size)
{
	unsigned class = 0;
	void *p = NULL;

	if (!qr_is_pow2(align) || align > MAX_ALIGN) {
		errno = qr_is_pow2(align) ? ENOMEM : EINVAL;
		return NULL;
	}
	if (align <= 16)
		return qr_malloc(size);
	if (qr_unlikely(!qr_boot()))
		goto out;
	if (align <= QR_FRAME_SIZE)
		class = qr_class_of_aligned(size ? size : 1, align);
	if (class)
		p = qr_hot.nr_sizes ? qr_rseq_pop(2 * class) : NULL;
	if (!p)
		p = class ? small_alloc(class)
			  : big_alloc_hard(size, align, NULL);
out:
	if (qr_unlikely(!p))
		errno = ENOMEM;
	return p;
}

/*
 * What an address is.  For what is not the start of something live, kind is
 * NOTHING, and core/blame.h finds the words.
 */
enum kind { NOTHING, OBJECT, RUN, LARGE };

struct what {
	enum kind kind;
	struct qr_cache *cache; /* OBJECT: the slab's; maybe not its start */
	struct qr_page *page;	/* RUN */
	size_t size;		/* usable bytes */
};

static struct what identify(const void *ptr)
{
	uintptr_t addr = (uintptr_t)ptr;
	struct qr_span *span = qr_span_find(addr);
	struct what what = {.kind = NOTHING};

	if (!span) {
		what.size = qr_large_size(ptr);
		what.kind = what.size ? LARGE : NOTHING;
		return what;
	}
	size_t frame = qr_span_frame(span, addr);
	uint8_t byte = span->frame_bytes[frame];

	if (byte == QR_FRAME_RUN) {
		what.page = &span->mem_map[frame];
		what.size = what.page->nr_pages << QR_FRAME_SHIFT;
		what.kind = addr % QR_FRAME_SIZE ? NOTHING : RUN;
	} else if (byte != QR_FRAME_NONE) {
		what.cache = byte == QR_FRAME_SLAB
				     ? qr_slab_cache_of(span, frame)
				     : qr_caches[byte];
		what.kind = what.cache ? OBJECT : NOTHING;
		what.size = what.cache ? what.cache->size : 0;
	}
	return what;
}

void qr_free_slow(void *ptr)
{
	struct what what;

	if (!ptr)
		return;
	if (qr_unlikely(!qr_boot()))
		qr_blame("free", ptr);
	qr_reclaim_note(0);
	what = identify(ptr);
	switch (what.kind) {
	case OBJECT:
		qr_pcpu_free(what.cache, ptr);
		return;
	case RUN:
		if (qr_run_free(what.page))
			return;
		break;
	case LARGE:
		if (qr_large_free(ptr))
			return;
		break;
	case NOTHING:
		break;
	}
	qr_blame("free", ptr);
}

void qr_free(void *ptr)
{
	qr_hot_free(ptr, qr_free_slow);
}

size_t qr_usable_size(const void *ptr)
{
	struct what what;

	if (!ptr)
		return 0;
	if (qr_unlikely(!qr_boot()))
		qr_blame("malloc_usable_size", ptr);
	what = identify(ptr);
	if (qr_unlikely(what.kind == NOTHING ||
			(what.kind == OBJECT &&
			 !qr_slab_is_object(what.cache, (uintptr_t)ptr))))
		qr_blame("malloc_usable_size", ptr);
	return what.size;
}

static void *move(void *old, size_t old_size, size_t size)
{
	void *p = qr_malloc(size);

	if (p) {
		memcpy(p, old, qr_min(old_size, size));
		qr_free(old);
	}
	return p;
}

/* NULL: in place it cannot be done. */
static void *run_realloc(void *ptr, const struct what *what, size_t size)
{
	size_t frames = frames_of(size), has = what->page->nr_pages;

	if (size <= QR_MAX_CLASS_SIZE || size > QR_MAX_BLOCK_SIZE)
		return NULL;
	/* what an earlier growth left over may stay */
	if (frames <= has && frames + (has >> RUN_SLACK_SHIFT) >= has)
		return ptr;
	if (frames < has) {
		qr_run_shrink(what->page, frames);
		return ptr;
	}
	return qr_run_extend(what->page, frames) ? ptr : NULL;
}

static void *run_move(void *ptr, size_t old_size, size_t size)
{
	size_t roomy = size + (size >> RUN_SLACK_SHIFT);

	if (size > old_size && roomy <= QR_MAX_BLOCK_SIZE) {
		void *p = big_alloc(roomy, 1, NULL);

		if (p) {
			memcpy(p, ptr, old_size);
			qr_free(ptr);
			return p;
		}
	}
	return move(ptr, old_size, size);
}

static void *large_realloc(void *ptr, size_t size)
{
	struct qr_need need = {.size = size};
	void *p;

	if (size > PTRDIFF_MAX)
		return NULL;
	qr_reclaim_note(size);
	do
		p = qr_large_realloc(ptr, size);
	while (qr_unlikely(!p) && qr_relieve(&need));
	return p;
}

/* Would malloc(@size) give an object of the same cache as @ptr, an object? */
static bool stays(const void *ptr, size_t size)
{
	size_t i = (size - 1) >> QR_SIZE_SHIFT; /* size 0: no */
	size_t frame = ((uintptr_t)ptr - (uintptr_t)qr_hot.frame_bytes) >>
		       QR_FRAME_SHIFT;

	return i < qr_hot.nr_sizes && frame < qr_hot.nr_frames &&
	       qr_hot.frame_bytes[frame] == qr_number_table[i] &&
	       qr_slab_is_object(qr_caches[qr_number_table[i]],
				 (uintptr_t)ptr);
}

void *qr_realloc(void *ptr, size_t size)
{
	struct what what;
	void *p = NULL;

	if (qr_likely(stays(ptr, size)))
		return ptr;
	if (!ptr)
		return qr_malloc(size);
	if (!size) {
		qr_free(ptr);
		return NULL;
	}
	if (qr_unlikely(!qr_boot()))
		qr_blame("realloc", ptr);
	what = identify(ptr);
	switch (what.kind) {
	case OBJECT:
		if (qr_unlikely(!qr_slab_is_object(what.cache, (uintptr_t)ptr)))
			qr_blame("realloc", ptr);
		if (size <= QR_MAX_CLASS_SIZE &&
		    qr_class_size(qr_class_of(size)) == what.size)
			return ptr;
		return move(ptr, what.size, size);
	case RUN:
		p = run_realloc(ptr, &what, size);
		return p ? p : run_move(ptr, what.size, size);
	case LARGE:
		if (size > QR_MAX_BLOCK_SIZE) {
			p = large_realloc(ptr, size);
			if (!p)
				errno = ENOMEM;
			return p;
		}
		return move(ptr, what.size, size);
	case NOTHING:
		break;
	}
	qr_blame("realloc", ptr);
}

/* Could an allocation of @size and @align have become this? */
static bool size_fits(const struct what *what, size_t size, size_t align)
{
	unsigned class;

	if (what->kind == OBJECT) {
		class = qr_class_of_aligned(size ? size : 1, qr_max(align, 16));
		return class && qr_class_size(class) == what->size;
	}
	/* growing may have left an eighth, alignment a page */
	return size <= what->size &&
	       what->size - size <=
		       (what->size >> RUN_SLACK_SHIFT) + 2 * QR_FRAME_SIZE;
}

void qr_free_sized(void *ptr, size_t size, size_t align)
{
	struct what what;

	if (!ptr)
		return;
	if (qr_unlikely(!qr_boot()))
		qr_blame("free", ptr);
	what = identify(ptr);
	if (what.kind != NOTHING && qr_unlikely(!size_fits(&what, size, align)))
		qr_blame_size(ptr, size, what.size);
	qr_free(ptr);
}

static void shrink(struct qr_cache *cache, void *arg)
{
	(void)arg;
	for (uint64_t left = qr_nodes_mask(); left; left &= left - 1)
		qr_slab_shrink(cache, qr_ctz(left));
}

size_t qr_trim(size_t keep)
{
	size_t before = qr_zone_purged_by_thread(), bytes;

	if (!qr_boot())
		return 0;
	/* what this frees may already pass a watermark, and is purged then */
	qr_pcpu_drain(NULL);
	qr_caches_for_each(shrink, NULL);
	qr_nodes_trim(keep);
	bytes = (qr_zone_purged_by_thread() - before) << QR_FRAME_SHIFT;
	bytes += qr_large_trim(keep);
	qr_limit_note_freed(bytes);
	return bytes;
}
