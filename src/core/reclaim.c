#include "core/reclaim.h"

#include "arena/budget.h"
#include "arena/large.h"
#include "arena/node.h"
#include "core/boot.h"
#include "core/container.h"
#include "core/core.h"
#include "core/limit.h"
#include "core/news.h"
#include "core/reserve.h"
#include "core/shrinker.h"
#include "slab/pcpu.h"
#include "slab/slab.h"
#include "sys/futex.h"
#include "sys/thread.h"

enum {
	LOOK_AFTER = 32, /* misses, or as many 64 KiB */
	TICK_MS = 1000,
	PRESSED_TICK_MS = 100,
	QUIET_TICKS = 3,
	UNKNOWN_SHIFT = 4,
};

enum { AUTO, ON, OFF }; /* the option "background" */

static const size_t SMALL_HEAP = (size_t)16 << 20;
static const size_t RESERVE_HEAP = (size_t)4 << 20;
static const size_t SINGLE_HEAP = (size_t)64 << 20;
static const size_t WORTH_IT = (size_t)1 << 20;

_Atomic uint32_t qr_reclaim_stage = QR_RECLAIM_YOUNG;

static _Atomic bool allowed;
static _Atomic bool running;
static _Atomic unsigned weight; /* of the misses since we last looked */
static _Atomic bool looked_at_container;

/* Relaxed: figures. */
static _Atomic uint64_t nr_ticks, nr_pressed, nr_news, nr_trims_in_need;
static _Atomic uint64_t nr_bytes[QR_NR_RECLAIMERS];

void qr_reclaim_allow(bool allow)
{
	atomic_store_explicit(&allowed, allow, memory_order_relaxed);
}

static void add(_Atomic uint64_t *counter, uint64_t n)
{
	atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

size_t qr_reclaim_trim(size_t keep, enum qr_reclaimer who)
{
	size_t bytes = qr_trim(keep);

	add(&nr_bytes[who], bytes);
	add(&nr_trims_in_need, who == QR_BY_STALL);
	return bytes;
}

/* The thread */

static void age_slabs(struct qr_cache *cache, void *arg)
{
	(void)arg;
	for (uint64_t left = qr_nodes_mask(); left; left &= left - 1)
		qr_slab_age(cache, qr_ctz(left));
}

static void tick(void)
{
	size_t freed;

	qr_pcpu_age();
	qr_caches_for_each(age_slabs, NULL);
	freed = qr_nodes_age() + qr_large_age();
	qr_limit_note_freed(freed);
	add(&nr_bytes[QR_BY_CLOCK], freed);
	add(&nr_ticks, 1);
}

static void look_at_container_once(void)
{
	if (!atomic_exchange_explicit(&looked_at_container, true,
				      memory_order_relaxed))
		qr_container_look();
}

/*
 * First what is ours, then what the program can do without: what is wanted, or
 * where nobody knows, a sixteenth of what we hold.
 */
size_t qr_reclaim_shed(enum qr_reclaimer who)
{
	size_t bytes = qr_reclaim_trim(0, who);
	size_t want = qr_container_want();

	add(&nr_pressed, 1);
	if (!want && who == QR_BY_PRESSURE)
		want = qr_budget_used() >> UNKNOWN_SHIFT;
	if (bytes < want && qr_shrinkers_run(want - bytes))
		bytes += qr_reclaim_trim(0, who);
	return bytes;
}

/*
 * Returns how long the thread leaves it at that, whatever news there is: longer
 * while that brings little.
 */
static unsigned shed(unsigned pause)
{
	size_t bytes = qr_reclaim_shed(QR_BY_PRESSURE);

	return bytes >= WORTH_IT
		       ? PRESSED_TICK_MS
		       : (unsigned)qr_clamp(2 * pause, PRESSED_TICK_MS,
					    TICK_MS);
}

static bool wait_for_news(int milliseconds)
{
	bool news = qr_news_wait(milliseconds);

	add(&nr_news, news);
	return news;
}

static bool was_quiet(void)
{
	return atomic_load_explicit(&qr_reclaim_stage, memory_order_relaxed) ==
	       QR_RECLAIM_QUIET;
}

/* Until the program has been quiet for some time. */
static void work(bool has_files)
{
	unsigned pause = 0; /* since memory was scarce */

	for (unsigned quiet = 0; quiet < QUIET_TICKS;) {
		bool scarce = false;

		atomic_store_explicit(&qr_reclaim_stage, QR_RECLAIM_QUIET,
				      memory_order_relaxed);
		if (pause)
			qr_thread_sleep(pause);
		else
			scarce = wait_for_news(TICK_MS);
		quiet = was_quiet() ? quiet + 1 : 0;
		if (has_files)
			scarce |= qr_container_look_and_listen();
		pause = scarce ? shed(pause) : 0;
		tick();
	}
}

static bool is_parked(void)
{
	/* acquire: pairs with wake() */
	return atomic_load_explicit(&qr_reclaim_stage, memory_order_acquire) ==
	       QR_RECLAIM_PARKED;
}

/* Without a timeout. */
static void sleep_until_woken(void)
{
	unsigned pause = 0;

	while (is_parked()) {
		if (!qr_news_expected()) {
			qr_futex_wait(&qr_reclaim_stage, QR_RECLAIM_PARKED);
		} else if (wait_for_news(-1)) {
			qr_container_look_and_listen();
			pause = shed(pause);
			qr_thread_sleep(pause);
		}
	}
}

static void park(void)
{
	uint32_t stage = QR_RECLAIM_QUIET;

	qr_reclaim_trim(0, QR_BY_CLOCK);
	if (atomic_compare_exchange_strong_explicit(
		    &qr_reclaim_stage, &stage, QR_RECLAIM_PARKED,
		    memory_order_relaxed, memory_order_relaxed))
		sleep_until_woken();
}

static void run(void)
{
	bool has_files = qr_thread_leave_files() == 0;

	if (has_files)
		qr_container_look_and_listen();
	for (;;) {
		work(has_files);
		park();
	}
}

/* The misses */

static void start(void)
{
	uint32_t stage = QR_RECLAIM_YOUNG;

	/* from here on no miss comes here, those of libc below included */
	if (!atomic_compare_exchange_strong_explicit(
		    &qr_reclaim_stage, &stage, QR_RECLAIM_DEAF,
		    memory_order_relaxed, memory_order_relaxed))
		return;
	if (qr_thread_start(run, "quarry") == 0)
		atomic_store_explicit(&running, true, memory_order_relaxed);
	else
		look_at_container_once();
}

/* Is it time?  In a heap of some size, that is looked at now and then only. */
static void consider(size_t size)
{
	uint64_t wish = qr_option(QR_OPT_BACKGROUND);
	unsigned n = 1 + (unsigned)qr_min(size >> 16, LOOK_AFTER);
	size_t heap = qr_budget_used();

	if (qr_likely(heap < RESERVE_HEAP && wish != ON))
		return;
	n += atomic_fetch_add_explicit(&weight, n, memory_order_relaxed);
	if (n < LOOK_AFTER && wish != ON)
		return;
	atomic_store_explicit(&weight, 0, memory_order_relaxed);
	if (!atomic_load_explicit(&allowed, memory_order_relaxed))
		return;
	if (heap >= RESERVE_HEAP)
		qr_reserve_fill();
	if (heap < SMALL_HEAP && wish != ON)
		return;
	if (wish == OFF ||
	    (wish == AUTO && heap < SINGLE_HEAP && qr_thread_is_single()))
		look_at_container_once();
	else
		start();
}

/* From QUIET and PARKED; the thread may go from one to the other meanwhile. */
static void wake(uint32_t stage)
{
	while (stage != QR_RECLAIM_DEAF) {
		if (!atomic_compare_exchange_weak_explicit(
			    &qr_reclaim_stage, &stage, QR_RECLAIM_DEAF,
			    memory_order_release, memory_order_relaxed))
			continue;
		if (stage == QR_RECLAIM_PARKED) {
			/* in one of the two it sleeps */
			qr_futex_wake(&qr_reclaim_stage);
			qr_news_wake();
		}
		return;
	}
}

void qr_reclaim_note_slow(size_t size)
{
	uint32_t stage =
		atomic_load_explicit(&qr_reclaim_stage, memory_order_relaxed);

	if (stage != QR_RECLAIM_YOUNG)
		wake(stage);
	else if (size)
		consider(size);
}

void qr_reclaim_after_fork(void)
{
	qr_container_after_fork();
	qr_news_after_fork();
	atomic_store_explicit(&running, false, memory_order_relaxed);
	atomic_store_explicit(&qr_reclaim_stage, QR_RECLAIM_YOUNG,
			      memory_order_relaxed);
}

const char *qr_reclaim_state_name(void)
{
	if (!atomic_load_explicit(&running, memory_order_relaxed))
		return "none";
	return atomic_load_explicit(&qr_reclaim_stage, memory_order_relaxed) ==
			       QR_RECLAIM_PARKED
		       ? "parked"
		       : "working";
}

static uint64_t read(_Atomic uint64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

/* Those who found a zone above its watermark. */
static void add_zone_stalls(struct qr_zone *zone,
			    struct qr_reclaim_stats *stats)
{
	qr_lock_acquire(&zone->lock);
	stats->stalls += zone->counters.direct;
	stats->bytes[QR_BY_STALL] += zone->counters.direct_purged
				     << QR_FRAME_SHIFT;
	qr_lock_release(&zone->lock);
}

void qr_reclaim_read_stats(struct qr_reclaim_stats *ret_stats)
{
	unsigned nr_zones =
		atomic_load_explicit(&qr_nr_zones, memory_order_acquire);

	*ret_stats = (struct qr_reclaim_stats){
		.ticks = read(&nr_ticks),
		.stalls = read(&nr_trims_in_need),
		.pressed = read(&nr_pressed),
		.news = read(&nr_news),
		.limit = qr_container_limit(),
	};
	for (unsigned i = 0; i < QR_NR_RECLAIMERS; i++)
		ret_stats->bytes[i] = read(&nr_bytes[i]);
	for (unsigned i = 0; i < nr_zones; i++)
		add_zone_stalls(&qr_zones[i], ret_stats);
}
