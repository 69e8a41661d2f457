#include "arena/census.h"

#include "sys/map.h"

enum { CHUNK = QR_PAGEBLOCK_FRAMES };

/* Where a walk over a zone's frames is: in a block of @left frames. */
struct walk {
	size_t frame;
	size_t left;
	enum qr_census_kind kind;
};

/* A new block begins at @walk->frame; zone->lock is held. */
static void enter_block(const struct qr_zone *zone, struct walk *walk)
{
	uint8_t byte = __atomic_load_n(&zone->span->frame_bytes[walk->frame],
				       __ATOMIC_RELAXED);
	struct qr_page *page = qr_zone_page(zone, walk->frame);

	walk->left = 1;
	if (byte == QR_FRAME_RUN) {
		walk->kind = QR_CENSUS_RUN;
		walk->left = qr_clamp(page->nr_pages, 1, QR_MAX_BLOCK_FRAMES);
	} else if (byte != QR_FRAME_NONE) {
		walk->kind = QR_CENSUS_SLAB;
	} else if (qr_page_state(page) == QR_PAGE_FREE) {
		walk->kind = QR_CENSUS_FREE;
		walk->left = (size_t)1 << page->order;
	} else {
		walk->kind = QR_CENSUS_PCP;
	}
}

/* The kinds of the next @n frames. */
static void read_kinds(struct qr_zone *zone, struct walk *walk, size_t n,
		       uint8_t *kinds)
{
	qr_lock_acquire(&zone->lock);
	for (size_t i = 0; i < n; i++) {
		if (walk->frame >= zone->frontier) {
			walk->kind = QR_CENSUS_FREE;
			walk->left = 1;
		} else if (!walk->left) {
			enter_block(zone, walk);
		}
		kinds[i] = (uint8_t)walk->kind;
		walk->left--;
		walk->frame++;
	}
	qr_lock_release(&zone->lock);
}

void qr_census_zone(struct qr_zone *zone, const struct qr_pagemap *pagemap,
		    struct qr_census census[QR_NR_CENSUS_KINDS])
{
	unsigned shift = qr_ctz(qr_page_size()) - QR_FRAME_SHIFT;
	uint8_t kinds[CHUNK], presences[CHUNK + 1];
	struct walk walk = {.frame = zone->start};
	size_t end;

	qr_lock_acquire(&zone->lock);
	end = zone->committed;
	qr_lock_release(&zone->lock);
	while (walk.frame < end) {
		uintptr_t addr = qr_span_addr(zone->span, walk.frame);
		size_t n = qr_min(end - walk.frame, CHUNK);

		read_kinds(zone, &walk, n, kinds);
		qr_pagemap_read(pagemap, addr, (n >> shift) + 1, presences);
		for (size_t i = 0; i < n; i++)
			census[kinds[i]].bytes[presences[i >> shift]] +=
				QR_FRAME_SIZE;
	}
}

void qr_census_range(const void *start, size_t size,
		     const struct qr_pagemap *pagemap, struct qr_census *census)
{
	size_t page = qr_page_size();
	uintptr_t at = qr_round_down((uintptr_t)start, page);
	uintptr_t end = qr_round_up((uintptr_t)start + size, page);

	while (at < end) {
		uint8_t presences[CHUNK];
		size_t n = qr_min((end - at) / page, CHUNK);

		qr_pagemap_read(pagemap, at, n, presences);
		for (size_t i = 0; i < n; i++)
			census->bytes[presences[i]] += page;
		at += n * page;
	}
}

void qr_census_descriptors(struct qr_zone *zone,
			   const struct qr_pagemap *pagemap,
			   struct qr_census *census)
{
	const struct qr_span *span = zone->span;
	const struct qr_pageblock *low, *high;
	size_t from = zone->start, to;

	qr_lock_acquire(&zone->lock);
	to = zone->described;
	qr_lock_release(&zone->lock);
	if (to == from)
		return;
	low = qr_span_pageblock(span, to - 1);
	high = qr_span_pageblock(span, from) + 1;
	qr_census_range(&span->frame_bytes[from], to - from, pagemap, census);
	qr_census_range(low, (size_t)(high - low) * sizeof(*low), pagemap,
			census);
	qr_census_range(&span->mem_map[from],
			(to - from) * sizeof(struct qr_page), pagemap, census);
}
