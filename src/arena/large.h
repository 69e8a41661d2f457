/*
 * Large objects: past the largest block of the buddy, each has a mapping of
 * its own (the kernel's vmalloc), known to the VMA tree.
 *
 * A small cache keeps recently freed mappings, bounded by the watermarks in
 * bytes; growth and shrinking go by mremap.
 *
 * The usable size of an object is its whole mapping.  Nothing is stored in
 * the mapping itself.
 */
#ifndef QR_ARENA_LARGE_H
#define QR_ARENA_LARGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * @size bytes aligned to @align (a power of two, up to 1 GiB at least).
 * *@ret_zero, if not NULL: it reads as zeros.  NULL: a limit was met.
 */
void *qr_large_alloc(size_t size, size_t align, bool *ret_zero);

/*
 * Grow or shrink to @size; the contents move with it.  NULL: not to be had,
 * the object is as before.  @ptr is the start of a live large object.
 */
void *qr_large_realloc(void *ptr, size_t size);

/*
 * Usable bytes of the live large object that starts at @ptr, else 0.  Takes no
 * lock.
 */
size_t qr_large_size(const void *ptr);

/* False: no live large object starts at @ptr, nothing was done. */
bool qr_large_free(void *ptr);

/* For a report of misuse: the live object around @addr, false if none. */
bool qr_large_find(uintptr_t addr, uintptr_t *ret_start, size_t *ret_size);

/* Unmap what the cache keeps until at most @keep bytes are left: bytes. */
size_t qr_large_trim(size_t keep);

/* A tick of the reclaimer's clock: unmap what nobody needed lately; bytes. */
size_t qr_large_age(void);

struct qr_large_stats {
	size_t live, nr_live;		/* bytes, objects */
	size_t cached, nr_cached;	/* kept for reuse, with memory */
	size_t parked, nr_parked;	/* kept addresses; see large.c */
	uint64_t allocs, cache_hits, remaps;
};
void qr_large_read_stats(struct qr_large_stats *ret_stats);

/* The most the cache may keep, in bytes. */
void qr_large_set_limit(size_t cache_limit);

/* "live", "cached", ...: the state in a qr_vma_info of kind LARGE. */
const char *qr_large_state_name(uint32_t state);
/* Is it an object in that state, or about to be one? */
bool qr_large_is_live(uint32_t state);

/* Everything holds that should; for tests. */
bool qr_large_check(void);

/* fork: see sys/lock.h. */
void qr_large_lock_all(void);
void qr_large_unlock_all(bool child);

#endif
