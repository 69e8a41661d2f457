/*
 * Purging: free resident frames go back to the kernel.
 *
 * The coldest block is the last of the dirty list of the highest order: few
 * calls, and what was freed long ago.
 *
 *	purge_lock held |-------------------------------------------|
 *	zone->lock held  |isolate|                     |put back|
 *	the kernel is asked        |madvise ... madvise|
 *
 * Memory that cannot be purged (locked by mlock, or less than one of the
 * kernel's pages) is remembered as stuck, so that it is not tried again on
 * every free.
 */
#include "arena/buddy.h"
#include "arena/huge.h"
#include "sys/map.h"

enum {
	BATCH = 16,		/* blocks isolated at once */
	BATCH_FRAMES = 1 << 12, /* and frames, but for the first */
	LEAST_FRAMES = 64,	/* worth a call, or several */
	STRIP_ORDER = 8,	/* four pages of descriptors */
	GROWN_KEEP = 1 << 5,	/* frames, and so much of what is in use */
	GROWN_SHIFT = 4,
	BARE = 1, /* page->inuse of a free block: stripped already */
};

/* Frames that this thread gave to the kernel, ever. */
static _Thread_local size_t nr_purged;

size_t qr_zone_purged_by_thread(void)
{
	return nr_purged;
}

static struct qr_page *coldest_block(struct qr_zone *zone)
{
	struct qr_free_area *area = &zone->area[QR_MIGRATE_RUN][1];

	if (zone->area[QR_MIGRATE_SLAB][1].nonempty > area->nonempty)
		area = &zone->area[QR_MIGRATE_SLAB][1];
	return area->nonempty
		       ? QR_LIST_LAST(&area->blocks[qr_fls(area->nonempty)],
				      struct qr_page, link)
		       : NULL;
}

/* Blocks off their lists, on their way to the kernel. */
struct batch {
	size_t n;
	struct qr_page *blocks[BATCH];
	bool done[BATCH];
	enum qr_huge_left left[BATCH];
	size_t frontier;
};

static void isolate(struct qr_zone *zone, struct qr_page *page,
		    struct batch *batch)
{
	qr_buddy_unlink(zone, page);
	zone->nr_isolated += (size_t)1 << page->order;
	batch->blocks[batch->n++] = page;
}

static void isolate_coldest(struct qr_zone *zone, size_t keep,
			    struct batch *batch)
{
	struct qr_page *page;

	qr_lock_acquire(&zone->lock);
	while (batch->n < BATCH && zone->nr_isolated < BATCH_FRAMES &&
	       zone->nr_dirty > keep && (page = coldest_block(zone))) {
		zone->counters.scanned += (size_t)1 << page->order;
		batch->left[batch->n] = qr_huge_leave(
			zone, qr_zone_frame(zone, page), page->order);
		isolate(zone, page, batch);
	}
	batch->frontier = zone->frontier;
	qr_lock_release(&zone->lock);
}

/* Before anything is purged, or khugepaged might come between. */
static void tell_of_huge(struct qr_zone *zone, const struct batch *batch)
{
	for (size_t i = 0; i < batch->n; i++) {
		struct qr_page *page = batch->blocks[i];

		if (batch->left[i] == QR_HUGE_BLOCK)
			qr_huge_tell_leave(zone, qr_zone_frame(zone, page),
					   page->order);
		else if (batch->left[i] == QR_HUGE_ALL)
			qr_huge_tell_leave_all(zone, batch->frontier);
	}
}

/* All of it is one or more of the kernel's pages, or none of it is. */
static bool purge_block(const struct qr_page *page)
{
	size_t size = (size_t)QR_FRAME_SIZE << page->order;

	return size >= qr_page_size() &&
	       qr_map_purge((void *)qr_page_addr(page), size) == 0;
}

/* Back to the lists; how many frames the kernel took. */
static size_t put_back(struct qr_zone *zone, struct batch *batch)
{
	size_t purged = 0;

	qr_lock_acquire(&zone->lock);
	for (size_t i = 0; i < batch->n; i++) {
		struct qr_page *page = batch->blocks[i];
		size_t frame = qr_zone_frame(zone, page);
		size_t size = (size_t)1 << page->order;
		size_t resident = page->nr_resident;

		zone->nr_isolated -= size;
		if (batch->done[i]) {
			purged += resident;
			resident = 0;
			qr_span_clear_resident(zone->span, frame, size);
		}
		qr_buddy_put(zone, frame, page->order, resident);
	}
	zone->counters.purged += purged;
	nr_purged += purged;
	zone->counters.purge_calls += batch->n;
	zone->fault_order = 0;
	qr_zone_charge(zone);
	qr_lock_release(&zone->lock);
	return purged;
}

/* Down to @keep, in one batch: how many frames.  purge_lock is held. */
static size_t purge_batch(struct qr_zone *zone, size_t keep)
{
	struct batch batch = {.n = 0};

	isolate_coldest(zone, keep, &batch);
	tell_of_huge(zone, &batch);
	for (size_t i = 0; i < batch.n; i++)
		batch.done[i] = purge_block(batch.blocks[i]);
	return put_back(zone, &batch);
}

/* What is left above @keep could not be purged. */
static void note_stuck(struct qr_zone *zone, size_t keep)
{
	qr_lock_acquire(&zone->lock);
	zone->stuck = zone->nr_dirty > keep ? zone->nr_dirty : 0;
	qr_lock_release(&zone->lock);
}

/* purge_lock changes hands between batches: fork may wait for it. */
size_t qr_zone_purge(struct qr_zone *zone, size_t keep)
{
	size_t sum = 0, purged;

	do {
		qr_lock_acquire(&zone->purge_lock);
		purged = purge_batch(zone, keep);
		if (!purged)
			note_stuck(zone, keep);
		qr_lock_release(&zone->purge_lock);
		sum += purged;
	} while (purged);
	return sum;
}

size_t qr_zone_base(const struct qr_zone *zone)
{
	return zone->high + qr_min(qr_zone_in_use(zone) / 4, zone->share);
}

size_t qr_zone_peak(const struct qr_zone *zone)
{
	return qr_max(qr_zone_base(zone),
		      zone->high + qr_min(zone->peak, zone->share));
}

static bool is_above(const struct qr_zone *zone, size_t mark)
{
	return zone->nr_dirty > mark &&
	       zone->nr_dirty > zone->stuck + zone->stuck / 4;
}

size_t qr_zone_excess(const struct qr_zone *zone)
{
	size_t peak = qr_zone_peak(zone);

	return qr_unlikely(is_above(zone, peak))
		       ? zone->nr_dirty - peak + qr_zone_base(zone) / 2
		       : 0;
}

size_t qr_zone_excess_for(const struct qr_zone *zone, size_t n)
{
	size_t above;

	if (qr_likely(!is_above(zone, qr_zone_base(zone))))
		return 0;
	above = zone->nr_dirty - qr_zone_base(zone);
	return qr_min(qr_max(n, LEAST_FRAMES), above);
}

size_t qr_zone_excess_grown(const struct qr_zone *zone, uint64_t seen)
{
	size_t grown = (size_t)(zone->counters.grown - seen);
	size_t keep = GROWN_KEEP + (qr_zone_in_use(zone) >> GROWN_SHIFT);

	if (qr_likely(!grown || !is_above(zone, keep)))
		return 0;
	return qr_min(grown, zone->nr_dirty - keep);
}

void qr_zone_reclaim(struct qr_zone *zone, size_t nr_frames)
{
	size_t keep, sum = 0, purged;

	if (!qr_lock_try(&zone->purge_lock))
		return;
	qr_lock_acquire(&zone->lock);
	keep = zone->nr_dirty - qr_min(zone->nr_dirty, nr_frames);
	zone->counters.direct++;
	qr_lock_release(&zone->lock);
	while ((purged = purge_batch(zone, keep)))
		sum += purged;
	note_stuck(zone, keep);
	qr_lock_acquire(&zone->lock);
	zone->counters.direct_purged += sum;
	qr_lock_release(&zone->lock);
	qr_lock_release(&zone->purge_lock);
}

/*
 * Large clean blocks below the frontier: all but the first page of their
 * descriptors is unused.
 */
static void isolate_dressed(struct qr_zone *zone, struct qr_list *list,
			    struct batch *batch)
{
	QR_LIST_FOR_EACH(node, safe, list) {
		struct qr_page *page =
			QR_CONTAINER_OF(node, struct qr_page, link);

		if (batch->n == BATCH || zone->nr_isolated >= BATCH_FRAMES)
			return;
		if (page->inuse != BARE)
			isolate(zone, page, batch);
	}
}

static void put_back_bare(struct qr_zone *zone, struct qr_page *page)
{
	size_t frame = qr_zone_frame(zone, page);
	unsigned order = page->order;

	zone->nr_isolated -= (size_t)1 << order;
	qr_buddy_put(zone, frame, order, 0);
	if (qr_buddy_is_free(zone, frame, order)) /* else it was merged */
		page->inuse = BARE;
}

static bool strip_batch(struct qr_zone *zone)
{
	struct batch batch = {.n = 0};

	qr_lock_acquire(&zone->lock);
	for (int type = 0; type < QR_NR_MIGRATETYPES; type++) {
		for (int o = QR_MAX_ORDER; o >= STRIP_ORDER; o--)
			isolate_dressed(zone, &zone->area[type][0].blocks[o],
					&batch);
	}
	qr_lock_release(&zone->lock);

	for (size_t i = 0; i < batch.n; i++)
		qr_span_purge_metadata(
			zone->span, qr_zone_frame(zone, batch.blocks[i]) + 1,
			((size_t)1 << batch.blocks[i]->order) - 1);

	qr_lock_acquire(&zone->lock);
	for (size_t i = 0; i < batch.n; i++)
		put_back_bare(zone, batch.blocks[i]);
	qr_lock_release(&zone->lock);
	return batch.n != 0;
}

/* Addresses and descriptors that are no longer needed go back. */
static void strip(struct qr_zone *zone)
{
	qr_zone_retreat(zone);
	qr_lock_acquire(&zone->purge_lock);
	while (strip_batch(zone))
		;
	qr_lock_release(&zone->purge_lock);
}

size_t qr_zone_trim(struct qr_zone *zone, size_t keep)
{
	size_t purged = qr_zone_purge(zone, keep);

	if (!keep)
		strip(zone);
	return purged;
}

/* A tick ends: how many frames nobody needed, and how many stay. */
static size_t turn_windows(struct qr_zone *zone, size_t *ret_keep)
{
	size_t unused;

	qr_lock_acquire(&zone->lock);
	unused = qr_min(qr_window_least(&zone->unused), zone->nr_dirty);
	qr_window_turn(&zone->unused, zone->nr_dirty);
	zone->peak = qr_window_most(&zone->used);
	qr_window_turn(&zone->used, qr_zone_in_use(zone));
	*ret_keep = zone->nr_dirty - unused;
	qr_lock_release(&zone->lock);
	return unused;
}

size_t qr_zone_age(struct qr_zone *zone)
{
	size_t keep, purged;

	if (turn_windows(zone, &keep) < LEAST_FRAMES) {
		qr_huge_age(zone);
		return 0;
	}
	purged = qr_zone_purge(zone, keep);
	strip(zone);
	return purged;
}
