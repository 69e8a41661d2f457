#include "arena/huge.h"

#include "arena/vma.h"
#include "sys/map.h"
#include "sys/thp.h"

#include <errno.h>

enum {
	LOOK_FRAMES = 1 << 14, /* when to ask what the system says */
	/* two pageblocks, one of each migratetype, are a 24th of it */
	LEAST_RESIDENT = 24 * 2 * QR_PAGEBLOCK_FRAMES,
	MOST_BORDERS = 1024,
	FIRST_PAUSE = 16, /* steps of a MiB */
	LAST_PAUSE = 1 << 12,
	/* pageblocks that a tick looks at, and ranges that become huge */
	LOOKED_AT = 128,
	RANGES = 8,
};

enum { UNKNOWN, OFF, ON };

static struct {
	enum qr_huge_wish wish;
	const char *sysfs_root;
	_Atomic int state; /* UNKNOWN until a heap is large */

	/* relaxed: threads may lose each other's figures */
	_Atomic uint64_t step_time;	  /* of a frame in other steps, ns */
	_Atomic unsigned pause, next_pause; /* steps */
} huge;

unsigned qr_huge_dear = 2;

static _Atomic size_t nr_borders;

void qr_huge_init(enum qr_huge_wish wish, const char *sysfs_root)
{
	huge.wish = wish;
	huge.sysfs_root = sysfs_root;
	atomic_store_explicit(&huge.state,
			      wish == QR_HUGE_NEVER ? OFF : UNKNOWN,
			      memory_order_relaxed);
}

size_t qr_huge_nr_borders(void)
{
	return atomic_load_explicit(&nr_borders, memory_order_relaxed);
}

static int tell(const struct qr_zone *zone, size_t from, size_t to, bool yes)
{
	return qr_map_advise_huge((void *)qr_span_addr(zone->span, from),
				  (to - from) << QR_FRAME_SHIFT, yes);
}

/* ---- the zone as a whole ---- */

static void look(void)
{
	enum qr_thp thp = qr_thp_read(huge.sysfs_root,
				      (size_t)QR_PAGEBLOCK_FRAMES
					      << QR_FRAME_SHIFT);

	atomic_store_explicit(&huge.state, thp == QR_THP_NEVER ? OFF : ON,
			      memory_order_relaxed);
}

size_t qr_huge_commit_end(const struct qr_zone *zone, size_t frame)
{
	if (huge.wish != QR_HUGE_ALWAYS)
		return frame;
	return qr_min(qr_round_up(frame, QR_PAGEBLOCK_FRAMES), zone->end);
}

/* The first zone of a span speaks for the metadata too. */
static void tell_of_zone(struct qr_zone *zone, size_t from, size_t to)
{
	bool yes = huge.wish == QR_HUGE_ALWAYS;

	if (zone->span->extended) {
		tell(zone, zone->is_told ? from : zone->start, to, yes);
	} else if (!zone->is_told) {
		if (zone->start == zone->span->first_frame)
			tell(zone, 0, zone->start, false);
		tell(zone, zone->start, zone->end, yes);
	}
	zone->is_told = true;
}

void qr_huge_note_commit(struct qr_zone *zone, size_t from, size_t to)
{
	qr_lock_assert_held(&qr_span_lock);
	if (to - zone->start < QR_PAGEBLOCK_FRAMES)
		return;
	tell_of_zone(zone, from, to);
	if (to - zone->start >= LOOK_FRAMES &&
	    atomic_load_explicit(&huge.state, memory_order_relaxed) == UNKNOWN)
		look();
}

void qr_huge_note_mapping(void *addr, size_t size)
{
	if (huge.wish != QR_HUGE_AUTO)
		qr_map_advise_huge(addr, size, huge.wish == QR_HUGE_ALWAYS);
}

/* ---- pageblocks ---- */

static bool is_large(const struct qr_zone *zone)
{
	return atomic_load_explicit(&huge.state, memory_order_relaxed) == ON &&
	       qr_zone_resident(zone) >= LEAST_RESIDENT;
}

bool qr_huge_wanted(const struct qr_zone *zone)
{
	return !atomic_load_explicit(&huge.pause, memory_order_relaxed) &&
	       is_large(zone);
}

static void note_huge_step(uint64_t time)
{
	uint64_t other =
		atomic_load_explicit(&huge.step_time, memory_order_relaxed);
	unsigned pause =
		atomic_load_explicit(&huge.next_pause, memory_order_relaxed);
	bool dear = other && time > other * qr_huge_dear;

	pause = dear ? qr_clamp(2 * pause, FIRST_PAUSE, LAST_PAUSE) : 0;
	atomic_store_explicit(&huge.pause, pause, memory_order_relaxed);
	atomic_store_explicit(&huge.next_pause, pause, memory_order_relaxed);
}

static void note_other_step(uint64_t time)
{
	uint64_t old =
		atomic_load_explicit(&huge.step_time, memory_order_relaxed);
	unsigned pause =
		atomic_load_explicit(&huge.pause, memory_order_relaxed);

	atomic_store_explicit(&huge.step_time,
			      old ? (3 * old + time) / 4 : time,
			      memory_order_relaxed);
	if (pause)
		atomic_store_explicit(&huge.pause, pause - 1,
				      memory_order_relaxed);
}

void qr_huge_note_step(unsigned order, uint64_t ns)
{
	uint64_t time = (ns >> order) + 1;

	if (order == QR_PAGEBLOCK_ORDER)
		note_huge_step(time);
	else if (order == QR_PAGEBLOCK_ORDER - 1)
		note_other_step(time);
}

static bool is_huge(const struct qr_zone *zone, size_t frame)
{
	return frame >= zone->start && frame < zone->frontier &&
	       qr_span_pageblock(zone->span, frame)->huge;
}

/* How many borders more there are when the pageblock at @frame changes. */
static int borders_of_change(const struct qr_zone *zone, size_t frame)
{
	int neighbours = is_huge(zone, frame - QR_PAGEBLOCK_FRAMES) +
			 is_huge(zone, frame + QR_PAGEBLOCK_FRAMES);

	return is_huge(zone, frame) ? 2 * neighbours - 2 : 2 - 2 * neighbours;
}

/* Are there mappings for so many more borders? */
static bool is_affordable(int more)
{
	return more <= 0 ||
	       (qr_huge_nr_borders() + (size_t)more <= MOST_BORDERS &&
		!qr_vma_tight());
}

static void set(struct qr_zone *zone, size_t frame, bool yes)
{
	int more = borders_of_change(zone, frame);

	/* wraps as it should */
	atomic_fetch_add_explicit(&nr_borders, (size_t)more,
				  memory_order_relaxed);
	qr_vma_note_others(more);
	qr_span_pageblock(zone->span, frame)->huge = yes;
	zone->nr_huge += yes ? 1 : (size_t)-1;
}

bool qr_huge_may_enter(const struct qr_zone *zone, size_t frame)
{
	qr_lock_assert_held(&zone->lock);
	return huge.wish == QR_HUGE_ALWAYS ||
	       is_affordable(borders_of_change(zone, frame));
}

void qr_huge_enter(struct qr_zone *zone, size_t frame)
{
	qr_lock_assert_held(&zone->lock);
	zone->counters.huge_faulted++;
	if (huge.wish != QR_HUGE_ALWAYS)
		set(zone, frame, true);
}

static void leave_all(struct qr_zone *zone)
{
	for (size_t at = zone->start; at < zone->frontier && zone->nr_huge;
	     at += QR_PAGEBLOCK_FRAMES) {
		if (is_huge(zone, at))
			set(zone, at, false);
	}
}

enum qr_huge_left qr_huge_leave(struct qr_zone *zone, size_t frame,
				unsigned order)
{
	size_t at = qr_round_down(frame, QR_PAGEBLOCK_FRAMES);
	size_t end = frame + ((size_t)1 << order);
	enum qr_huge_left left = QR_HUGE_NONE;

	qr_lock_assert_held(&zone->lock);
	for (; at < end && zone->nr_huge; at += QR_PAGEBLOCK_FRAMES) {
		if (!is_huge(zone, at))
			continue;
		if (!is_affordable(borders_of_change(zone, at))) {
			zone->counters.huge_left += zone->nr_huge;
			leave_all(zone);
			return QR_HUGE_ALL;
		}
		zone->counters.huge_left++;
		set(zone, at, false);
		left = QR_HUGE_BLOCK;
	}
	return left;
}

/* ---- pageblocks that are full ---- */

/*
 * Slabs only: a run is resident in our books once it is handed out, whether
 * or not the program has touched all of it.
 */
static bool is_full(const struct qr_zone *zone, size_t frame)
{
	const struct qr_pageblock *block =
		qr_span_pageblock(zone->span, frame);

	return block->migratetype == QR_MIGRATE_SLAB && !block->huge &&
	       qr_span_count_resident(zone->span, frame, QR_PAGEBLOCK_FRAMES) ==
		       QR_PAGEBLOCK_FRAMES;
}

struct range {
	size_t from, to;
};

/* zone->lock is held: how many ranges became huge, the kernel's word apart. */
static size_t enter_full(struct qr_zone *zone, struct range ranges[RANGES])
{
	size_t n = 0, at = qr_max(zone->huge_next, zone->start);

	for (unsigned i = 0; i < LOOKED_AT && n < RANGES; i++) {
		if (at + QR_PAGEBLOCK_FRAMES > zone->frontier)
			break;
		if (is_full(zone, at) && qr_huge_may_enter(zone, at)) {
			set(zone, at, true);
			if (!n || ranges[n - 1].to != at)
				ranges[n++].from = at;
			ranges[n - 1].to = at + QR_PAGEBLOCK_FRAMES;
		}
		at += QR_PAGEBLOCK_FRAMES;
	}
	zone->huge_next = at + QR_PAGEBLOCK_FRAMES > zone->frontier ? 0 : at;
	return n;
}

void qr_huge_age(struct qr_zone *zone)
{
	struct range ranges[RANGES];
	size_t n = 0;

	/* so that no pageblock leaves before the kernel knows it entered */
	qr_lock_acquire(&zone->purge_lock);
	qr_lock_acquire(&zone->lock);
	/* what is isolated now may be on its way in or out */
	if (huge.wish == QR_HUGE_AUTO && is_large(zone) && !zone->nr_isolated)
		n = enter_full(zone, ranges);
	qr_lock_release(&zone->lock);
	for (size_t i = 0; i < n; i++)
		tell(zone, ranges[i].from, ranges[i].to, true);
	qr_lock_release(&zone->purge_lock);
}

/* ---- the kernel ---- */

int qr_huge_tell_enter(const struct qr_zone *zone, size_t frame)
{
	int rc;

	if (huge.wish == QR_HUGE_ALWAYS)
		return 0;
	rc = tell(zone, frame, frame + QR_PAGEBLOCK_FRAMES, true);
	if (rc == -EINVAL) /* it has none */
		atomic_store_explicit(&huge.state, OFF, memory_order_relaxed);
	return rc;
}

void qr_huge_tell_leave(const struct qr_zone *zone, size_t frame,
			unsigned order)
{
	size_t end = frame + ((size_t)1 << order);

	tell(zone, qr_round_down(frame, QR_PAGEBLOCK_FRAMES),
	     qr_round_up(end, QR_PAGEBLOCK_FRAMES), false);
}

void qr_huge_tell_leave_all(const struct qr_zone *zone, size_t frontier)
{
	tell(zone, zone->start, frontier, false);
}
