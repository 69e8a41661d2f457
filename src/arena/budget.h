/*
 * The budget: how much memory the arena may have from the kernel.
 *
 *	used	frames in use, or free with memory, and their descriptors;
 *		large objects, live and cached; chunks of our own structures
 *	bar	frames without memory, and fresh mappings, are refused where
 *		used would pass it; SIZE_MAX: never
 *	mark	the same; of the container, as far as it was seen to have room
 *
 * Whoever is refused gets NULL, as from a kernel that has no more, and core,
 * which sets both, decides what then (core/limit.h).  Frames and mappings
 * that have their memory already are handed out whatever the bar says.
 *
 * Large objects are counted whole and exactly.  A zone counts its frames under
 * its own lock and tells in steps, so that threads do not meet here: used may
 * be wrong by QR_BUDGET_STEP frames a zone.  Our own structures are counted
 * and never refused.  Not counted are the per-CPU arrays, and what a huge page
 * has beside the frames in use (option "thp").
 *
 * Locking: none; relaxed, because nothing else follows from the figures.
 */
#ifndef QR_ARENA_BUDGET_H
#define QR_ARENA_BUDGET_H

#include "arena/page.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	QR_BUDGET_STEP = 32, /* frames */
	/* a frame, its descriptor and its byte */
	QR_BUDGET_FRAME = QR_FRAME_SIZE + sizeof(struct qr_page) + 1,
};

struct qr_budget {
	_Atomic size_t used, bar, mark;
};

extern struct qr_budget qr_budget QR_HIDDEN;

QR_INLINE size_t qr_budget_used(void)
{
	return atomic_load_explicit(&qr_budget.used, memory_order_relaxed);
}

QR_INLINE size_t qr_budget_bar(void)
{
	return atomic_load_explicit(&qr_budget.bar, memory_order_relaxed);
}

QR_INLINE size_t qr_budget_mark(void)
{
	return atomic_load_explicit(&qr_budget.mark, memory_order_relaxed);
}

QR_INLINE size_t qr_budget_top(void)
{
	return qr_min(qr_budget_bar(), qr_budget_mark());
}

/* Bytes that may still be had. */
QR_INLINE size_t qr_budget_spare(void)
{
	size_t top = qr_budget_top(), used = qr_budget_used();

	return top > used ? top - used : 0;
}

QR_INLINE void qr_budget_add(size_t size)
{
	atomic_fetch_add_explicit(&qr_budget.used, size, memory_order_relaxed);
}

QR_INLINE void qr_budget_give(size_t size)
{
	atomic_fetch_sub_explicit(&qr_budget.used, size, memory_order_relaxed);
}

/* False: they may not be had. */
bool qr_budget_take(size_t size);

/*
 * A zone has @now frames with memory; *@told is what the budget knows of it,
 * and belongs to the caller.
 */
QR_INLINE void qr_budget_note(size_t *told, size_t now)
{
	size_t change = now - *told;

	/* one compare for both directions */
	if (qr_likely(change + QR_BUDGET_STEP <= 2 * QR_BUDGET_STEP))
		return;
	qr_budget_add(change * QR_BUDGET_FRAME);
	*told = now;
}

void qr_budget_set_bar(size_t bar);
void qr_budget_set_mark(size_t mark);

#endif
