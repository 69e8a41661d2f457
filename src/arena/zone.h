/*
 * Zones: the free pages of one NUMA node in one span.
 *
 * A zone hands out runs of frames and takes them back (arena/buddy.h), grows
 * into its range when nothing fits, and bounds its free resident frames.
 *
 *	start ------------- frontier ------------ committed ---------- end
 *	      in use or free         clean, unused           addresses only
 *
 * The frontier moves in steps of 64 frames, whose descriptors are one page,
 * so that a small program touches few of them.  Trim lets it retreat.
 *
 * Watermarks bound the free resident frames by amount, and time only ages:
 *
 *	base	high, and a quarter of what is in use, but at most share
 *	peak	high, and the most in use of the last ticks, but at most share
 *
 * Whoever frees beyond peak purges what is above it, and half of base more.
 * Whoever takes frames without memory while there is more than base purges as
 * many.  Whoever makes the zone grow purges as many as it grows by, but for a
 * sixteenth of what is in use: free frames that nothing fits into are worth
 * less than that the program stays small, and growing does not repeat itself,
 * so that no memory comes and goes.  What was free all through the last ticks
 * the reclaimer purges (qr_zone_age).  Where none runs there are no ticks, and
 * peak is base.
 *
 * Locking: zone->lock (rank ZONE) guards areas, counters, the descriptors of
 * free blocks and the resident bits of all the zone's frames.  Growth takes
 * qr_span_lock first and asks the kernel with only that held.  A purge holds
 * purge_lock (rank PURGE) all along; it takes its blocks off the lists, drops
 * zone->lock, asks the kernel, and puts them back: nobody can see them
 * meanwhile, and who finds nothing else waits for purge_lock and looks again.
 */
#ifndef QR_ARENA_ZONE_H
#define QR_ARENA_ZONE_H

#include "arena/budget.h"
#include "arena/page.h"
#include "arena/span.h"
#include "base/window.h"
#include "sys/lock.h"

enum { QR_MAX_ZONES = 128, QR_NO_NODE = 255 };

/* Free blocks of one migratetype, clean or dirty: a list per order. */
struct qr_free_area {
	uint32_t nonempty;		/* bit per order */
	struct qr_list blocks[QR_NR_ORDERS];
	size_t nr_blocks[QR_NR_ORDERS];
};

struct qr_zone_counters {
	uint64_t allocated, freed;	/* frames, ever; pcps are users */
	uint64_t grown, purged;		/* frames, ever */
	uint64_t purge_calls;
	uint64_t scanned;		/* frames chosen for a purge */
	uint64_t direct;		/* purges by who freed or took frames */
	uint64_t direct_purged;		/* frames of these */
	uint64_t fallbacks;		/* blocks taken from the other type */
	uint64_t faulted;		/* frames had ahead of their use */
	uint64_t huge_faulted;		/* pageblocks of these had at once */
	uint64_t huge_left;		/* pageblocks; see arena/huge.h */

	/* of allocated; the rest was for the node's own CPUs, as wished */
	uint64_t missed;		/* wished for from another node */
	uint64_t remote;		/* for CPUs of another node */
	uint64_t interleaved;		/* the node's turn came */
	uint64_t foreign;		/* had elsewhere, but wished for here */
};

struct qr_zone {
	struct qr_lock lock;
	struct qr_lock purge_lock;
	uint8_t index;			/* in qr_zones */
	uint8_t node;			/* QR_NO_NODE: there is only one */
	uint64_t within;		/* nodes we are bound to; 0: none */
	struct qr_span *span;
	size_t start;			/* frames */

	/* qr_span_lock and lock to write, either to read */
	size_t end;			/* falls where addresses are taken */
	size_t frontier;		/* blocks below it are in use or free */
	size_t committed;		/* >= frontier */
	size_t described;		/* >= committed: has metadata */
	bool is_told;			/* span lock: see arena/huge.c */

	/* lock */
	struct qr_free_area area[QR_NR_MIGRATETYPES][2];	/* [dirty] */
	size_t nr_free;			/* frames in free blocks */
	size_t nr_dirty;		/* of these, resident */
	size_t nr_isolated;		/* frames that the kernel works on */
	size_t high, share;		/* of nr_dirty; see above */
	size_t stuck;			/* nr_dirty that no purge could lower */
	struct qr_window unused;	/* least nr_dirty */
	struct qr_window used;		/* most frames in use */
	size_t peak;			/* of these, as of the last tick */
	uint8_t fault_order;		/* next step of arena/fault.c */
	size_t nr_huge;			/* pageblocks */
	size_t huge_next;		/* frame that qr_huge_age looks at */
	size_t charged;			/* frames that arena/budget.h knows */
	struct qr_zone_counters counters;
};

extern struct qr_zone qr_zones[QR_MAX_ZONES];
extern _Atomic unsigned qr_nr_zones;

void qr_zone_init(struct qr_zone *zone, struct qr_span *span, size_t start,
		  size_t end, unsigned node);

/* In frames; see above. */
void qr_zone_set_watermarks(struct qr_zone *zone, size_t high, size_t share);

/*
 * A run of exactly @nr_frames frames (at most QR_MAX_BLOCK_FRAMES) whose
 * address is a multiple of 2^@align_order frames; the tail of the block stays
 * free.  Its first descriptor says RUN.  *@ret_clean, if not NULL: it reads
 * as zeros.  NULL: the zone is used up or the kernel gives no more.
 */
struct qr_page *qr_zone_alloc(struct qr_zone *zone, size_t nr_frames,
			      unsigned align_order, enum qr_migratetype type,
			      bool *ret_clean);

/* Free @nr_frames frames from @page on, wherever they begin and end. */
void qr_zone_free(struct qr_zone *zone, struct qr_page *page,
		  size_t nr_frames);

/* Extend a run at its end by @more frames, if they are free. */
bool qr_zone_extend(struct qr_zone *zone, struct qr_page *page, size_t more);

/*
 * Up to @n blocks of one order for the pcp, on @ret_blocks, their states PCP;
 * how many.  More than one only if they are resident.
 */
size_t qr_zone_alloc_bulk(struct qr_zone *zone, unsigned order, size_t n,
			  struct qr_list *ret_blocks);
void qr_zone_free_bulk(struct qr_zone *zone, unsigned order,
		       struct qr_list *blocks);

/*
 * arena/frontier.c: move the frontier so far that there is a free block of
 * @order.  True: there is, or was for a moment, or another thread moved the
 * frontier away from @seen.  No lock is held.
 */
bool qr_zone_grow(struct qr_zone *zone, unsigned order,
		  enum qr_migratetype type, size_t seen);

/* Is there room for a block of @order behind the frontier? */
bool qr_zone_has_room(const struct qr_zone *zone, unsigned order);

/*
 * The first frame of a block of @order that has the frontier inside of it and
 * nothing in use below that; 0: there is none.  zone->lock is held.
 */
size_t qr_zone_astride(const struct qr_zone *zone, unsigned order);

/* Let the frontier retreat over free, clean frames; metadata goes back. */
void qr_zone_retreat(struct qr_zone *zone);

/*
 * arena/purge.c: purge free resident frames until at most @keep are left,
 * coldest first.  Returns the frames purged.
 */
size_t qr_zone_purge(struct qr_zone *zone, size_t keep);

/* Frames that the calling thread gave to the kernel, ever. */
size_t qr_zone_purged_by_thread(void);

/* The watermarks in force; zone->lock is held. */
size_t qr_zone_base(const struct qr_zone *zone);
size_t qr_zone_peak(const struct qr_zone *zone);

/*
 * How many frames to purge now that some were freed, or that @n were taken
 * which may have no memory yet.  zone->lock is held.
 */
size_t qr_zone_excess(const struct qr_zone *zone);
size_t qr_zone_excess_for(const struct qr_zone *zone, size_t n);
/* Likewise, now that counters.grown is no longer @seen. */
size_t qr_zone_excess_grown(const struct qr_zone *zone, uint64_t seen);

/* Purge so many, and no more than all, unless somebody else is at it. */
void qr_zone_reclaim(struct qr_zone *zone, size_t nr_frames);

/*
 * A tick of the reclaimer's clock: purge what was free and resident all
 * through the last QR_WINDOW_TICKS.  Returns the frames purged.
 */
size_t qr_zone_age(struct qr_zone *zone);

/* Purge all but @keep; if that is 0, retreat too: frames purged. */
size_t qr_zone_trim(struct qr_zone *zone, size_t keep);

/* NULL, or a sentence on what is wrong.  For tests: walks everything. */
const char *qr_zone_check(struct qr_zone *zone);

QR_INLINE size_t qr_zone_frame(const struct qr_zone *zone,
			       const struct qr_page *page)
{
	return (size_t)(page - zone->span->mem_map);
}

QR_INLINE struct qr_page *qr_zone_page(const struct qr_zone *zone, size_t frame)
{
	return &zone->span->mem_map[frame];
}

/* Frames handed out; zone->lock is held. */
QR_INLINE size_t qr_zone_in_use(const struct qr_zone *zone)
{
	return zone->frontier - zone->start - zone->nr_free - zone->nr_isolated;
}

/* Frames in use or free, that have memory; zone->lock is held. */
QR_INLINE size_t qr_zone_resident(const struct qr_zone *zone)
{
	return qr_zone_in_use(zone) + zone->nr_dirty;
}

/* Tell the budget; zone->lock is held. */
QR_INLINE void qr_zone_charge(struct qr_zone *zone)
{
	qr_budget_note(&zone->charged, qr_zone_resident(zone));
}

/* From a descriptor to its zone and its address. */
QR_INLINE struct qr_zone *qr_page_zone(const struct qr_page *page)
{
	return &qr_zones[page->zone];
}

QR_INLINE uintptr_t qr_page_addr(const struct qr_page *page)
{
	const struct qr_zone *zone = qr_page_zone(page);

	return qr_span_addr(zone->span, qr_zone_frame(zone, page));
}

#endif
