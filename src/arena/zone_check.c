#include "arena/buddy.h"

/* One block: it is what its list says, and as large as it can be. */
static const char *check_block(struct qr_zone *zone, struct qr_page *page,
			       unsigned bucket, unsigned order)
{
	size_t frame = qr_zone_frame(zone, page), size = (size_t)1 << order;
	size_t resident = qr_span_count_resident(zone->span, frame, size);

	if (!qr_buddy_is_free(zone, frame, order))
		return "a block on a free list is not free";
	if (frame & (size - 1))
		return "a free block is not aligned to its size";
	if (frame + size > zone->frontier)
		return "a free block reaches beyond the frontier";
	if (page->nr_resident != resident)
		return "a free block's resident frames are miscounted";
	if (page->bucket != bucket || (bucket & 1) != (resident != 0))
		return "a free block is on the wrong list";
	if (page->zone != zone->index)
		return "a free block is of another zone";
	if (order < QR_MAX_ORDER && qr_buddy_is_free(zone, frame ^ size, order))
		return "two free buddies are not merged";
	for (size_t i = 1; i < size; i++) {
		if (qr_page_state(&page[i]) != QR_PAGE_UNUSED)
			return "the interior of a free block is used";
	}
	for (size_t i = 0; i < size; i++) {
		if (zone->span->frame_bytes[frame + i] != QR_FRAME_NONE)
			return "a free frame has a frame byte";
	}
	return NULL;
}

static const char *check_list(struct qr_zone *zone, unsigned bucket,
			      unsigned order, size_t *dirty)
{
	struct qr_free_area *area = &zone->area[bucket >> 1][bucket & 1];
	size_t n = 0;

	QR_LIST_FOR_EACH(node, safe, &area->blocks[order]) {
		struct qr_page *page =
			QR_CONTAINER_OF(node, struct qr_page, link);
		const char *wrong = check_block(zone, page, bucket, order);

		if (wrong)
			return wrong;
		*dirty += page->nr_resident;
		n++;
	}
	if (n != area->nr_blocks[order])
		return "a list's length is not its counter";
	if (!n != !(area->nonempty >> order & 1))
		return "a list's bit does not say whether it is empty";
	return NULL;
}

static const char *check_sums(const struct qr_zone *zone, size_t nr_free,
			      size_t dirty)
{
	const struct qr_zone_counters *counters = &zone->counters;
	size_t used =
		zone->frontier - zone->start - nr_free - zone->nr_isolated;

	if (nr_free != zone->nr_free)
		return "nr_free is not the sum of the lists";
	if (dirty != zone->nr_dirty)
		return "nr_dirty is not the resident frames of the lists";
	if (counters->allocated - counters->freed != used)
		return "frames allocated, freed and free do not add up";
	if (zone->frontier > zone->committed ||
	    zone->committed > zone->described || zone->committed > zone->end)
		return "frontier, committed, described are out of order";
	return NULL;
}

static const char *check_huge(const struct qr_zone *zone)
{
	size_t n = 0;

	for (size_t at = zone->start; at < zone->frontier;
	     at += QR_PAGEBLOCK_FRAMES) {
		if (!qr_span_pageblock(zone->span, at)->huge)
			continue;
		n++;
		if (qr_span_count_resident(zone->span, at,
					   QR_PAGEBLOCK_FRAMES) <
		    QR_PAGEBLOCK_FRAMES)
			return "a huge pageblock is not resident as a whole";
	}
	return n == zone->nr_huge ? NULL : "huge pageblocks are miscounted";
}

static const char *check_locked(struct qr_zone *zone)
{
	size_t dirty = 0, nr_free = 0;
	const char *wrong;

	for (unsigned bucket = 0; bucket < 2 * QR_NR_MIGRATETYPES; bucket++) {
		for (unsigned order = 0; order < QR_NR_ORDERS; order++) {
			wrong = check_list(zone, bucket, order, &dirty);
			if (wrong)
				return wrong;
			nr_free += zone->area[bucket >> 1][bucket & 1]
					   .nr_blocks[order]
				   << order;
		}
	}
	wrong = check_huge(zone);
	return wrong ? wrong : check_sums(zone, nr_free, dirty);
}

const char *qr_zone_check(struct qr_zone *zone)
{
	const char *wrong;

	qr_lock_acquire(&zone->lock);
	wrong = check_locked(zone);
	qr_lock_release(&zone->lock);
	return wrong;
}
