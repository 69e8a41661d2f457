/*
 * The one instance: what the API layer calls.
 *
 * All sizes are bytes.  Allocation returns NULL and sets errno to ENOMEM (or
 * EINVAL where said); success keeps errno, and so does every free.  All may
 * be called before libc's constructors, in TLS destructors and after exit
 * handlers; the first call boots the allocator.  Thread safe; not safe in
 * signal handlers.
 */
#ifndef QR_CORE_CORE_H
#define QR_CORE_CORE_H

#include "base/compiler.h"

#include <stdbool.h>
#include <stddef.h>

/* The misses behind the hot paths of src/slab/hot.h. */
void *qr_malloc_slow(size_t size) QR_COLD;
void qr_free_slow(void *ptr) QR_COLD;

/* The whole operations, hot path included. */
void *qr_malloc(size_t size);
void qr_free(void *ptr);
void *qr_calloc(size_t n, size_t size);
void *qr_realloc(void *ptr, size_t size);	/* size 0 frees: NULL */

/* @align: a power of two up to 1 GiB, else NULL with EINVAL. */
void *qr_aligned_alloc(size_t align, size_t size);

/* 0 for NULL.  A pointer that is not ours, or not a start: report, abort. */
size_t qr_usable_size(const void *ptr);

/*
 * Free of an object whose owner states its size (and alignment, 0: none):
 * one that malloc(size) could not have been is reported, then abort.
 */
void qr_free_sized(void *ptr, size_t size, size_t align);

/* Everything that is free goes back to the kernel, but @keep bytes. */
size_t qr_trim(size_t keep);

/* Sums for mallinfo2 and malloc_stats. */
struct qr_totals {
	size_t live;		/* bytes in objects of slabs, runs, mappings */
	size_t mapped;		/* bytes in large mappings that are live */
	size_t nr_mapped;
	size_t cached;		/* bytes free in arrays, barns, slabs */
	size_t free_dirty;	/* free pages that still have memory */
	size_t committed;	/* bytes of spans below the frontiers */
	size_t metadata;	/* bytes of descriptors, trees; an estimate */
	size_t mapped_cached;	/* bytes in large mappings kept for reuse */
	size_t slab_pages, run_pages, pcp_pages, used_pages;
};
void qr_read_totals(struct qr_totals *ret_totals);

/* In slabs, runs and mappings; looks at every frame's byte. */
size_t qr_count_live_objects(void);

#endif
