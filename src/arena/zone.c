#include "arena/zone.h"

#include "base/bitmap.h"
#include "sys/map.h"

#include <string.h>

enum {
	GROW_MIN = QR_MAX_BLOCK_FRAMES,		/* 4 MiB */
	GROW_MAX = 16 * QR_MAX_BLOCK_FRAMES,	/* 64 MiB */
	PURGE_BATCH = 32,			/* blocks isolated at once */
};

struct qr_zone qr_zones[QR_MAX_ZONES];
_Atomic unsigned qr_nr_zones;

void qr_zone_init(struct qr_zone *zone, struct qr_span *span, size_t start,
		  size_t end, unsigned node)
{
	memset(zone, 0, sizeof(*zone));
	qr_lock_init(&zone->lock, QR_RANK_ZONE);
	zone->index = (uint8_t)(zone - qr_zones);
	zone->node = (uint8_t)node;
	zone->span = span;
	zone->start = start;
	zone->end = end;
	zone->frontier = start;
	zone->committed = start;
	for (int type = 0; type < QR_NR_MIGRATETYPES; type++) {
		for (int dirty = 0; dirty < 2; dirty++) {
			for (int o = 0; o < QR_NR_ORDERS; o++)
				qr_list_init(&zone->area[type][dirty].blocks[o]);
		}
	}
}

void qr_zone_set_watermarks(struct qr_zone *zone, size_t high)
{
	zone->high = high;
	zone->low = high / 2;
}

/*
 * Free lists.  A block is on the list of its first frame's migratetype, and
 * among the dirty ones while any of its frames is resident.
 */

static void link_block(struct qr_zone *zone, size_t frame, unsigned order)
{
	struct qr_page *page = qr_zone_page(zone, frame);
	unsigned type = qr_span_pageblock(zone->span, frame)->migratetype;
	size_t dirty = qr_span_count_resident(zone->span, frame,
					      (size_t)1 << order);
	struct qr_free_area *area = &zone->area[type][dirty != 0];

	page->state = QR_PAGE_FREE;
	page->order = (uint8_t)order;
	page->zone = zone->index;
	/* which list, should the resident bits change meanwhile */
	page->bucket = (uint8_t)(type << 1 | (dirty != 0));
	qr_list_add(&page->link, &area->blocks[order]);
	area->nonempty |= 1u << order;
	area->nr_blocks[order]++;
	zone->nr_free += (size_t)1 << order;
	zone->nr_dirty += dirty;
}

static void unlink_block(struct qr_zone *zone, struct qr_page *page)
{
	struct qr_free_area *area =
		&zone->area[page->bucket >> 1][page->bucket & 1];
	unsigned order = page->order;

	qr_list_del(&page->link);
	page->state = QR_PAGE_UNUSED;
	if (--area->nr_blocks[order] == 0)
		area->nonempty &= ~(1u << order);
	zone->nr_free -= (size_t)1 << order;
	zone->nr_dirty -= page->bucket & 1 ?
				  qr_span_count_resident(
					  zone->span, qr_zone_frame(zone, page),
					  (size_t)1 << order) :
				  0;
}

static bool is_free_block(const struct qr_zone *zone, size_t frame,
			  unsigned order)
{
	const struct qr_page *page = qr_zone_page(zone, frame);

	return frame >= zone->start && frame < zone->frontier &&
	       page->state == QR_PAGE_FREE && page->order == order;
}

/* Put a block back, merged with its free buddies as far as that goes. */
static void merge_block(struct qr_zone *zone, size_t frame, unsigned order)
{
	for (; order < QR_MAX_ORDER; order++) {
		size_t buddy = frame ^ ((size_t)1 << order);

		if (!is_free_block(zone, buddy, order))
			break;
		if (order >= QR_PAGEBLOCK_ORDER)
			qr_span_pageblock(zone->span, buddy)->migratetype =
				qr_span_pageblock(zone->span, frame)
					->migratetype;
		unlink_block(zone, qr_zone_page(zone, buddy));
		frame &= ~((size_t)1 << order);
	}
	link_block(zone, frame, order);
}

/* The largest aligned block that starts at @frame within @n frames. */
static unsigned largest_order(size_t frame, size_t n)
{
	unsigned align = frame ? qr_ctz(frame) : QR_MAX_ORDER;
	unsigned fit = qr_fls(n);

	return (unsigned)qr_min(qr_min(align, fit), QR_MAX_ORDER);
}

static void free_frames_locked(struct qr_zone *zone, size_t frame, size_t n)
{
	while (n) {
		unsigned order = largest_order(frame, n);

		merge_block(zone, frame, order);
		frame += (size_t)1 << order;
		n -= (size_t)1 << order;
	}
}

/* The first block of the smallest order >= @order, or NULL. */
static struct qr_page *first_block(struct qr_free_area *area, unsigned order)
{
	uint32_t fit = area->nonempty & ~((1u << order) - 1);

	return fit ? QR_LIST_FIRST(&area->blocks[qr_ctz(fit)], struct qr_page,
				   link) :
		     NULL;
}

/*
 * Choose a free block of at least @order: of the own type dirty, then clean;
 * whole pageblocks of the other type change sides; and when nothing else is
 * left (@desperate), any block of the other type.
 */
static struct qr_page *choose_block(struct qr_zone *zone, unsigned order,
				    enum qr_migratetype type, bool desperate)
{
	unsigned other = !type;
	unsigned steal = desperate ? order :
				     (unsigned)qr_max(order, QR_PAGEBLOCK_ORDER);
	struct qr_page *page;

	if ((page = first_block(&zone->area[type][1], order)) ||
	    (page = first_block(&zone->area[type][0], order)))
		return page;
	if (!(page = first_block(&zone->area[other][1], steal)))
		page = first_block(&zone->area[other][0], steal);
	if (!page)
		return NULL;
	zone->counters.fallbacks++;
	return page;
}

static void set_migratetype(struct qr_zone *zone, size_t frame, unsigned order,
			    enum qr_migratetype type)
{
	for (size_t f = frame; f < frame + ((size_t)1 << order);
	     f += QR_PAGEBLOCK_FRAMES)
		qr_span_pageblock(zone->span, f)->migratetype = (uint8_t)type;
}

/*
 * Split a chosen block down to @order and return its first frame.  The half
 * with resident frames is kept, the lower one if both or none have.
 */
static size_t split_block(struct qr_zone *zone, struct qr_page *page,
			  unsigned order, enum qr_migratetype type)
{
	size_t frame = qr_zone_frame(zone, page);
	unsigned at = page->order;
	bool dirty = page->bucket & 1;

	unlink_block(zone, page);
	if (at >= QR_PAGEBLOCK_ORDER)
		set_migratetype(zone, frame, at, type);
	while (at > order) {
		size_t half = (size_t)1 << --at;
		size_t rest = frame + half;

		if (dirty && !qr_span_any_resident(zone->span, frame, half)) {
			rest = frame;
			frame += half;
		}
		link_block(zone, rest, at);
	}
	return frame;
}

static size_t take_locked(struct qr_zone *zone, unsigned order,
			  enum qr_migratetype type, bool desperate)
{
	struct qr_page *page = choose_block(zone, order, type, desperate);

	qr_lock_assert_held(&zone->lock);
	return page ? split_block(zone, page, order, type) : 0;
}

/*
 * Growth.  Commit first with only the span lock held, then add the blocks.
 * The step is an eighth of what the zone has, so that large programs make
 * few calls; near a limit it falls back to the smallest.
 */
static bool grow(struct qr_zone *zone, size_t seen_frontier)
{
	size_t step, n;

	qr_lock_acquire(&qr_span_lock);
	if (zone->frontier != seen_frontier) { /* somebody else grew it */
		qr_lock_release(&qr_span_lock);
		return true;
	}
	step = qr_clamp(qr_round_up((zone->frontier - zone->start) / 8,
				    QR_MAX_BLOCK_FRAMES),
			GROW_MIN, GROW_MAX);
	n = qr_min(zone->committed - zone->frontier, step);
	if (n)
		goto committed;
	for (n = qr_min(step, zone->end - zone->committed); n;
	     n = n > GROW_MIN ? GROW_MIN : 0) {
		if (qr_span_commit(zone->span, zone->committed, n) == 0)
			break;
	}
	if (!n) {
		qr_lock_release(&qr_span_lock);
		return false;
	}
	if (zone->node != QR_NO_NODE)
		qr_map_bind((void *)qr_span_addr(zone->span, zone->committed),
			    n << QR_FRAME_SHIFT, zone->node);
	zone->committed += n;
committed:
	qr_lock_acquire(&zone->lock);
	zone->counters.grown += n;
	for (size_t f = zone->frontier; f < zone->frontier + n;
	     f += QR_MAX_BLOCK_FRAMES)
		set_migratetype(zone, f, QR_MAX_ORDER, QR_MIGRATE_RUN);
	/* the lowest block comes out first */
	zone->frontier += n;
	for (size_t f = zone->frontier; n; n -= QR_MAX_BLOCK_FRAMES)
		link_block(zone, f -= QR_MAX_BLOCK_FRAMES, QR_MAX_ORDER);
	qr_lock_release(&zone->lock);
	qr_lock_release(&qr_span_lock);
	return true;
}

/* A block of @order, growing the zone if need be, with zone->lock held. */
static size_t take_or_grow(struct qr_zone *zone, unsigned order,
			   enum qr_migratetype type)
{
	size_t frame;

	while (!(frame = take_locked(zone, order, type, false))) {
		size_t frontier = zone->frontier;
		bool grown;

		qr_lock_release(&zone->lock);
		grown = grow(zone, frontier);
		qr_lock_acquire(&zone->lock);
		if (!grown)
			return take_locked(zone, order, type, true);
	}
	return frame;
}

struct qr_page *qr_zone_alloc(struct qr_zone *zone, size_t nr_frames,
			      unsigned align_order, enum qr_migratetype type,
			      bool *ret_clean)
{
	unsigned order = (unsigned)qr_max(qr_order_up(nr_frames), align_order);
	struct qr_page *page;
	size_t frame;

	qr_lock_acquire(&zone->lock);
	frame = take_or_grow(zone, order, type);
	if (!frame) {
		qr_lock_release(&zone->lock);
		return NULL;
	}
	free_frames_locked(zone, frame + nr_frames,
			   ((size_t)1 << order) - nr_frames);
	if (ret_clean)
		*ret_clean = !qr_span_any_resident(zone->span, frame,
						   nr_frames);
	qr_span_set_resident(zone->span, frame, nr_frames);
	page = qr_zone_page(zone, frame);
	page->state = QR_PAGE_RUN;
	page->order = (uint8_t)order;
	page->zone = zone->index;
	page->nr_pages = nr_frames;
	zone->counters.allocated += nr_frames;
	qr_lock_release(&zone->lock);
	return page;
}

static bool above_high(const struct qr_zone *zone)
{
	size_t live = zone->frontier - zone->start - zone->nr_free -
		      zone->nr_isolated;

	return zone->nr_dirty > zone->high + live / 4 && !zone->reclaiming;
}

void qr_zone_free(struct qr_zone *zone, struct qr_page *page, size_t nr_frames)
{
	bool reclaim;

	qr_lock_acquire(&zone->lock);
	page->state = QR_PAGE_UNUSED;
	zone->counters.freed += nr_frames;
	free_frames_locked(zone, qr_zone_frame(zone, page), nr_frames);
	reclaim = above_high(zone);
	qr_lock_release(&zone->lock);
	if (qr_unlikely(reclaim))
		qr_zone_reclaim(zone);
}

bool qr_zone_extend(struct qr_zone *zone, struct qr_page *page, size_t more)
{
	size_t from = qr_zone_frame(zone, page) + page->nr_pages;
	size_t frame = from, left = more;

	qr_lock_acquire(&zone->lock);
	/* free frames behind a run begin with a block's first frame */
	while (left && frame < zone->frontier) {
		struct qr_page *next = qr_zone_page(zone, frame);
		size_t n = (size_t)1 << next->order;

		if (next->state != QR_PAGE_FREE)
			break;
		frame += n;
		left = left > n ? left - n : 0;
	}
	if (left) {
		qr_lock_release(&zone->lock);
		return false;
	}
	for (frame = from, left = more; left;) {
		struct qr_page *next = qr_zone_page(zone, frame);
		size_t n = (size_t)1 << next->order;
		size_t used = qr_min(n, left);

		unlink_block(zone, next);
		frame += used;
		left -= used;
		if (used < n)
			free_frames_locked(zone, frame, n - used);
	}
	qr_span_set_resident(zone->span, from, more);
	page->nr_pages += more;
	zone->counters.allocated += more;
	qr_lock_release(&zone->lock);
	return true;
}

size_t qr_zone_alloc_bulk(struct qr_zone *zone, unsigned order, size_t n,
			  struct qr_list *ret_blocks)
{
	size_t got = 0;

	qr_lock_acquire(&zone->lock);
	for (; got < n; got++) {
		size_t frame = got ? take_locked(zone, order, QR_MIGRATE_SLAB,
						 false) :
				     take_or_grow(zone, order,
						  QR_MIGRATE_SLAB);
		struct qr_page *page = qr_zone_page(zone, frame);

		if (!frame)
			break;
		if (got && !qr_span_any_resident(zone->span, frame,
						 (size_t)1 << order)) {
			/* more than was asked for: only if it costs nothing */
			merge_block(zone, frame, order);
			break;
		}
		qr_span_set_resident(zone->span, frame, (size_t)1 << order);
		page->state = QR_PAGE_PCP;
		page->order = (uint8_t)order;
		page->zone = zone->index;
		qr_list_add_tail(&page->link, ret_blocks);
	}
	zone->counters.allocated += got << order;
	qr_lock_release(&zone->lock);
	return got;
}

void qr_zone_free_bulk(struct qr_zone *zone, unsigned order,
		       struct qr_list *blocks)
{
	bool reclaim;

	qr_lock_acquire(&zone->lock);
	QR_LIST_FOR_EACH (node, safe, blocks) {
		struct qr_page *page =
			QR_CONTAINER_OF(node, struct qr_page, link);

		qr_list_del(node);
		page->state = QR_PAGE_UNUSED;
		zone->counters.freed += (size_t)1 << order;
		merge_block(zone, qr_zone_frame(zone, page), order);
	}
	reclaim = above_high(zone);
	qr_lock_release(&zone->lock);
	if (qr_unlikely(reclaim))
		qr_zone_reclaim(zone);
}

/*
 * Purging.  The coldest block is the last of the dirty list of the highest
 * order: few calls, and what was freed long ago.
 */
static struct qr_page *coldest_block(struct qr_zone *zone)
{
	struct qr_free_area *areas[] = { &zone->area[QR_MIGRATE_RUN][1],
					 &zone->area[QR_MIGRATE_SLAB][1] };
	struct qr_free_area *area =
		areas[areas[1]->nonempty > areas[0]->nonempty];

	return area->nonempty ?
		       QR_LIST_LAST(&area->blocks[qr_fls(area->nonempty)],
				    struct qr_page, link) :
		       NULL;
}

static size_t isolate(struct qr_zone *zone, size_t keep,
		      struct qr_page *blocks[PURGE_BATCH])
{
	struct qr_page *page;
	size_t n = 0;

	while (n < PURGE_BATCH && zone->nr_dirty > keep &&
	       (page = coldest_block(zone))) {
		unlink_block(zone, page);
		zone->nr_isolated += (size_t)1 << page->order;
		blocks[n++] = page;
	}
	return n;
}

/* Whole kernel pages of a block; the frames beside them stay resident. */
static bool purge_block(struct qr_zone *zone, size_t frame, unsigned order)
{
	size_t per_page = qr_page_size() >> QR_FRAME_SHIFT;

	if (((size_t)1 << order) < per_page)
		return false;
	return qr_map_purge((void *)qr_span_addr(zone->span, frame),
			    (size_t)QR_FRAME_SIZE << order) == 0;
}

static size_t purge_batch(struct qr_zone *zone, size_t keep)
{
	struct qr_page *blocks[PURGE_BATCH];
	bool done[PURGE_BATCH];
	size_t purged = 0, n;

	qr_lock_acquire(&zone->lock);
	n = isolate(zone, keep, blocks);
	qr_lock_release(&zone->lock);

	for (size_t i = 0; i < n; i++)
		done[i] = purge_block(zone, qr_zone_frame(zone, blocks[i]),
				      blocks[i]->order);

	qr_lock_acquire(&zone->lock);
	for (size_t i = 0; i < n; i++) {
		size_t frame = qr_zone_frame(zone, blocks[i]);
		size_t frames = (size_t)1 << blocks[i]->order;

		zone->nr_isolated -= frames;
		if (done[i]) {
			purged += qr_span_count_resident(zone->span, frame,
							 frames);
			qr_span_clear_resident(zone->span, frame, frames);
		}
		merge_block(zone, frame, blocks[i]->order);
	}
	zone->counters.purged += purged;
	zone->counters.purge_calls += n;
	qr_lock_release(&zone->lock);
	return purged;
}

size_t qr_zone_purge(struct qr_zone *zone, size_t keep)
{
	size_t sum = 0, purged;

	do {
		purged = purge_batch(zone, keep);
		sum += purged;
	} while (purged);
	return sum;
}

void qr_zone_reclaim(struct qr_zone *zone)
{
	size_t keep;

	qr_lock_acquire(&zone->lock);
	if (!above_high(zone)) {
		qr_lock_release(&zone->lock);
		return;
	}
	zone->reclaiming = true;
	keep = zone->low + (zone->frontier - zone->start - zone->nr_free) / 8;
	qr_lock_release(&zone->lock);

	qr_zone_purge(zone, keep);

	qr_lock_acquire(&zone->lock);
	zone->reclaiming = false;
	qr_lock_release(&zone->lock);
}

/*
 * Let the frontier retreat over free, clean blocks of the highest order, and
 * give back the metadata behind it.  The span lock keeps growth away while
 * the kernel is asked.
 */
static void retreat(struct qr_zone *zone)
{
	size_t old, frame;

	qr_lock_acquire(&qr_span_lock);
	qr_lock_acquire(&zone->lock);
	old = zone->frontier;
	while ((frame = zone->frontier - QR_MAX_BLOCK_FRAMES) >= zone->start &&
	       is_free_block(zone, frame, QR_MAX_ORDER) &&
	       !(qr_zone_page(zone, frame)->bucket & 1)) {
		unlink_block(zone, qr_zone_page(zone, frame));
		zone->frontier = frame;
	}
	frame = zone->frontier;
	qr_lock_release(&zone->lock);
	if (frame < old)
		qr_span_purge_metadata(zone->span, frame, old - frame);
	qr_lock_release(&qr_span_lock);
}

/* The same for large clean blocks below the frontier: all but the first
 * page of their descriptors is unused. */
static void purge_block_metadata(struct qr_zone *zone)
{
	struct qr_page *blocks[PURGE_BATCH];
	size_t n = 0;

	qr_lock_acquire(&zone->lock);
	for (int type = 0; type < QR_NR_MIGRATETYPES; type++) {
		struct qr_list *list =
			&zone->area[type][0].blocks[QR_MAX_ORDER];

		QR_LIST_FOR_EACH (node, safe, list) {
			if (n == PURGE_BATCH)
				break;
			blocks[n] = QR_CONTAINER_OF(node, struct qr_page, link);
			unlink_block(zone, blocks[n]);
			zone->nr_isolated += QR_MAX_BLOCK_FRAMES;
			n++;
		}
	}
	qr_lock_release(&zone->lock);

	for (size_t i = 0; i < n; i++)
		qr_span_purge_metadata(zone->span,
				       qr_zone_frame(zone, blocks[i]) + 1,
				       QR_MAX_BLOCK_FRAMES - 1);

	qr_lock_acquire(&zone->lock);
	for (size_t i = 0; i < n; i++) {
		zone->nr_isolated -= QR_MAX_BLOCK_FRAMES;
		merge_block(zone, qr_zone_frame(zone, blocks[i]), QR_MAX_ORDER);
	}
	qr_lock_release(&zone->lock);
}

size_t qr_zone_trim(struct qr_zone *zone, size_t keep)
{
	size_t purged = qr_zone_purge(zone, keep);

	if (!keep) {
		retreat(zone);
		purge_block_metadata(zone);
	}
	return purged;
}

/* One list: every block on it is what it says, and where it belongs. */
static const char *check_list(struct qr_zone *zone, unsigned bucket,
			      unsigned order, size_t *ret_dirty)
{
	struct qr_free_area *area = &zone->area[bucket >> 1][bucket & 1];
	size_t frames = (size_t)1 << order, n = 0, dirty = 0;

	QR_LIST_FOR_EACH (node, safe, &area->blocks[order]) {
		struct qr_page *page =
			QR_CONTAINER_OF(node, struct qr_page, link);
		size_t frame = qr_zone_frame(zone, page);
		size_t resident =
			qr_span_count_resident(zone->span, frame, frames);

		n++;
		dirty += resident;
		if (!is_free_block(zone, frame, order))
			return "a block on a free list is not free";
		if (frame & (frames - 1))
			return "a free block is not aligned to its size";
		if (page->bucket != bucket || (bucket & 1) != (resident != 0))
			return "a free block is on the wrong list";
		if (order < QR_MAX_ORDER &&
		    is_free_block(zone, frame ^ frames, order))
			return "two free buddies are not merged";
		for (size_t i = 1; i < frames; i++) {
			if (page[i].state != QR_PAGE_UNUSED)
				return "the interior of a free block is used";
		}
	}
	*ret_dirty += dirty;
	if (n != area->nr_blocks[order])
		return "a list's length is not its counter";
	if (!n != !(area->nonempty >> order & 1))
		return "a list's bit does not say whether it is empty";
	return NULL;
}

static const char *check_locked(struct qr_zone *zone)
{
	size_t dirty = 0, nr_free = 0;

	for (unsigned bucket = 0; bucket < 2 * QR_NR_MIGRATETYPES; bucket++) {
		for (unsigned order = 0; order < QR_NR_ORDERS; order++) {
			const char *wrong =
				check_list(zone, bucket, order, &dirty);

			if (wrong)
				return wrong;
			nr_free += zone->area[bucket >> 1][bucket & 1]
					   .nr_blocks[order]
				   << order;
		}
	}
	if (nr_free != zone->nr_free)
		return "nr_free is not the sum of the lists";
	if (dirty != zone->nr_dirty)
		return "nr_dirty is not the resident frames of the lists";
	if (zone->frontier > zone->committed || zone->committed > zone->end)
		return "frontier, committed and end are out of order";
	return NULL;
}

const char *qr_zone_check(struct qr_zone *zone)
{
	const char *wrong;

	qr_lock_acquire(&zone->lock);
	wrong = check_locked(zone);
	qr_lock_release(&zone->lock);
	return wrong;
}
