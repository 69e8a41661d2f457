#include "core/report.h"

#include "arena/large.h"
#include "arena/node.h"
#include "arena/vma.h"
#include "core/boot.h"
#include "core/core.h"
#include "core/reclaim.h"
#include "core/table.h"
#include "slab/pcpu.h"
#include "sys/rseq.h"

struct report {
	struct qr_out *out;
	enum quarry_format format;
	bool any; /* a section was written */
	struct qr_table table;
};

static void begin(struct report *report, const char *name)
{
	if (report->format == QUARRY_JSON)
		qr_out_printf(report->out,
			      "%s\n  \"%s\": ", report->any ? "," : "", name);
	else
		qr_out_printf(report->out, "%s%s\n", report->any ? "\n" : "",
			      name);
	report->any = true;
}

/* slabinfo */

static const struct qr_column slab_columns[] = {
	{"name", -14},	{"active", 9},	{"objects", 9}, {"size", 6},
	{"perslab", 7}, {"pages", 5},	{"slabs", 7},	{"arrays", 7},
	{"barns", 7},	{"refills", 9}, {"flushes", 9}, {"puts", 7},
	{"gets", 7},
};

static void write_cache(struct qr_cache *cache, void *arg)
{
	struct report *report = arg;
	struct qr_table *table = &report->table;
	size_t slabs = 0, refills = 0, flushes = 0, puts = 0, gets = 0;
	struct qr_pcpu_counts idle;
	size_t live;

	for (uint64_t left = qr_nodes_mask(); left; left &= left - 1) {
		struct qr_cache_node *node = qr_cache_node(cache, qr_ctz(left));

		qr_lock_acquire(&node->lock);
		slabs += node->nr_slabs;
		refills += node->refills;
		flushes += node->flushes;
		puts += node->barn.puts;
		gets += node->barn.gets;
		qr_lock_release(&node->lock);
	}
	if (!slabs && cache->number <= QR_MAX_GENERAL)
		return;
	live = qr_cache_live(cache);
	qr_pcpu_count(cache, &idle);
	qr_table_string(table, cache->name);
	qr_table_number(table, live);
	qr_table_number(table, slabs * cache->nr_objects);
	qr_table_number(table, cache->size);
	qr_table_number(table, cache->nr_objects);
	qr_table_number(table, (size_t)1 << cache->order);
	qr_table_number(table, slabs);
	qr_table_number(table, idle.in_arrays);
	qr_table_number(table, idle.in_barns);
	qr_table_number(table, refills);
	qr_table_number(table, flushes);
	qr_table_number(table, puts);
	qr_table_number(table, gets);
}

static void write_slabinfo(struct report *report)
{
	begin(report, "slabinfo");
	qr_table_begin(&report->table, report->out, report->format,
		       slab_columns, QR_ARRAY_SIZE(slab_columns));
	qr_caches_for_each(write_cache, report);
	qr_table_end(&report->table);
}

/* Zones */

static const char *migratetype_name(unsigned type)
{
	return type == QR_MIGRATE_SLAB ? "slab" : "run";
}

static unsigned zone_node(const struct qr_zone *zone)
{
	return zone->node == QR_NO_NODE ? qr_ctz(qr_nodes_mask()) : zone->node;
}

static void for_each_zone(struct report *report,
			  void (*write)(struct report *report,
					struct qr_zone *zone))
{
	unsigned n = atomic_load_explicit(&qr_nr_zones, memory_order_acquire);

	for (unsigned i = 0; i < n; i++) {
		qr_lock_acquire(&qr_zones[i].lock);
		write(report, &qr_zones[i]);
		qr_lock_release(&qr_zones[i].lock);
	}
}

static const struct qr_column buddy_columns[] = {
	{"node", 4}, {"zone", 4}, {"type", -4}, {"state", -5}, {"4k", 5},
	{"8k", 5},   {"16k", 5},  {"32k", 5},	{"64k", 5},    {"128k", 5},
	{"256k", 5}, {"512k", 5}, {"1m", 5},	{"2m", 5},     {"4m", 5},
};

static void write_areas(struct report *report, struct qr_zone *zone)
{
	struct qr_table *table = &report->table;

	for (unsigned type = 0; type < QR_NR_MIGRATETYPES; type++) {
		for (int dirty = 1; dirty >= 0; dirty--) {
			qr_table_number(table, zone_node(zone));
			qr_table_number(table, zone->index);
			qr_table_string(table, migratetype_name(type));
			qr_table_string(table, dirty ? "dirty" : "clean");
			for (int o = 0; o < QR_NR_ORDERS; o++)
				qr_table_number(
					table,
					zone->area[type][dirty].nr_blocks[o]);
		}
	}
}

static void write_buddyinfo(struct report *report)
{
	begin(report, "buddyinfo");
	qr_table_begin(&report->table, report->out, report->format,
		       buddy_columns, QR_ARRAY_SIZE(buddy_columns));
	for_each_zone(report, write_areas);
	qr_table_end(&report->table);
}

static const struct qr_column zone_columns[] = {
	{"node", 4},   {"zone", 4},	  {"spanned", 10}, {"present", 9},
	{"used", 9},   {"free", 9},	  {"dirty", 8},	   {"high", 7},
	{"peak", 8},   {"allocated", 11}, {"freed", 11},   {"purged", 9},
	{"purges", 7}, {"direct", 7}, {"faulted", 8}, {"fallbacks", 9},  {"foreign", 8},
};

static void write_zone(struct report *report, struct qr_zone *zone)
{
	struct qr_table *table = &report->table;
	const struct qr_zone_counters *count = &zone->counters;

	qr_table_number(table, zone_node(zone));
	qr_table_number(table, zone->index);
	qr_table_number(table, zone->end - zone->start);
	qr_table_number(table, zone->frontier - zone->start);
	qr_table_number(table, count->allocated - count->freed);
	qr_table_number(table, zone->nr_free);
	qr_table_number(table, zone->nr_dirty);
	qr_table_number(table, zone->high);
	qr_table_number(table, zone->peak);
	qr_table_number(table, count->allocated);
	qr_table_number(table, count->freed);
	qr_table_number(table, count->purged);
	qr_table_number(table, count->purge_calls);
	qr_table_number(table, count->direct);
	qr_table_number(table, count->faulted);
	qr_table_number(table, count->fallbacks);
	qr_table_number(table, count->foreign);
}

static void write_zoneinfo(struct report *report)
{
	begin(report, report->format == QUARRY_JSON ? "zoneinfo"
						    : "zoneinfo (pages of 4k)");
	qr_table_begin(&report->table, report->out, report->format,
		       zone_columns, QR_ARRAY_SIZE(zone_columns));
	for_each_zone(report, write_zone);
	qr_table_end(&report->table);
}

/* Mappings */

static const struct qr_column mapping_columns[] = {
	{"start", -18},
	{"end", -18},
	{"kbytes", 12},
	{"kind", -8},
};

static void write_mapping(struct report *report, uintptr_t start, uintptr_t end,
			  const char *kind)
{
	struct qr_table *table = &report->table;

	qr_table_address(table, start);
	qr_table_address(table, end);
	qr_table_number(table, (end - start) >> 10);
	qr_table_string(table, kind);
}

static void write_mappings(struct report *report)
{
	struct qr_vma_info info = {0};

	begin(report, "mappings");
	qr_table_begin(&report->table, report->out, report->format,
		       mapping_columns, QR_ARRAY_SIZE(mapping_columns));
	while (qr_vma_next(info.end, &info))
		write_mapping(report, info.start, info.end,
			      qr_vma_kind_name(info.kind));
	qr_table_end(&report->table);
}

/* vmstat */

static void value(struct report *report, bool first, const char *name,
		  uint64_t number)
{
	if (report->format == QUARRY_JSON)
		qr_out_printf(report->out, "%s\n    \"%s\": %lu",
			      first ? "" : ",", name, (unsigned long)number);
	else
		qr_out_printf(report->out, "%s %lu\n", name,
			      (unsigned long)number);
}

static void write_vmstat(struct report *report)
{
	struct qr_reclaim_stats reclaim;
	struct qr_large_stats large;
	struct qr_totals totals;
	bool json = report->format == QUARRY_JSON;

	qr_read_totals(&totals);
	qr_large_read_stats(&large);
	qr_reclaim_read_stats(&reclaim);
	begin(report, "vmstat");
	if (json)
		qr_out_printf(report->out, "{");
	value(report, true, "live_bytes", totals.live);
	value(report, false, "live_objects", totals.live_objects);
	value(report, false, "cached_bytes", totals.cached);
	value(report, false, "free_dirty_bytes", totals.free_dirty);
	value(report, false, "committed_bytes", totals.committed);
	value(report, false, "metadata_bytes", totals.metadata);
	value(report, false, "slab_pages", totals.slab_pages);
	value(report, false, "run_pages", totals.run_pages);
	value(report, false, "pcp_pages", totals.pcp_pages);
	value(report, false, "large_bytes", large.live);
	value(report, false, "large_mappings", large.nr_live);
	value(report, false, "large_cached_bytes", large.cached);
	value(report, false, "large_allocs", large.allocs);
	value(report, false, "large_cache_hits", large.cache_hits);
	value(report, false, "large_remaps", large.remaps);
	value(report, false, "cpu_regions", qr_pcpu_nr_regions());
	value(report, false, "reclaim_ticks", reclaim.ticks);
	value(report, false, "reclaim_bytes", reclaim.bytes);
	value(report, false, "reclaim_pressed", reclaim.pressed);
	value(report, false, "container_limit_bytes",
	      reclaim.limit == SIZE_MAX ? 0 : reclaim.limit);
	if (json)
		qr_out_printf(report->out, "}");
}

void qr_report_write(struct qr_out *out, enum quarry_format format,
		     unsigned sections)
{
	struct report report = {.out = out, .format = format};

	if (!qr_boot())
		return;
	if (format == QUARRY_JSON)
		qr_out_printf(out,
			      "{\n  \"mode\": \"%s\",\n"
			      "  \"reclaim\": \"%s\"",
			      qr_rseq_mode_name(), qr_reclaim_state_name());
	else if (sections)
		qr_out_printf(out,
			      "quarry: per-CPU arrays: %s; reclaimer: %s\n",
			      qr_rseq_mode_name(), qr_reclaim_state_name());
	report.any = true;
	if (sections & QUARRY_SLABINFO)
		write_slabinfo(&report);
	if (sections & QUARRY_BUDDYINFO)
		write_buddyinfo(&report);
	if (sections & QUARRY_ZONEINFO)
		write_zoneinfo(&report);
	if (sections & QUARRY_MAPPINGS)
		write_mappings(&report);
	if (sections & QUARRY_VMSTAT)
		write_vmstat(&report);
	if (format == QUARRY_JSON)
		qr_out_printf(out, "\n}\n");
}

void qr_report_at_exit(void)
{
	struct qr_out out;
	uint64_t wish = qr_option(QR_OPT_REPORT);

	if (!wish || !qr_boot())
		return;
	qr_out_init_fd(&out, 2);
	qr_report_write(&out, wish == 2 ? QUARRY_JSON : QUARRY_TEXT,
			QUARRY_ALL_SECTIONS);
	qr_out_flush(&out);
}
