/*
 * Page frames, their descriptors, pageblocks.
 *
 * A frame is 4 KiB of a span, whatever the kernel's page size.  Every frame
 * of a span has a number, counted from the span's base, and with it
 *
 *	a frame byte	what free() must do with an address in it
 *	a descriptor	struct qr_page, 64 bytes; all zero means unused
 *	a pageblock	512 frames share one: migratetype, resident frames
 *
 *	state	descriptor of				owned by
 *	UNUSED	interior of anything, or never used	-
 *	FREE	first frame of a free block, order	zone->lock
 *	PCP	first frame of a stashed block or run	the pcp's lock
 *	SLAB	first frame of a slab			its cache node's lock
 *	RUN	first frame of nr_pages frames		whoever allocated it
 *
 * A state is written by the owner, and read under zone->lock by whoever looks
 * for a free buddy: only to and from FREE under that lock.  That is why it is
 * atomic, relaxed.
 *
 * A frame is resident from its first allocation until it is purged; one that
 * is not resident reads as zeros.
 */
#ifndef QR_ARENA_PAGE_H
#define QR_ARENA_PAGE_H

#include "base/bits.h"
#include "base/list.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>

enum {
	QR_FRAME_SHIFT = 12,
	QR_FRAME_SIZE = 1 << QR_FRAME_SHIFT,
	QR_MAX_ORDER = 10,		/* a block of 4 MiB */
	QR_NR_ORDERS = QR_MAX_ORDER + 1,
	QR_MAX_BLOCK_FRAMES = 1 << QR_MAX_ORDER,
	QR_MAX_BLOCK_SIZE = QR_FRAME_SIZE << QR_MAX_ORDER,
	QR_PAGEBLOCK_ORDER = 9,
	QR_PAGEBLOCK_FRAMES = 1 << QR_PAGEBLOCK_ORDER,
};

enum qr_page_state {
	QR_PAGE_UNUSED,
	QR_PAGE_FREE,
	QR_PAGE_PCP,
	QR_PAGE_SLAB,
	QR_PAGE_RUN,
};

/* Frame bytes: the even numbers 2 to 250 are caches with per-CPU arrays: an
 * object's row, in words of its CPU's region (sys/rseq.h).  The others have
 * rows that never hit. */
enum {
	QR_FRAME_NONE = 0,
	QR_FRAME_RUN = 252,	/* first frame of a run */
	QR_FRAME_SLAB = 254,	/* a slab of a cache without arrays */
};

enum qr_migratetype {
	QR_MIGRATE_SLAB,	/* slabs: small, long-lived as a whole */
	QR_MIGRATE_RUN,		/* runs: gone with their one object */
	QR_NR_MIGRATETYPES
};

struct qr_page {
	struct qr_list link;	/* free area, pcp, or the slab's list */
	_Atomic uint8_t state;
	uint8_t order;
	uint8_t zone;		/* index into qr_zones */
	uint8_t bucket;		/* slab, free block: which list it is on */
	uint16_t inuse;		/* slab: objects handed out */
	uint16_t nr_objects;
	union {
		size_t nr_pages;	/* run */
		size_t nr_resident;	/* free block: frames of it */
		struct qr_cache *cache;	/* slab */
	};
	uint64_t map[4];	/* slab: this frame's share of the free bits */
};

static_assert(sizeof(struct qr_page) == 64, "one cache line each");

struct qr_pageblock {
	uint64_t resident[QR_PAGEBLOCK_FRAMES / 64];
	uint8_t migratetype;
	bool huge;	/* see arena/huge.h */
	uint8_t pad[62];
};

static_assert(sizeof(struct qr_pageblock) == 128, "two cache lines");

QR_INLINE enum qr_page_state qr_page_state(struct qr_page *page)
{
	return (enum qr_page_state)atomic_load_explicit(&page->state,
							memory_order_relaxed);
}

QR_INLINE void qr_page_set_state(struct qr_page *page, enum qr_page_state state)
{
	atomic_store_explicit(&page->state, (uint8_t)state,
			      memory_order_relaxed);
}

#endif
