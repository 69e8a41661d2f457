#include "core/report.h"

#include "arena/large.h"
#include "arena/node.h"
#include "arena/vma.h"
#include "core/boot.h"
#include "core/memory.h"
#include "core/reclaim.h"
#include "core/sections.h"
#include "core/table.h"
#include "slab/pcpu.h"
#include "sys/rseq.h"

struct report {
	struct qr_out *out;
	enum quarry_format format;
	bool any; /* a section was written */
	struct qr_table table;
};

static void begin(struct report *report, const char *name, const char *title)
{
	if (report->format == QUARRY_JSON)
		qr_out_printf(report->out,
			      "%s\n  \"%s\": ", report->any ? "," : "", name);
	else if (report->format == QUARRY_TEXT)
		qr_out_printf(report->out, "%s%s\n", report->any ? "\n" : "",
			      title);
	report->any = true;
}

static void write_section(struct report *report,
			  const struct qr_section *section)
{
	begin(report, section->name, section->title);
	qr_section_write(section, report->out, report->format, NULL);
}

/* buddyinfo */

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
	begin(report, "buddyinfo", "buddyinfo (free blocks by size)");
	qr_table_begin(&report->table, report->out, report->format,
		       buddy_columns, QR_ARRAY_SIZE(buddy_columns));
	for_each_zone(report, write_areas);
	qr_table_end(&report->table);
}

/* Mappings */

static const struct qr_column mapping_columns[] = {
	{"start", 14},
	{"end", 14},
	{"kbytes", 12},
	{"kind", -1},
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

/* What of a span is in use or may be: the rest is addresses only. */
static void write_span(struct report *report, struct qr_zone *zone)
{
	const struct qr_span *span = zone->span;

	if (zone->start == span->first_frame)
		write_mapping(report, span->base,
			      qr_span_addr(span, span->first_frame),
			      "descriptors");
	write_mapping(report, qr_span_addr(span, zone->start),
		      qr_span_addr(span, zone->committed), "frames");
}

static void write_region(const void *region, void *arg)
{
	write_mapping(arg, (uintptr_t)region,
		      (uintptr_t)region + QR_REGION_SIZE, "per-CPU arrays");
}

static void write_mappings(struct report *report)
{
	struct qr_vma_info info = {0};

	begin(report, "mappings", "mappings");
	qr_table_begin(&report->table, report->out, report->format,
		       mapping_columns, QR_ARRAY_SIZE(mapping_columns));
	for_each_zone(report, write_span);
	qr_pcpu_for_each_region(write_region, report);
	while (qr_vma_next(info.end, &info))
		write_mapping(report, info.start, info.end,
			      info.kind == QR_VMA_LARGE
				      ? qr_large_state_name(info.state)
				      : qr_vma_kind_name(info.kind));
	qr_table_end(&report->table);
}

/* Metrics have no tables: addresses and lists are nothing to watch. */
static void write_tables(struct report *report, unsigned sections)
{
	if (report->format == QUARRY_METRICS)
		return;
	if (sections & QUARRY_BUDDYINFO)
		write_buddyinfo(report);
	if (sections & QUARRY_MAPPINGS)
		write_mappings(report);
}

static void write_head(struct report *report)
{
	const char *mode = qr_rseq_mode_name();
	const char *reclaim = qr_reclaim_state_name();

	if (report->format == QUARRY_JSON)
		qr_out_printf(report->out,
			      "{\n  \"mode\": \"%s\",\n"
			      "  \"reclaim\": \"%s\"",
			      mode, reclaim);
	else if (report->format == QUARRY_TEXT)
		qr_out_printf(report->out,
			      "quarry: per-CPU arrays: %s; reclaimer: %s\n",
			      mode, reclaim);
	report->any = true;
}

void qr_report_write(struct qr_out *out, enum quarry_format format,
		     unsigned sections)
{
	struct report report = {.out = out, .format = format};

	if (!qr_boot())
		return;
	if (sections || format == QUARRY_JSON)
		write_head(&report);
	if (sections & QUARRY_MEMORY) {
		begin(&report, qr_memory.name, qr_memory.title);
		qr_memory_write(out, format);
	}
	if (sections & QUARRY_VMSTAT)
		write_section(&report, &qr_vmstat);
	if (sections & QUARRY_ZONEINFO)
		write_section(&report, &qr_zoneinfo);
	if (sections & QUARRY_NUMASTAT)
		write_section(&report, &qr_numastat);
	if (sections & QUARRY_SLABINFO)
		write_section(&report, &qr_slabinfo);
	write_tables(&report, sections);
	if (format == QUARRY_JSON)
		qr_out_printf(out, "\n}\n");
	else if (format == QUARRY_METRICS)
		qr_metrics_end(out);
}

void qr_report_at_exit(void)
{
	static const enum quarry_format formats[] = {
		QUARRY_TEXT, QUARRY_TEXT, QUARRY_JSON, QUARRY_METRICS};
	struct qr_out out;
	uint64_t wish = qr_option(QR_OPT_REPORT);

	if (!wish || !qr_boot())
		return;
	qr_out_init_fd(&out, 2);
	qr_report_write(&out, formats[wish], QUARRY_ALL_SECTIONS);
	qr_out_flush(&out);
}
