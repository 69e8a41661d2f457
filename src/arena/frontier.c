/*
 * The frontier: how a zone grows into its range, and retreats.
 *
 *	start      frontier      committed      described            end
 *	 | in use or  | memory, but   | metadata only  | addresses    |
 *	 | free       | unseen        |                | only         |
 *
 * Each mark runs ahead of the one before it by a share of what the zone has,
 * so that a large program asks the kernel rarely and a small one for little:
 *
 *	frontier	64 frames, or the block that is wanted
 *	committed	an eighth, 1 MiB to 64 MiB
 *	described	all of it once more, 16 MiB to 256 MiB
 *
 * If the kernel refuses that much, it is asked for just what is wanted.
 * Steps below a huge page also keep the kernel from backing the first
 * touch of a small heap with one, where it would do so always; once
 * there is more, arena/huge.h has a say.  Where memory is locked (mlockall),
 * what is committed is resident at once.
 *
 * A step into a pageblock of the other migratetype leaves the rest of it to
 * that type and begins the next; in the zone's first pageblock they mix.
 *
 * A step begins at a multiple of its size.  Where the range ends before the
 * next one does, a block may still lie astride the frontier:
 *
 *	| in use |   free   frontier   addresses only   |end
 *		 <-------------- the block ------------->
 */
#include "arena/buddy.h"
#include "arena/huge.h"
#include "sys/map.h"

#include <errno.h>

enum {
	COMMIT_MIN = 1 << 8, /* frames */
	COMMIT_MAX = 1 << 14,
	DESCRIBE_MIN = 1 << 12,
	DESCRIBE_MAX = 1 << 16,
};

bool qr_zone_has_room(const struct qr_zone *zone, unsigned order)
{
	size_t size = (size_t)1 << order;

	return qr_round_up(zone->frontier, size) + size <= zone->end;
}

size_t qr_zone_astride(const struct qr_zone *zone, unsigned order)
{
	size_t size = (size_t)1 << order, frontier = zone->frontier;
	size_t from = qr_round_down(frontier, size);

	qr_lock_assert_held(&zone->lock);
	return from >= zone->start && from < frontier &&
			       from + size <= zone->end &&
			       qr_buddy_range_is_free(zone, from,
						      frontier - from)
		       ? from
		       : 0;
}

/* The last that the range has, now that nothing fits behind the frontier. */
static size_t place_astride(struct qr_zone *zone, unsigned order)
{
	size_t from;

	qr_lock_acquire(&zone->lock);
	from = qr_zone_astride(zone, order);
	qr_lock_release(&zone->lock);
	return from ? from : zone->end;
}

/* Where a block of @order would begin; end or past it: there is no room. */
static size_t place(struct qr_zone *zone, unsigned order,
		    enum qr_migratetype type)
{
	size_t size = (size_t)1 << order, frontier = zone->frontier;
	size_t next = qr_round_up(frontier, QR_PAGEBLOCK_FRAMES);
	size_t from = qr_round_up(next, size);

	if (!qr_zone_has_room(zone, order))
		return place_astride(zone, order);
	if (frontier < next && frontier > zone->start + QR_PAGEBLOCK_FRAMES &&
	    qr_span_pageblock(zone->span, frontier)->migratetype != type &&
	    from + size <= zone->end)
		return from;
	return qr_round_up(frontier, size);
}

/* Metadata for frames up to @to. */
static int describe(struct qr_zone *zone, size_t to)
{
	size_t have = zone->described - zone->start;
	size_t step = qr_clamp(have, DESCRIBE_MIN, DESCRIBE_MAX);
	size_t wish = qr_min(qr_max(zone->described + step, to), zone->end);
	int rc;

	if (to <= zone->described)
		return 0;
	rc = qr_span_describe(zone->span, zone->described, wish);
	if (rc && wish > to) {
		wish = to;
		rc = qr_span_describe(zone->span, zone->described, wish);
	}
	if (rc == 0)
		zone->described = wish;
	return rc;
}

static void bind(const struct qr_zone *zone, size_t from, size_t to)
{
	const struct qr_span *span = zone->span;
	size_t size;
	void *addr;

	if (zone->node == QR_NO_NODE)
		return;
	/* one policy for all of the range, once; it must be mapped */
	if (!span->extended) {
		if (from != zone->start)
			return;
		to = zone->end;
	}
	addr = (void *)qr_span_addr(span, from);
	size = (to - from) << QR_FRAME_SHIFT;
	if (zone->within)
		qr_map_bind_within(addr, size, zone->within, zone->node);
	else
		qr_map_bind(addr, size, zone->node);
}

static int commit_to(struct qr_zone *zone, size_t to)
{
	int rc = describe(zone, to);

	if (rc == 0)
		rc = qr_span_commit(zone->span, zone->committed, to);
	if (rc == 0) {
		bind(zone, zone->committed, to);
		qr_huge_note_commit(zone, zone->committed, to);
		zone->committed = to;
	}
	return rc;
}

/* Memory for frames up to @to; zone->lock is not held. */
static int commit(struct qr_zone *zone, size_t to)
{
	size_t have = zone->committed - zone->start;
	size_t step = qr_clamp(qr_round_up(have / 8, QR_STEP_FRAMES),
			       COMMIT_MIN, COMMIT_MAX);
	size_t wish = qr_min(qr_max(zone->committed + step, to), zone->end);
	int rc;

	if (to <= zone->committed)
		return 0;
	wish = qr_huge_commit_end(zone, wish);
	rc = commit_to(zone, wish);
	if (rc && wish > to)
		rc = commit_to(zone, to);
	return rc;
}

/* Make frames up to @to known as free; zone->lock is held. */
static void expose(struct qr_zone *zone, size_t to, enum qr_migratetype type)
{
	size_t from = zone->frontier;

	qr_buddy_set_type(zone, from, to - from, type);
	zone->frontier = to;
	zone->counters.grown += to - from;
	qr_buddy_put_range(zone, from, to - from, 0);
}

static int grow_locked(struct qr_zone *zone, unsigned order,
		       enum qr_migratetype type)
{
	size_t size = (size_t)1 << order;
	size_t from = place(zone, order, type);
	size_t to = from + qr_max(size, QR_STEP_FRAMES);
	int rc;

	if (to > zone->end)
		return -ENOMEM;
	rc = commit(zone, to);
	qr_lock_acquire(&zone->lock);
	if (rc == 0) {
		if (from > zone->frontier)
			expose(zone, from, type);
		expose(zone, to, type);
	} else if (rc == -EEXIST) {
		/* the addresses are somebody else's */
		zone->end = zone->committed;
	}
	qr_lock_release(&zone->lock);
	return rc;
}

bool qr_zone_grow(struct qr_zone *zone, unsigned order,
		  enum qr_migratetype type, size_t seen)
{
	bool grown;

	qr_lock_acquire(&qr_span_lock);
	grown = zone->frontier != seen || grow_locked(zone, order, type) == 0;
	qr_lock_release(&qr_span_lock);
	return grown;
}

/* The free, clean block that ends at the frontier, or NULL. */
static struct qr_page *last_block(struct qr_zone *zone)
{
	for (unsigned order = QR_STEP_ORDER; order < QR_NR_ORDERS; order++) {
		size_t size = (size_t)1 << order;
		struct qr_page *page;

		if (zone->frontier - zone->start < size)
			break;
		if (!qr_buddy_is_free(zone, zone->frontier - size, order))
			continue;
		page = qr_zone_page(zone, zone->frontier - size);
		return page->nr_resident ? NULL : page;
	}
	return NULL;
}

void qr_zone_retreat(struct qr_zone *zone)
{
	struct qr_page *page;
	size_t old;

	/* qr_span_lock keeps growth away while the kernel is asked */
	qr_lock_acquire(&qr_span_lock);
	qr_lock_acquire(&zone->lock);
	old = zone->frontier;
	while ((page = last_block(zone))) {
		qr_buddy_unlink(zone, page);
		zone->frontier -= (size_t)1 << page->order;
	}
	qr_lock_release(&zone->lock);
	if (zone->frontier < old)
		qr_span_purge_metadata(zone->span, zone->frontier,
				       old - zone->frontier);
	qr_lock_release(&qr_span_lock);
}
