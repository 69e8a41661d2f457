/*
 * Fault-ahead: memory of a heap that grows is had before it is touched.
 *
 * The first touch of a page costs a fault, and most of a fault is the way
 * into the kernel and back.  A program that has grown and goes on growing by
 * small pieces will touch the next pages too, so whoever finds no resident
 * block takes a larger clean one, has the kernel back all of it in one call,
 * and puts it back among the resident ones, where this and the next requests
 * find it.
 *
 *	resident	ahead, at most		unused, at most
 *	below 1 MiB	nothing			nothing
 *	above		1/64, up to 1 MiB	1/32: a step of each migratetype
 *	above 96 MiB	a huge page		1/24: a huge page of each
 *
 * The first step is 16 KiB; each may be twice the one before while nothing is
 * given back, because only then has all that came before been wanted.  Once
 * steps are largest, the next are huge pages (arena/huge.h), where there are
 * any.  Large runs are left alone: a program may never touch the most of them.
 *
 * The kernel is asked with no lock held and the block off the lists, so that
 * threads which grow together do so side by side.
 */
#include "arena/buddy.h"
#include "arena/huge.h"
#include "sys/map.h"
#include "sys/thread.h"

#include <errno.h>

enum {
	MIN_RESIDENT = 1 << 8, /* frames */
	SHARE_SHIFT = 6,
	FIRST_ORDER = 2,
	LAST_ORDER = 8,
	MAX_REQUEST = 1 << 5,  /* frames */
	HUGE_ORDER = QR_PAGEBLOCK_ORDER,
	FAULT_OFF = UINT8_MAX, /* zone->fault_order, until the next purge */
};

/* The kernel cannot (before Linux 5.14). */
static _Atomic bool unsupported;

unsigned qr_fault_order(const struct qr_zone *zone,
			const struct qr_buddy_request *want)
{
	size_t resident, share;
	unsigned order;

	if (qr_likely(zone->area[want->type][1].nonempty >> want->order) ||
	    want->nr_frames > MAX_REQUEST || zone->fault_order == FAULT_OFF)
		return 0;
	resident = qr_zone_resident(zone);
	share = resident >> SHARE_SHIFT;
	if (resident < MIN_RESIDENT ||
	    atomic_load_explicit(&unsupported, memory_order_relaxed))
		return 0;
	if (zone->fault_order == LAST_ORDER && qr_huge_wanted(zone) &&
	    zone->nr_isolated + QR_PAGEBLOCK_FRAMES <= 2 * share)
		return HUGE_ORDER;
	order = (unsigned)qr_min(qr_fls(share), LAST_ORDER);
	order = (unsigned)qr_clamp(zone->fault_order, FIRST_ORDER, order);
	/* what other threads have faulted in at the moment counts as well */
	if (order < want->order ||
	    zone->nr_isolated + ((size_t)1 << order) > 2 * share)
		return 0;
	return order;
}

/* What became of a block: it is all resident, or clean again. */
static void finish(struct qr_zone *zone, size_t frame, unsigned order, int rc)
{
	size_t n = (size_t)1 << order;

	if (rc == 0) {
		zone->counters.faulted += n;
		zone->fault_order = (uint8_t)qr_min(
			qr_max(zone->fault_order, order + 1), LAST_ORDER);
	} else {
		/* what the kernel did give reads as zeros too */
		qr_span_clear_resident(zone->span, frame, n);
		zone->fault_order = FAULT_OFF;
		if (rc == -EINVAL)
			atomic_store_explicit(&unsupported, true,
					      memory_order_relaxed);
	}
	qr_buddy_put(zone, frame, order, rc == 0 ? n : 0);
}

/* The kernel is asked, with no lock held; *@huge: to be, and whether it is. */
static int populate(const struct qr_zone *zone, size_t frame, unsigned order,
		    bool *huge)
{
	/* the least steps are not worth the clock */
	bool timed = order >= LAST_ORDER;
	uint64_t start = timed ? qr_thread_time() : 0;
	int rc;

	if (*huge)
		*huge = qr_huge_tell_enter(zone, frame) == 0;
	rc = qr_map_populate((void *)qr_span_addr(zone->span, frame),
			     (size_t)QR_FRAME_SIZE << order);
	if (timed)
		qr_huge_note_step(order, qr_thread_time() - start);
	if (rc && *huge) {
		qr_huge_tell_leave(zone, frame, order);
		*huge = false;
	}
	return rc;
}

bool qr_fault_ahead(struct qr_zone *zone, unsigned order,
		    enum qr_migratetype type)
{
	size_t n = (size_t)1 << order, frame;
	bool clean, huge;
	struct qr_buddy_request block = {
		.nr_frames = n,
		.order = order,
		.type = type,
		.ret_clean = &clean,
	};
	int rc;

	frame = qr_buddy_take(zone, &block);
	if (!frame)
		return false;
	if (!clean) {
		/* a pageblock of the other type */
		qr_buddy_put(zone, frame, order, n);
		return true;
	}
	zone->nr_isolated += n;
	huge = order == HUGE_ORDER && qr_huge_may_enter(zone, frame);
	qr_lock_release(&zone->lock);
	rc = populate(zone, frame, order, &huge);
	qr_lock_acquire(&zone->lock);
	zone->nr_isolated -= n;
	if (huge)
		qr_huge_enter(zone, frame);
	finish(zone, frame, order, rc);
	return true;
}
