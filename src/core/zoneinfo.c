#include "core/sections.h"

#include "arena/node.h"

enum {
	SPANNED,
	COMMITTED,
	PRESENT,
	USED,
	FREE,
	DIRTY,
	RESIDENT,
	BASE,
	PEAK,
	ALLOCATED,
	FREED,
	GROWN,
	FAULTED,
	HUGE_NOW,
	HUGE_FAULTED,
	HUGE_LEFT,
	FALLBACKS,
	PURGED,
	PURGES,
	SCANNED,
	DIRECT,
	DIRECT_PURGED,
	NR,
};

static_assert((int)NR <= (int)QR_MAX_FIGURES, "they fit into a set");

static const struct qr_figure figures[NR] = {
	[SPANNED] = {"spanned", QR_GAUGE, QR_PAGES, "frames reserved"},
	[COMMITTED] = {"committed", QR_GAUGE, QR_PAGES,
		       "frames that may be written to"},
	[PRESENT] = {"present", QR_GAUGE, QR_PAGES,
		     "frames below the frontier"},
	[USED] = {"used", QR_GAUGE, QR_PAGES, "frames in slabs, runs and pcps"},
	[FREE] = {"free", QR_GAUGE, QR_PAGES, "frames in free blocks"},
	[DIRTY] = {"dirty", QR_GAUGE, QR_PAGES, "free frames with memory"},
	[RESIDENT] = {"resident", QR_GAUGE, QR_PAGES, "used and dirty frames"},
	[BASE] = {"base", QR_GAUGE, QR_PAGES,
		  "watermark: dirty frames that stay"},
	[PEAK] = {"peak", QR_GAUGE, QR_PAGES,
		  "watermark: a free beyond it purges"},
	[ALLOCATED] = {"allocated", QR_COUNTER, QR_PAGES, "frames taken, ever"},
	[FREED] = {"freed", QR_COUNTER, QR_PAGES, "frames given back, ever"},
	[GROWN] = {"grown", QR_COUNTER, QR_PAGES,
		   "frames that the frontier passed, ever"},
	[FAULTED] = {"faulted", QR_COUNTER, QR_PAGES,
		     "frames had before their first use, ever"},
	[HUGE_NOW] = {"huge", QR_GAUGE, QR_PAGES,
		      "resident frames that are in huge pages, or may be"},
	[HUGE_FAULTED] = {"huge_faulted", QR_COUNTER, QR_NUMBER,
			  "pageblocks that became huge, ever"},
	[HUGE_LEFT] = {"huge_left", QR_COUNTER, QR_NUMBER,
		       "pageblocks that were huge until given back, ever"},
	[FALLBACKS] = {"fallbacks", QR_COUNTER, QR_NUMBER,
		       "blocks had from the other migratetype, ever"},
	[PURGED] = {"purged", QR_COUNTER, QR_PAGES,
		    "frames that went to the kernel, ever"},
	[PURGES] = {"purges", QR_COUNTER, QR_NUMBER,
		    "blocks that went to the kernel, ever"},
	[SCANNED] = {"scanned", QR_COUNTER, QR_PAGES,
		     "frames chosen to go, ever"},
	[DIRECT] = {"direct", QR_COUNTER, QR_NUMBER,
		    "purges by a malloc or a free, ever"},
	[DIRECT_PURGED] = {"direct_purged", QR_COUNTER, QR_PAGES,
			   "frames that went by these, ever"},
};

static void add_zone(struct qr_zone *zone, uint64_t *value)
{
	const struct qr_zone_counters *count = &zone->counters;

	qr_lock_acquire(&zone->lock);
	value[SPANNED] += zone->end - zone->start;
	value[COMMITTED] += zone->committed - zone->start;
	value[PRESENT] += zone->frontier - zone->start;
	value[USED] += qr_zone_in_use(zone);
	value[FREE] += zone->nr_free;
	value[DIRTY] += zone->nr_dirty;
	value[RESIDENT] += qr_zone_resident(zone);
	value[BASE] += qr_zone_base(zone);
	value[PEAK] += qr_zone_peak(zone);
	value[ALLOCATED] += count->allocated;
	value[FREED] += count->freed;
	value[GROWN] += count->grown;
	value[FAULTED] += count->faulted;
	value[HUGE_NOW] += zone->nr_huge << QR_PAGEBLOCK_ORDER;
	value[HUGE_FAULTED] += count->huge_faulted;
	value[HUGE_LEFT] += count->huge_left;
	value[FALLBACKS] += count->fallbacks;
	value[PURGED] += count->purged;
	value[PURGES] += count->purge_calls;
	value[SCANNED] += count->scanned;
	value[DIRECT] += count->direct;
	value[DIRECT_PURGED] += count->direct_purged;
	qr_lock_release(&zone->lock);
}

static bool is_of_node(const struct qr_zone *zone, unsigned node)
{
	return zone->node == node || zone->node == QR_NO_NODE;
}

static enum qr_set_state read(void *arg, unsigned node, struct qr_set *ret_set)
{
	unsigned n = atomic_load_explicit(&qr_nr_zones, memory_order_acquire);

	(void)arg;
	if (node >= QR_MAX_NODES)
		return QR_SET_END;
	if (!(qr_nodes_mask() >> node & 1))
		return QR_SET_SKIP;
	qr_format(ret_set->label, sizeof(ret_set->label), "%u", node);
	for (unsigned i = 0; i < n; i++) {
		if (is_of_node(&qr_zones[i], node))
			add_zone(&qr_zones[i], ret_set->value);
	}
	return QR_SET_IS;
}

const struct qr_section qr_zoneinfo = {
	.name = "zoneinfo",
	.title = "zoneinfo (frames of 4 KiB)",
	.label = "node",
	.numbered = true,
	.prefix = "node_",
	.figures = figures,
	.nr_figures = NR,
	.read = read,
};
