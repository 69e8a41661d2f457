/*
 * Ranges: runs made of several free blocks.
 *
 * Blocks are aligned to their size, runs need not be: 73 frames fit into a
 * block of 64 and the block of 16 behind it, where the buddy allocator alone
 * would want a block of 128.  A buffer that a program doubles needs that: what
 * it leaves behind is larger than it was, but never an aligned block.
 *
 *	|  8  |      64       |   16   |    in use
 *	       <--- 73 ---------->
 *
 * Only the first few blocks of the two orders that such a range may begin with
 * are tried, so that no search is long.
 */
#include "arena/buddy.h"

enum { TRIES = 8 };

bool qr_buddy_range_is_free(const struct qr_zone *zone, size_t frame, size_t n)
{
	size_t end = frame + n;

	while (frame < end) {
		struct qr_page *page = qr_zone_page(zone, frame);

		if (frame >= zone->frontier ||
		    qr_page_state(page) != QR_PAGE_FREE)
			return false;
		frame += (size_t)1 << page->order;
	}
	return true;
}

size_t qr_buddy_take_range(struct qr_zone *zone, size_t frame, size_t n)
{
	size_t first = frame, end = frame + n, resident;

	while (frame < end) {
		struct qr_page *page = qr_zone_page(zone, frame);

		qr_buddy_unlink(zone, page);
		frame += (size_t)1 << page->order;
	}
	resident = qr_span_count_resident(zone->span, first, n);
	if (frame > end)
		qr_buddy_put_range(
			zone, end, frame - end,
			qr_span_count_resident(zone->span, end, frame - end));
	if (resident != n)
		qr_span_set_resident(zone->span, first, n);
	return resident;
}

size_t qr_buddy_find_range(struct qr_zone *zone, size_t n,
			   enum qr_migratetype type)
{
	unsigned order = qr_fls(n), tries = TRIES;
	struct qr_free_area *area = &zone->area[type][1];

	for (unsigned o = order; o + 1 >= order && o < QR_NR_ORDERS; o--) {
		QR_LIST_FOR_EACH(link, safe, &area->blocks[o]) {
			struct qr_page *page =
				QR_CONTAINER_OF(link, struct qr_page, link);
			size_t frame = qr_zone_frame(zone, page);

			if (!tries--)
				return 0;
			if (qr_buddy_range_is_free(zone, frame, n))
				return frame;
		}
	}
	return 0;
}
