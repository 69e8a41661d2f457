/*
 * Reclaim: memory that nobody needs goes back, also while the program sleeps.
 *
 * The layers below know what was not needed over the last ticks of a clock;
 * here is the clock.  A thread (the kernel's kswapd) ticks once a second while
 * the program works, and sleeps without a timeout when it does not:
 *
 *	stage	the thread		is left when
 *	YOUNG	there is none		the heap is large enough to pay
 *	DEAF	ticks; or there is	its next tick: QUIET
 *		none and will be none
 *	QUIET	ticks			a miss: DEAF; QUIET_TICKS of these:
 *					it gives everything back, then PARKED
 *	PARKED	waits for news only	a miss: DEAF, and it is woken
 *
 * The misses of malloc and free call qr_reclaim_note(): a load while DEAF.
 *
 *	tick:	rows that were not used, what was left over in barns, empty
 *		slabs, pcps that were not used, free frames and cached mappings
 *		that were left over; each into the layer below, or the kernel
 *
 * The heap is large enough from SMALL_HEAP on, and from SINGLE_HEAP on while
 * the process has one thread only, because the second makes libc's own locks
 * cost something.  A thread is started by a miss of malloc only, never of
 * free, which libc calls with locks held that starting a thread takes.
 *
 * Near the container's limit (core/container.h), or on news of want of memory
 * (core/news.h), all that is free goes back at once; so often at most that it
 * cannot become what the program does.  The container is looked at on news and
 * at every tick, and once before there is a thread.  The thread has a table of
 * file descriptors of its own.
 *
 * Fork: the child is YOUNG again.
 */
#ifndef QR_CORE_RECLAIM_H
#define QR_CORE_RECLAIM_H

#include "base/compiler.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum qr_reclaim_stage {
	QR_RECLAIM_DEAF,
	QR_RECLAIM_YOUNG,
	QR_RECLAIM_QUIET,
	QR_RECLAIM_PARKED,
};

extern _Atomic uint32_t qr_reclaim_stage;

void qr_reclaim_note_slow(size_t size) QR_COLD;

/* A miss: of malloc with its @size, of free with 0.  No lock is held. */
QR_INLINE void qr_reclaim_note(size_t size)
{
	if (qr_unlikely(atomic_load_explicit(&qr_reclaim_stage,
					     memory_order_relaxed) !=
			QR_RECLAIM_DEAF))
		qr_reclaim_note_slow(size);
}

/* May a thread be started?  Not before our constructor, nor after exit(). */
void qr_reclaim_allow(bool allow);

void qr_reclaim_after_fork(void); /* in the child */

/* "none", "working", "parked": what the thread does. */
const char *qr_reclaim_state_name(void);

/* Who gives memory back to the kernel, and why. */
enum qr_reclaimer {
	QR_BY_CLOCK,	/* the thread: nobody needed it */
	QR_BY_PRESSURE, /* the thread: memory is scarce */
	QR_BY_STALL,	/* a thread that allocates or frees */
	QR_BY_REQUEST,	/* the program asks */
	QR_NR_RECLAIMERS,
};

/* qr_trim(), which see, on behalf of @who. */
size_t qr_reclaim_trim(size_t keep, enum qr_reclaimer who);

/* Memory is scarce: all that is free goes back, bytes. */
size_t qr_reclaim_shed(enum qr_reclaimer who);

struct qr_reclaim_stats {
	uint64_t ticks;
	uint64_t bytes[QR_NR_RECLAIMERS];
	uint64_t stalls;	/* times BY_STALL */
	uint64_t pressed;	/* times that memory was scarce */
	uint64_t news;		/* that came; see core/news.h */
	size_t limit;		/* of the container; SIZE_MAX: none */
};
void qr_reclaim_read_stats(struct qr_reclaim_stats *ret_stats);

#endif
