/*
 * Slabs: pages cut into objects of one size.
 *
 * A slab lies at the start of a block of 2^order frames, aligned to its size,
 * so that an address leads to its slab by a mask.  It has of it just the
 * nr_pages that its objects fill; the rest is anybody's.
 *
 * Nothing is stored in the objects.  A slab's state is in the descriptors of
 * its frames: link, counts, cache in the first; a bit per free object in the
 * maps of all of them, 256 bits each, bit i of word w of frame f being object
 * f * 256 + w * 64 + i.
 *
 *	slab		inuse			is on
 *	partial		0 < inuse < nr_objects	partial[bucket] of its node
 *	full		nr_objects		no list
 *	empty		0			the zone again (or its node's
 *						last bucket, if the only one)
 *
 *	refill(n)	take free bits, lowest first, from the fullest slabs:
 *			objects come in the order of their addresses
 *	flush(n)	set the bits again; one that is set already is a second
 *			free of the object
 *
 * An object is in use, as seen from here, also while an array or a barn
 * holds it.
 *
 * Locking: node->lock guards lists, counts and bits of the node's slabs.  It
 * is never held while pages are had from or given back to the zone.
 */
#ifndef QR_SLAB_SLAB_H
#define QR_SLAB_SLAB_H

#include "slab/cache.h"

/* Choose order, pages and number of objects for cache->size; its inverses. */
void qr_slab_layout(struct qr_cache *cache);

/*
 * Up to @n objects of a place into @objects, @objects[0] the lowest; how many.
 * Fewer than @n, but one at least, if that needs no fresh slab; 0: no memory.
 */
size_t qr_slab_refill_at(struct qr_cache *cache, const struct qr_place *place,
			 unsigned cpu, void **objects, size_t n);
size_t qr_slab_refill(struct qr_cache *cache, unsigned node, unsigned cpu,
		      void **objects, size_t n);

/*
 * Give objects of any node back; they have been through
 * qr_slab_find_offender.  A second free is reported, then abort.
 */
void qr_slab_flush(struct qr_cache *cache, unsigned cpu, void *const *objects,
		   size_t n);

/*
 * Are these starts of objects of @cache's slabs, no two the same?  Looks at
 * the addresses only.  NULL, or the offender and *@ret_twice.
 */
void *qr_slab_find_offender(const struct qr_cache *cache,
			    void *const *objects, size_t n, bool *ret_twice);

/*
 * The same at a glance: false if one is no object, or is freed twice with at
 * most one other in between.
 */
bool qr_slab_glance(const struct qr_cache *cache, void *const *objects,
		    size_t n);

/* The cache of the slab that @frame belongs to; NULL: to none. */
struct qr_cache *qr_slab_cache_of(const struct qr_span *span, size_t frame);

/* The node whose memory an object is. */
unsigned qr_slab_node(const struct qr_cache *cache, const void *object);

/* Give empty slabs of @node back; bytes.  Age: if unused for a tick. */
size_t qr_slab_shrink(struct qr_cache *cache, unsigned node);
size_t qr_slab_age(struct qr_cache *cache, unsigned node);

/*
 * Is the object that starts at @object free, as seen from its slab?  Without
 * the lock: a hint, unless nobody frees or allocates.
 */
bool qr_slab_looks_free(const struct qr_cache *cache, const void *object);

/* The slab's address for an address in it, the object's index there. */
QR_INLINE uintptr_t qr_slab_start(const struct qr_cache *cache, uintptr_t addr)
{
	/* a block is aligned to its size */
	return qr_round_down(addr, (uintptr_t)QR_FRAME_SIZE << cache->order);
}

QR_INLINE unsigned qr_slab_index(const struct qr_cache *cache, uintptr_t addr)
{
	uint64_t offset = addr - qr_slab_start(cache, addr);

	/* exact while offset * size < 2^32: T. Granlund, P. Montgomery,
	 * "Division by Invariant Integers using Multiplication" (1994) */
	return (unsigned)(offset * cache->inverse >> 32);
}

QR_INLINE bool qr_slab_is_object(const struct qr_cache *cache, uintptr_t addr)
{
	unsigned i = qr_slab_index(cache, addr);

	return qr_slab_start(cache, addr) + (size_t)i * cache->size == addr &&
	       i < cache->nr_objects;
}

/* NULL, or a sentence on what is wrong with the node's slabs.  For tests. */
const char *qr_slab_check(struct qr_cache *cache, unsigned node);

#endif
