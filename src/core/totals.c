#include "arena/large.h"
#include "arena/meta.h"
#include "arena/node.h"
#include "core/boot.h"
#include "core/core.h"
#include "slab/cache.h"

#include <string.h>

static void add_cache(struct qr_cache *cache, void *arg)
{
	struct qr_totals *totals = arg;
	size_t live = qr_cache_live(cache), slabs = 0;

	for (uint64_t left = qr_nodes_mask(); left; left &= left - 1) {
		struct qr_cache_node *node = qr_cache_node(cache, qr_ctz(left));

		qr_lock_acquire(&node->lock);
		slabs += node->nr_slabs;
		qr_lock_release(&node->lock);
	}
	totals->live += live * cache->size;
	totals->slab_pages += slabs * cache->nr_pages;
	totals->cached += (slabs * cache->nr_objects - live) * cache->size;
}

static void add_objects(struct qr_cache *cache, void *arg)
{
	*(size_t *)arg += qr_cache_live(cache);
}

/* Live runs are the frames whose byte says so. */
static size_t count_runs(struct qr_zone *zone)
{
	const uint8_t *bytes = zone->span->frame_bytes;
	const uint8_t *end;
	size_t n = 0;

	qr_lock_acquire(&zone->lock);
	end = bytes + zone->frontier;
	qr_lock_release(&zone->lock);

	for (const uint8_t *p = bytes + zone->start; p < end; p++) {
		p = memchr(p, QR_FRAME_RUN, (size_t)(end - p));
		if (!p)
			break;
		n++;
	}
	return n;
}

static void add_zone(struct qr_zone *zone, struct qr_totals *totals)
{
	qr_lock_acquire(&zone->lock);
	totals->used_pages += zone->counters.allocated - zone->counters.freed;
	totals->free_dirty += zone->nr_dirty << QR_FRAME_SHIFT;
	totals->committed += (zone->frontier - zone->start) << QR_FRAME_SHIFT;
	qr_lock_release(&zone->lock);
}

void qr_read_totals(struct qr_totals *ret_totals)
{
	unsigned nr_zones =
		atomic_load_explicit(&qr_nr_zones, memory_order_acquire);
	struct qr_totals totals = {0};
	struct qr_large_stats large;

	if (!qr_boot())
		goto out;
	qr_caches_for_each(add_cache, &totals);
	for (unsigned i = 0; i < nr_zones; i++)
		add_zone(&qr_zones[i], &totals);
	qr_large_read_stats(&large);
	totals.pcp_pages = qr_pcps_count();
	totals.run_pages =
		totals.used_pages -
		qr_min(totals.used_pages, totals.slab_pages + totals.pcp_pages);
	totals.live += (totals.run_pages << QR_FRAME_SHIFT) + large.live;
	totals.mapped = large.live;
	totals.nr_mapped = large.nr_live;
	totals.mapped_cached = large.cached;
	totals.metadata =
		qr_meta_bytes() + (totals.committed >> QR_FRAME_SHIFT) *
					  (sizeof(struct qr_page) + 1);
out:
	*ret_totals = totals;
}

size_t qr_count_live_objects(void)
{
	unsigned nr_zones =
		atomic_load_explicit(&qr_nr_zones, memory_order_acquire);
	struct qr_large_stats large;
	size_t n = 0;

	if (!qr_boot())
		return 0;
	qr_caches_for_each(add_objects, &n);
	for (unsigned i = 0; i < nr_zones; i++)
		n += count_runs(&qr_zones[i]);
	qr_large_read_stats(&large);
	return n + large.nr_live;
}
