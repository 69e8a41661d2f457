#include "arena/zone.h"

#include "arena/buddy.h"

#include <string.h>

struct qr_zone qr_zones[QR_MAX_ZONES];
_Atomic unsigned qr_nr_zones;

void qr_zone_init(struct qr_zone *zone, struct qr_span *span, size_t start,
		  size_t end, unsigned node)
{
	memset(zone, 0, sizeof(*zone));
	qr_lock_init(&zone->lock, QR_RANK_ZONE);
	qr_lock_init(&zone->purge_lock, QR_RANK_PURGE);
	zone->index = (uint8_t)(zone - qr_zones);
	zone->node = (uint8_t)node;
	zone->span = span;
	zone->start = start;
	zone->end = end;
	zone->frontier = start;
	zone->committed = start;
	zone->described = start;
	for (int type = 0; type < QR_NR_MIGRATETYPES; type++) {
		for (int dirty = 0; dirty < 2; dirty++) {
			for (int o = 0; o < QR_NR_ORDERS; o++)
				qr_list_init(
					&zone->area[type][dirty].blocks[o]);
		}
	}
}

void qr_zone_set_watermarks(struct qr_zone *zone, size_t high, size_t share)
{
	qr_lock_acquire(&zone->lock);
	zone->high = high;
	zone->share = share;
	qr_lock_release(&zone->lock);
}

/*
 * Blocks are isolated: wait for the end of a purge, or of a step of
 * fault-ahead, which is short.  zone->lock is held.
 */
static bool wait_for_isolated(struct qr_zone *zone)
{
	if (!zone->nr_isolated)
		return false;
	qr_lock_release(&zone->lock);
	qr_lock_acquire(&zone->purge_lock);
	qr_lock_release(&zone->purge_lock);
	qr_lock_acquire(&zone->lock);
	return true;
}

/* zone->lock is held, but not all along. */
static bool grow(struct qr_zone *zone, unsigned order, enum qr_migratetype type)
{
	size_t frontier = zone->frontier;
	bool grown;

	if (!qr_zone_has_room(zone, order) && !qr_zone_astride(zone, order))
		return false;
	qr_lock_release(&zone->lock);
	grown = qr_zone_grow(zone, order, type, frontier);
	qr_lock_acquire(&zone->lock);
	return grown;
}

/* The resident block that fault-ahead asks for, before @want is taken. */
static void fault_ahead(struct qr_zone *zone,
			const struct qr_buddy_request *want)
{
	unsigned order = qr_fault_order(zone, want);

	if (!order || qr_budget_spare() >> QR_FRAME_SHIFT >> order < 2)
		return;
	if (!qr_fault_ahead(zone, order, want->type) &&
	    grow(zone, order, want->type))
		qr_fault_ahead(zone, order, want->type);
}

/* May memory be had that the frames wanted do not have? */
static void note_budget(struct qr_buddy_request *want)
{
	want->resident_only =
		qr_budget_spare() >> QR_FRAME_SHIFT < want->nr_frames;
}

/*
 * As qr_buddy_take, but grow the zone if nothing fits; zone->lock is held,
 * but not all along.
 */
static size_t take_or_grow(struct qr_zone *zone, struct qr_buddy_request *want)
{
	size_t frame;

	fault_ahead(zone, want);
	note_budget(want);
	while (!(frame = qr_buddy_take(zone, want))) {
		if (!want->desperate)
			want->desperate = want->resident_only ||
					  !grow(zone, want->order, want->type);
		else if (!wait_for_isolated(zone))
			return 0;
		note_budget(want);
	}
	return frame;
}

/* Frames were taken. */
static void note_use(struct qr_zone *zone)
{
	qr_window_note_least(&zone->unused, zone->nr_dirty);
	qr_window_note_most(&zone->used, qr_zone_in_use(zone));
	qr_zone_charge(zone);
}

/* How many frames to purge: @n were taken, some of them without memory. */
static size_t excess(const struct qr_zone *zone, size_t n, uint64_t grown)
{
	return qr_max(qr_zone_excess_for(zone, n),
		      qr_zone_excess_grown(zone, grown));
}

/* Is there a resident block of that type and order? */
static bool has_resident(const struct qr_zone *zone, enum qr_migratetype type,
			 unsigned order)
{
	return zone->area[type][1].nonempty >> order;
}

struct qr_page *qr_zone_alloc(struct qr_zone *zone, size_t nr_frames,
			      unsigned align_order, enum qr_migratetype type,
			      bool *ret_clean)
{
	struct qr_buddy_request want = {
		.nr_frames = nr_frames,
		.order = (unsigned)qr_max(qr_order_up(nr_frames), align_order),
		.anywhere = !align_order,
		.type = type,
		.ret_clean = ret_clean,
	};
	struct qr_page *page = NULL;
	uint64_t grown;
	size_t frame, reclaim;
	bool resident;

	qr_lock_acquire(&zone->lock);
	resident = has_resident(zone, type, want.order);
	grown = zone->counters.grown;
	frame = take_or_grow(zone, &want);
	if (frame) {
		page = qr_zone_page(zone, frame);
		qr_page_set_state(page, QR_PAGE_RUN);
		page->order = (uint8_t)want.order;
		page->zone = zone->index;
		page->nr_pages = nr_frames;
		zone->counters.allocated += nr_frames;
	}
	note_use(zone);
	reclaim = resident ? 0 : excess(zone, nr_frames, grown);
	qr_lock_release(&zone->lock);
	if (qr_unlikely(reclaim))
		qr_zone_reclaim(zone, reclaim);
	return page;
}

void qr_zone_free(struct qr_zone *zone, struct qr_page *page, size_t nr_frames)
{
	size_t reclaim;

	qr_lock_acquire(&zone->lock);
	qr_page_set_state(page, QR_PAGE_UNUSED);
	zone->counters.freed += nr_frames;
	qr_buddy_put_range(zone, qr_zone_frame(zone, page), nr_frames,
			   nr_frames);
	reclaim = qr_zone_excess(zone);
	qr_lock_release(&zone->lock);
	if (qr_unlikely(reclaim))
		qr_zone_reclaim(zone, reclaim);
}

bool qr_zone_extend(struct qr_zone *zone, struct qr_page *page, size_t more)
{
	size_t from = qr_zone_frame(zone, page) + page->nr_pages;
	bool done;

	qr_lock_acquire(&zone->lock);
	done = qr_budget_spare() >> QR_FRAME_SHIFT >= more &&
	       qr_buddy_range_is_free(zone, from, more);
	if (done) {
		qr_buddy_take_range(zone, from, more);
		page->nr_pages += more;
		zone->counters.allocated += more;
	}
	note_use(zone);
	qr_lock_release(&zone->lock);
	return done;
}

size_t qr_zone_alloc_bulk(struct qr_zone *zone, unsigned order, size_t n,
			  struct qr_list *ret_blocks)
{
	struct qr_buddy_request want = {
		.nr_frames = (size_t)1 << order,
		.order = order,
		.type = QR_MIGRATE_SLAB,
	};
	size_t got = 0, reclaim;
	uint64_t grown;
	bool resident;

	qr_lock_acquire(&zone->lock);
	resident = has_resident(zone, want.type, order);
	grown = zone->counters.grown;
	for (size_t frame = take_or_grow(zone, &want); frame;) {
		struct qr_page *page = qr_zone_page(zone, frame);

		qr_page_set_state(page, QR_PAGE_PCP);
		page->order = (uint8_t)order;
		page->zone = zone->index;
		qr_list_add_tail(&page->link, ret_blocks);
		/* more than was asked for: only if it costs nothing */
		frame = ++got < n && has_resident(zone, want.type, order)
				? qr_buddy_take(zone, &want)
				: 0;
	}
	zone->counters.allocated += got << order;
	note_use(zone);
	reclaim = resident ? 0 : excess(zone, got << order, grown);
	qr_lock_release(&zone->lock);
	if (qr_unlikely(reclaim))
		qr_zone_reclaim(zone, reclaim);
	return got;
}

void qr_zone_free_bulk(struct qr_zone *zone, unsigned order,
		       struct qr_list *blocks)
{
	size_t size = (size_t)1 << order;
	size_t reclaim;

	qr_lock_acquire(&zone->lock);
	QR_LIST_FOR_EACH(node, safe, blocks) {
		struct qr_page *page =
			QR_CONTAINER_OF(node, struct qr_page, link);

		qr_list_del(node);
		qr_page_set_state(page, QR_PAGE_UNUSED);
		zone->counters.freed += size;
		qr_buddy_put(zone, qr_zone_frame(zone, page), order, size);
	}
	reclaim = qr_zone_excess(zone);
	qr_lock_release(&zone->lock);
	if (qr_unlikely(reclaim))
		qr_zone_reclaim(zone, reclaim);
}
