/*
 * The buddy allocator of a zone: blocks of 2^order frames, aligned to their
 * size, split where they are too large and merged with their free buddies
 * (K. Knowlton, "A fast storage allocator", CACM 8(10), 1965; the lists per
 * migratetype are Linux's).
 *
 * Free blocks are kept apart by the migratetype of their first pageblock and
 * by whether any of their frames is resident: resident ones go first, because
 * a page fault costs as much as 300 allocations.
 *
 *	wanted: order 4 of type SLAB
 *	1 resident, of the own type	the smallest that fits
 *	  several that touch		if a run may begin anywhere
 *	2 resident, of the other type	whole pageblocks, which change sides;
 *					for runs, which go soon, any that fits
 *	3 clean, of the own type
 *	4 clean, of the other type	whole pageblocks only
 *	5 any of the other type		if the zone is small, or cannot grow
 *
 * A free block's descriptor counts its resident frames, so that nobody counts
 * bits but who splits a block that is resident in part.
 *
 * Everything here needs zone->lock; frames are numbers in the zone's span.
 */
#ifndef QR_ARENA_BUDDY_H
#define QR_ARENA_BUDDY_H

#include "arena/zone.h"

/*
 * Take @nr_frames frames whose first is a multiple of 2^@order >= @nr_frames,
 * and mark them resident; what a block has more stays free.  Returns the
 * first frame, or 0.  *@ret_clean: none was resident.  @desperate: step 5.
 * @anywhere: the first frame may be any, and the frames those of several
 * blocks.  @resident_only: a block of which some frames are not is not split; 0
 * then.
 */
struct qr_buddy_request {
	size_t nr_frames;
	unsigned order;
	enum qr_migratetype type;
	bool anywhere, desperate, resident_only;
	bool *ret_clean; /* or NULL */
};
size_t qr_buddy_take(struct qr_zone *zone, const struct qr_buddy_request *want);

/* Put a block back, merged as far as that goes; @resident frames of it are. */
void qr_buddy_put(struct qr_zone *zone, size_t frame, unsigned order,
		  size_t resident);

/* The same for any @n frames. */
void qr_buddy_put_range(struct qr_zone *zone, size_t frame, size_t n,
			size_t resident);

/* Is there a free block of @order at @frame? */
bool qr_buddy_is_free(const struct qr_zone *zone, size_t frame, unsigned order);

/* Take a free block off its list. */
void qr_buddy_unlink(struct qr_zone *zone, struct qr_page *page);

/*
 * arena/range.c: frames that several free blocks have together.  Free frames
 * behind a run or a block begin with the first frame of a block.
 */
bool qr_buddy_range_is_free(const struct qr_zone *zone, size_t frame, size_t n);

/* Take them, and mark them resident; how many were so. */
size_t qr_buddy_take_range(struct qr_zone *zone, size_t frame, size_t n);

/* A range of @n frames that begins with a resident block; 0: none was found. */
size_t qr_buddy_find_range(struct qr_zone *zone, size_t n,
			   enum qr_migratetype type);

/* Every pageblock that begins in a range gets a migratetype. */
void qr_buddy_set_type(struct qr_zone *zone, size_t frame, size_t n,
		       enum qr_migratetype type);

/*
 * arena/fault.c: of which order a block should be faulted in before @want is
 * taken; 0: none.
 */
unsigned qr_fault_order(const struct qr_zone *zone,
			const struct qr_buddy_request *want);

/*
 * Make a clean block of @order resident; zone->lock is released meanwhile.
 * False: there is none, and the lock was held all along.
 */
bool qr_fault_ahead(struct qr_zone *zone, unsigned order,
		    enum qr_migratetype type);

#endif
