#include "arena/buddy.h"

/* A block on its list.  Not merged: the caller knows that it cannot be. */
static void link_block(struct qr_zone *zone, size_t frame, unsigned order,
		       size_t resident)
{
	struct qr_page *page = qr_zone_page(zone, frame);
	unsigned type = qr_span_pageblock(zone->span, frame)->migratetype;
	unsigned dirty = resident != 0;
	struct qr_free_area *area = &zone->area[type][dirty];

	qr_page_set_state(page, QR_PAGE_FREE);
	page->order = (uint8_t)order;
	page->zone = zone->index;
	page->bucket = (uint8_t)(type << 1 | dirty);
	page->inuse = 0;
	page->nr_resident = resident;
	qr_list_add(&page->link, &area->blocks[order]);
	area->nonempty |= 1u << order;
	area->nr_blocks[order]++;
	zone->nr_free += (size_t)1 << order;
	zone->nr_dirty += resident;
}

void qr_buddy_unlink(struct qr_zone *zone, struct qr_page *page)
{
	struct qr_free_area *area =
		&zone->area[page->bucket >> 1][page->bucket & 1];
	unsigned order = page->order;

	qr_list_del(&page->link);
	qr_page_set_state(page, QR_PAGE_UNUSED);
	if (--area->nr_blocks[order] == 0)
		area->nonempty &= ~(1u << order);
	zone->nr_free -= (size_t)1 << order;
	zone->nr_dirty -= page->nr_resident;
}

bool qr_buddy_is_free(const struct qr_zone *zone, size_t frame, unsigned order)
{
	struct qr_page *page = qr_zone_page(zone, frame);

	return frame >= zone->start && frame < zone->frontier &&
	       qr_page_state(page) == QR_PAGE_FREE && page->order == order;
}

void qr_buddy_set_type(struct qr_zone *zone, size_t frame, size_t n,
		       enum qr_migratetype type)
{
	for (size_t f = qr_round_up(frame, QR_PAGEBLOCK_FRAMES); f < frame + n;
	     f += QR_PAGEBLOCK_FRAMES)
		qr_span_pageblock(zone->span, f)->migratetype = (uint8_t)type;
}

void qr_buddy_put(struct qr_zone *zone, size_t frame, unsigned order,
		  size_t resident)
{
	qr_lock_assert_held(&zone->lock);
	for (; order < QR_MAX_ORDER; order++) {
		size_t buddy = frame ^ (size_t)1 << order;
		struct qr_page *page = qr_zone_page(zone, buddy);

		if (!qr_buddy_is_free(zone, buddy, order))
			break;
		if (order >= QR_PAGEBLOCK_ORDER)
			qr_span_pageblock(zone->span, buddy)->migratetype =
				qr_span_pageblock(zone->span, frame)
					->migratetype;
		resident += page->nr_resident;
		qr_buddy_unlink(zone, page);
		frame &= ~((size_t)1 << order);
	}
	link_block(zone, frame, order, resident);
}

/* The largest block that can start at @frame within @n frames. */
static unsigned largest_order(size_t frame, size_t n)
{
	return (unsigned)qr_min(qr_min(qr_ctz(frame), qr_fls(n)), QR_MAX_ORDER);
}

/* Resident frames of [@frame, @frame + @n), part of a block of @size frames
 * of which @resident are; bits are counted only if need be. */
static size_t resident_part(const struct qr_zone *zone, size_t frame, size_t n,
			    size_t resident, size_t size)
{
	if (resident == 0 || resident == size)
		return resident ? n : 0;
	return qr_span_count_resident(zone->span, frame, n);
}

void qr_buddy_put_range(struct qr_zone *zone, size_t frame, size_t n,
			size_t resident)
{
	for (size_t end = frame + n; frame < end;) {
		unsigned order = largest_order(frame, end - frame);
		size_t size = (size_t)1 << order;

		qr_buddy_put(zone, frame, order,
			     resident_part(zone, frame, size, resident, n));
		frame += size;
	}
}

/* The first block of the smallest order >= @order, or NULL. */
static struct qr_page *first_block(struct qr_free_area *area, unsigned order)
{
	uint32_t fit = area->nonempty & ~((1u << order) - 1);

	return fit ? QR_LIST_FIRST(&area->blocks[qr_ctz(fit)], struct qr_page,
				   link)
		   : NULL;
}

/* The steps of the list above. */
static struct qr_page *choose_block(struct qr_zone *zone,
				    const struct qr_buddy_request *want)
{
	struct qr_free_area *own = zone->area[want->type];
	struct qr_free_area *other = zone->area[!want->type];
	bool small = zone->frontier - zone->start <= QR_PAGEBLOCK_FRAMES;
	bool any = want->desperate || small || want->type == QR_MIGRATE_RUN;
	unsigned steal =
		any ? want->order
		    : (unsigned)qr_max(want->order, QR_PAGEBLOCK_ORDER);
	struct qr_page *page = first_block(&own[1], want->order);

	if (qr_likely(page))
		return page;
	page = first_block(&other[1], steal);
	if (!page)
		page = first_block(&own[0], want->order);
	if (!page)
		page = first_block(&other[0], steal);
	if (page && page->bucket >> 1 != want->type)
		zone->counters.fallbacks++;
	return page;
}

/*
 * Halve a block, which is off its lists, until it is of the order wanted.
 * The half with resident frames is kept, the lower one if both have some.
 */
static size_t halve(struct qr_zone *zone, const struct qr_page *page,
		    unsigned order, size_t *ret_resident)
{
	size_t frame = qr_zone_frame(zone, page), resident = page->nr_resident;

	for (unsigned at = page->order; at > order;) {
		size_t half = (size_t)1 << --at;
		size_t low =
			resident_part(zone, frame, half, resident, 2 * half);
		size_t high = resident - low;

		if (low || !high) {
			link_block(zone, frame + half, at, high);
			resident = low;
		} else {
			link_block(zone, frame, at, low);
			frame += half;
			resident = high;
		}
	}
	*ret_resident = resident;
	return frame;
}

/*
 * The rest of a block of which the first frames are taken, as blocks whose
 * buddies all contain some of these.
 */
static void link_tail(struct qr_zone *zone, size_t frame, size_t n,
		      size_t resident)
{
	for (size_t end = frame + n; frame < end;) {
		unsigned order = largest_order(frame, end - frame);
		size_t size = (size_t)1 << order;

		link_block(zone, frame, order,
			   resident_part(zone, frame, size, resident, n));
		frame += size;
	}
}

/* Does all of a free block have memory? */
static bool is_resident(const struct qr_page *page)
{
	return page->nr_resident >> page->order;
}

/* From several blocks, where no resident one fits; 0: there are none such. */
static size_t take_several(struct qr_zone *zone,
			   const struct qr_buddy_request *want)
{
	size_t frame = 0, resident;

	if (want->anywhere && !want->resident_only &&
	    !(zone->area[want->type][1].nonempty >> want->order))
		frame = qr_buddy_find_range(zone, want->nr_frames, want->type);
	if (!frame)
		return 0;
	resident = qr_buddy_take_range(zone, frame, want->nr_frames);
	if (want->ret_clean)
		*want->ret_clean = resident == 0;
	return frame;
}

size_t qr_buddy_take(struct qr_zone *zone, const struct qr_buddy_request *want)
{
	size_t n = want->nr_frames, size = (size_t)1 << want->order;
	size_t frame, resident;
	struct qr_page *page;

	qr_lock_assert_held(&zone->lock);
	frame = take_several(zone, want);
	if (frame)
		return frame;
	page = choose_block(zone, want);
	if (!page || (want->resident_only && !is_resident(page)))
		return 0;
	qr_buddy_unlink(zone, page);
	if (page->order >= QR_PAGEBLOCK_ORDER)
		qr_buddy_set_type(zone, qr_zone_frame(zone, page),
				  (size_t)1 << page->order, want->type);
	frame = halve(zone, page, want->order, &resident);
	if (n < size) {
		size_t tail = resident_part(zone, frame + n, size - n, resident,
					    size);

		link_tail(zone, frame + n, size - n, tail);
		resident -= tail;
	}
	if (resident != n)
		qr_span_set_resident(zone->span, frame, n);
	if (want->ret_clean)
		*want->ret_clean = resident == 0;
	return frame;
}
