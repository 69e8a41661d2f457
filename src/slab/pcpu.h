/*
 * Per-CPU arrays: the misses of the hit path, and everything else that touches
 * the regions of sys/rseq.h.
 *
 * A region, in slots of 8 bytes:
 *
 *	0	rows: at, al, ft, fl, per cache; 2 slots each
 *	256	per row: capacity and what the slow path remembers; those of
 *		numbers that no cache has are slab/hand.c's
 *	384	small arrays: two of 7 slots per row, packed
 *	2432	full-sized arrays: two per row
 *
 * Behind every array one slot stays unused, so that an index tells which
 * array it points into.
 *
 * Every row has two arrays.  Allocation pops one, free pushes the other; when
 * the first runs empty they change roles, so that a pop need not wait for the
 * push before it, and a pair of calls that repeats never leaves the hit path
 * but for one change of roles per array.
 *
 *	row		at, al, ft, fl
 *	untouched	all 0
 *	in use		al and the bottom of the free array are the starts of
 *			the two arrays, in either order; fl = bottom + capacity
 *	stopped		al = all ones, fl = 0: a drain is reading it
 *
 *	miss of malloc			miss of free
 *	1 free array not empty:		1 allocation array empty:
 *	  change roles			  change roles
 *	2 a batch from the barn, or	2 raise the limit towards capacity
 *	  else from slabs		3 the free array (half, if it has few
 *					  objects) to the barn, or else to its
 *					  slabs
 *
 * Capacity starts at 7, or 4 KiB, and doubles, and one, as misses of kind 2 of
 * malloc and 3 of free come in quick succession, up to cache->max_capacity and
 * to a share of the heap; changes of roles let it grow while the objects fit
 * the CPU's nearest cache.  A drain, or the hand, sets it back.
 *
 * Objects of another node than the CPU's leave when the roles change: a batch
 * of them goes to their own node's barn.
 *
 * All changes to a row are one store of one index or of the row inside a
 * sequence (or under the region's lock where there are none), so a thread may
 * be moved or killed, and fork may happen, between any two instructions.
 */
#ifndef QR_SLAB_PCPU_H
#define QR_SLAB_PCPU_H

#include "slab/cache.h"

/* Bytes of addresses that the regions of so many ids take. */
size_t qr_pcpu_regions_size(unsigned nr_ids);

/*
 * Reserve the regions, for ids below @nr_ids; qr_rseq is set up.  @nr_cpus
 * CPUs may run us.  0 or -ENOMEM: then there are no arrays.
 */
int qr_pcpu_init(unsigned nr_ids, unsigned nr_cpus);

/* Set first_slot and max_capacity of a cache with a number. */
void qr_pcpu_layout(struct qr_cache *cache);

/* malloc's and free's misses.  NULL: no memory. */
void *qr_pcpu_alloc(struct qr_cache *cache);
void qr_pcpu_free(struct qr_cache *cache, void *object);

/* Many at once: how many of @n were had; free takes them all. */
size_t qr_pcpu_alloc_bulk(struct qr_cache *cache, void **objects, size_t n);
void qr_pcpu_free_bulk(struct qr_cache *cache, void *const *objects, size_t n);

/*
 * Empty the arrays of every CPU, and the barns, into the slabs: of one cache,
 * or of all if @only is NULL.  Rows in use meanwhile may be left out.
 */
void qr_pcpu_drain(struct qr_cache *only);

/*
 * A tick of the reclaimer's clock: empty the rows that nobody used since the
 * last one, and what of the barns nobody needed lately, into the slabs.
 */
void qr_pcpu_age(void);

/* Its number is free; no drain has it in hand any more. */
void qr_pcpu_forget(struct qr_cache *cache);

/*
 * Call @visit for what arrays and barns hold; exact while nobody allocates or
 * frees, else one may be missed or be shown twice.
 */
void qr_pcpu_for_each_cached(struct qr_cache *cache,
			     void (*visit)(struct qr_cache *cache,
					   void *object, void *arg),
			     void *arg);

/* Objects in arrays and barns; exact while nobody allocates or frees. */
struct qr_pcpu_counts {
	size_t in_arrays, in_barns;
};
void qr_pcpu_count(struct qr_cache *cache, struct qr_pcpu_counts *ret_counts);

/* How many ids have a region in use. */
unsigned qr_pcpu_nr_regions(void);
/* Each is QR_REGION_SIZE bytes. */
void qr_pcpu_for_each_region(void (*visit)(const void *region, void *arg),
			     void *arg);

void qr_pcpu_lock_all(void);
void qr_pcpu_unlock_all(bool child);

#endif
