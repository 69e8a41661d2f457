#include "core/limit.h"

#include "arena/budget.h"
#include "arena/large.h"
#include "arena/node.h"
#include "core/boot.h"
#include "core/container.h"
#include "core/reclaim.h"
#include "core/report.h"
#include "core/reserve.h"
#include "core/shrinker.h"
#include "sys/thread.h"

#include <errno.h>

enum {
	STEP_SHIFT = 4,	  /* a sixteenth of the limit */
	KEEP_SHIFT = 4,	  /* as much may be kept free */
	MOST_RAISES = 64, /* while others use up what was allowed */
	PATIENCE_MS = 100,
};

enum { QUIET, REPORT }; /* the option "oom" */

/* What a small object may cost: its slab, and what a zone has not told. */
static const size_t SLACK = (size_t)256 << 10;

static _Atomic size_t limit; /* 0: none */
static _Atomic bool is_hard;
static _Atomic uint64_t nr_events, nr_raised, nr_refusals;

static void count(_Atomic uint64_t *counter)
{
	atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

static size_t get_limit(void)
{
	return atomic_load_explicit(&limit, memory_order_relaxed);
}

static bool limit_is_hard(void)
{
	return atomic_load_explicit(&is_hard, memory_order_relaxed);
}

static size_t step(void)
{
	return get_limit() >> STEP_SHIFT;
}

/* The bar's place in good times. */
static size_t low_bar(void)
{
	size_t max = get_limit();

	if (!max)
		return SIZE_MAX;
	return limit_is_hard()
		       ? max - qr_min(QR_RESERVE, max >> QR_RESERVE_SHARE)
		       : max;
}

size_t qr_limit_keep(void)
{
	size_t max = get_limit();

	return max ? max >> KEEP_SHIFT : SIZE_MAX;
}

void qr_limit_set(size_t new_limit, bool hard)
{
	atomic_store_explicit(&limit, new_limit, memory_order_relaxed);
	atomic_store_explicit(&is_hard, hard, memory_order_relaxed);
	qr_budget_set_bar(low_bar());
	qr_container_keep_again();
	if (qr_budget_spare() == 0)
		qr_reclaim_trim(0, QR_BY_REQUEST);
}

void qr_limit_init(void)
{
	size_t wish = qr_option(QR_OPT_LIMIT);

	if (!wish)
		return;
	atomic_store_explicit(&limit, wish, memory_order_relaxed);
	atomic_store_explicit(&is_hard, qr_option(QR_OPT_LIMIT_HARD) != 0,
			      memory_order_relaxed);
	qr_budget_set_bar(low_bar());
	qr_container_keep_again();
}

/* What is used, and half a step more, is within the limit. */
static bool has_room(size_t size)
{
	size_t used = qr_budget_used() + step() / 2;

	return used < get_limit() && size <= get_limit() - used;
}

/* If so, the bar comes down. */
static bool is_eased(size_t size)
{
	if (!has_room(size))
		return false;
	qr_budget_set_bar(low_bar());
	qr_reserve_note_freed(step());
	return true;
}

/* No higher than need be for what is used now. */
static void lower_bar(void)
{
	size_t high = qr_budget_used() + step();

	if (get_limit() && !is_eased(0) && !limit_is_hard() &&
	    qr_budget_bar() > high)
		qr_budget_set_bar(qr_max(get_limit(), high));
}

void qr_limit_note_freed(size_t bytes)
{
	lower_bar();
	qr_reserve_note_freed(bytes);
}

/* Free pages and cached mappings: bytes that went to the kernel. */
static size_t drop(size_t bytes)
{
	struct qr_large_stats large;
	size_t freed;

	qr_large_read_stats(&large);
	freed = qr_large_trim(large.cached - qr_min(large.cached, bytes));
	if (freed < bytes)
		freed += qr_nodes_purge(bytes - freed);
	return freed;
}

/* The program's caches, if all of them could ever make room for @size. */
static size_t shrink(size_t size)
{
	if (size > get_limit())
		return 0;
	return qr_shrinkers_run(qr_budget_used() + size + step() - get_limit());
}

/* Another thread's shrinkers may be about to free something. */
static void wait_for_shrinkers(size_t size)
{
	uint64_t run = qr_shrinkers_other_run();
	int saved = errno;

	for (int ms = 0; run && ms < PATIENCE_MS; ms++) {
		if (qr_budget_spare() >= size + SLACK ||
		    qr_shrinkers_other_run() != run)
			break;
		qr_thread_sleep(1);
	}
	errno = saved;
}

static void reclaim(size_t size)
{
	drop(size + step());
	if (is_eased(size))
		return;
	qr_reclaim_trim(0, QR_BY_STALL);
	if (is_eased(size))
		return;
	if (shrink(size))
		qr_reclaim_trim(0, QR_BY_STALL);
	else if (limit_is_hard())
		wait_for_shrinkers(size);
	is_eased(size);
}

static bool open_reserve(size_t size)
{
	size_t max = get_limit();
	bool opened;

	if (!qr_reserve_is_for(size))
		return false;
	opened = qr_reserve_open();
	if (max && limit_is_hard() && qr_budget_bar() < max) {
		qr_budget_set_bar(max);
		opened = true;
	}
	return opened;
}

/* Soft: as far as it takes, and a step, until others are served as well. */
static bool raise_bar(struct qr_need *need)
{
	if (need->nr_raised++ >= MOST_RAISES)
		return false;
	qr_budget_set_bar(qr_max(get_limit(), qr_budget_used() + need->size +
						      SLACK + step()));
	count(&nr_raised);
	return true;
}

/* The budget refused. */
static bool relieve_limit(struct qr_need *need)
{
	bool was_dropped = need->dropped;

	if (!was_dropped) {
		count(&nr_events);
		need->dropped = true;
		/* a hard limit may be too low whatever is freed */
		if (need->size <= get_limit() || !limit_is_hard())
			reclaim(need->size);
		if (qr_budget_spare() >= need->size + SLACK)
			return true;
	}
	if (!limit_is_hard())
		return raise_bar(need);
	return !was_dropped && need->size <= get_limit();
}

/* The kernel refused. */
static bool relieve_kernel(struct qr_need *need)
{
	if (!need->dropped) {
		need->dropped = true;
		qr_reclaim_trim(0, QR_BY_STALL);
		return true;
	}
	if (!need->shrunk && need->size <= qr_budget_used()) {
		need->shrunk = true;
		if (qr_shrinkers_run(qr_max(need->size, SLACK))) {
			qr_reclaim_trim(0, QR_BY_STALL);
			return true;
		}
	}
	return false;
}

/* Who holds what, once. */
static void report(size_t size)
{
	static _Atomic bool reported;
	unsigned sections = QUARRY_MEMORY | QUARRY_SLABINFO | QUARRY_ZONEINFO |
			    QUARRY_VMSTAT;
	size_t max = get_limit();
	struct qr_out out;

	if (qr_option(QR_OPT_OOM) != REPORT ||
	    atomic_exchange_explicit(&reported, true, memory_order_relaxed))
		return;
	if (max)
		qr_warn("no memory for %zu bytes; %zu are held, the limit is "
			"%zu",
			size, qr_budget_used(), max);
	else
		qr_warn("no memory for %zu bytes; %zu are held", size,
			qr_budget_used());
	qr_out_init_fd(&out, 2);
	qr_report_write(&out, QUARRY_TEXT, sections);
	qr_out_flush(&out);
}

bool qr_relieve(struct qr_need *need)
{
	size_t size = need->size;
	bool again;

	if (qr_container_relieve(size + SLACK))
		return true;
	again = get_limit() && qr_budget_spare() < size + SLACK
			? relieve_limit(need)
			: relieve_kernel(need);
	if (again)
		return true;
	if (open_reserve(size))
		return true;
	lower_bar();
	qr_reserve_note_refusal();
	count(&nr_refusals);
	report(size);
	return false;
}

size_t qr_balloon(size_t bytes)
{
	size_t freed;

	if (!qr_boot())
		return 0;
	freed = drop(bytes);
	if (freed < bytes)
		freed += qr_reclaim_trim(0, QR_BY_REQUEST);
	if (freed < bytes && qr_shrinkers_run(bytes - freed))
		freed += qr_reclaim_trim(0, QR_BY_REQUEST);
	return freed;
}

void qr_limit_read_stats(struct qr_limit_stats *ret_stats)
{
	*ret_stats = (struct qr_limit_stats){
		.limit = get_limit(),
		.hard = limit_is_hard(),
		.bar = qr_budget_bar(),
		.events =
			atomic_load_explicit(&nr_events, memory_order_relaxed),
		.raised =
			atomic_load_explicit(&nr_raised, memory_order_relaxed),
		.refusals = atomic_load_explicit(&nr_refusals,
						 memory_order_relaxed),
	};
}
