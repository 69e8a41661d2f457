/*
 * pcp: what a CPU lately freed, in front of the zones.
 *
 *	blocks	of orders 0 to 3, for slabs: lists, hot end first out, cold end
 *		given back in batches
 *	runs	of exactly so many frames: the few freed last, whatever their
 *		size, because programs ask again for what they just freed, and
 *		cutting and merging a run costs ten times as much
 *
 * Both are bounded in frames, and by a share of the heap, but for the run that
 * was freed last; all of it is resident, and none of it is free as seen from
 * the zone.  A pcp has pages of one node only.
 *
 * A CPU is whatever number the caller knows it by (sys/rseq.h), as long as
 * threads that run at once seldom share one.
 *
 * Locking: pcp->lock (rank PCP), one per CPU.  A pcp is set up, at its first
 * use, under qr_span_lock, so that fork, which holds that, has them all.
 */
#ifndef QR_ARENA_PCP_H
#define QR_ARENA_PCP_H

#include "arena/zone.h"

enum {
	QR_PCP_ORDERS = 4,	/* orders 0 to 3 */
	QR_PCP_FRAMES = 64,	/* in blocks; half goes back when it is full */
	QR_PCP_RUNS = 8,
	QR_PCP_MAX_RUN = 256,	/* frames; the largest run that is kept */
	QR_MAX_PCPS = 1024,	/* CPUs beyond it have none */
};

struct qr_pcp_run {
	struct qr_page *page;
	size_t nr_frames;
};

struct qr_pcp {
	struct qr_lock lock;
	_Atomic bool ready;	/* zero: not set up */

	/* lock */
	uint8_t node;		/* of the zones whose pages are here */
	uint8_t nr_runs;
	bool used;		/* since the last tick */
	uint32_t nr_frames;	/* in blocks */
	uint32_t run_frames;	/* in runs */
	struct qr_list blocks[QR_PCP_ORDERS];	/* hot first */
	struct qr_pcp_run runs[QR_PCP_RUNS];	/* hot last */
	uint64_t hits, refills, flushes, run_hits;
} QR_ALIGNED(64);

extern struct qr_pcp qr_pcps[QR_MAX_PCPS];

/* @nr_cpus: CPU numbers at or above it have no pcp. */
void qr_pcps_init(unsigned nr_cpus);

/* @node as zones have it.  NULL: there is none. */
struct qr_page *qr_pcp_alloc_block(unsigned cpu, unsigned node, unsigned order);
struct qr_page *qr_pcp_alloc_run(unsigned cpu, unsigned node, size_t nr_frames,
				 unsigned align_order);

/* How many blocks to ask the zone for when there is none; 0: no pcp. */
unsigned qr_pcp_batch(unsigned cpu, unsigned order);
/* What was had of @node, but for the first: to the cold end. */
void qr_pcp_refill(unsigned cpu, unsigned node, unsigned order,
		   struct qr_list *blocks);

/* False: not taken, it goes to its zone. */
bool qr_pcp_free_block(struct qr_page *page, unsigned cpu, unsigned order);
bool qr_pcp_free_run(struct qr_page *page, unsigned cpu);

/* Empty every pcp into the zones, or those that nobody used for a tick. */
void qr_pcps_drain(void);
void qr_pcps_age(void);

/* Frames in all pcps. */
size_t qr_pcps_count(void);

/* fork: qr_span_lock is held. */
void qr_pcps_lock_all(void);
void qr_pcps_unlock_all(bool child);

#endif
