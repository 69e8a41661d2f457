/*
 * A census: what the frames of the zones are used for, and which of them have
 * memory as the kernel sees it.
 *
 *	RUN	live runs
 *	SLAB	slabs
 *	FREE	free blocks, and what was committed ahead
 *	PCP	the rest: blocks and runs in pcps, or on their way
 *
 * The kernel knows what our own counts cannot: pages handed out that nobody
 * ever touched.  A zone is walked a pageblock at a time, under zone->lock but
 * for the kernel's answer, and so exact while nobody allocates or frees.
 */
#ifndef QR_ARENA_CENSUS_H
#define QR_ARENA_CENSUS_H

#include "arena/zone.h"
#include "sys/pagemap.h"

enum qr_census_kind {
	QR_CENSUS_FREE,
	QR_CENSUS_PCP,
	QR_CENSUS_RUN,
	QR_CENSUS_SLAB,
	QR_NR_CENSUS_KINDS
};

/* Bytes by presence. */
struct qr_census {
	size_t bytes[QR_NR_PRESENCES];
};

/* Adds to @census, which has one for each kind. */
void qr_census_zone(struct qr_zone *zone, const struct qr_pagemap *pagemap,
		    struct qr_census census[QR_NR_CENSUS_KINDS]);

/* Add the pages of a range; where it shares a page with others, all of it. */
void qr_census_range(const void *start, size_t size,
		     const struct qr_pagemap *pagemap,
		     struct qr_census *census);

/* The same for the zone's frame bytes, pageblocks and descriptors. */
void qr_census_descriptors(struct qr_zone *zone,
			   const struct qr_pagemap *pagemap,
			   struct qr_census *census);

#endif
