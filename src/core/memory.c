#include "core/memory.h"

#include "arena/census.h"
#include "arena/large.h"
#include "arena/meta.h"
#include "arena/vma.h"
#include "core/core.h"
#include "slab/pcpu.h"
#include "sys/rseq.h"

enum { COUNTED, RESIDENT, SHARED, SWAPPED, NR };

static const struct qr_figure figures[NR] = {
	[COUNTED] = {"counted", QR_GAUGE, QR_KIB,
		     "memory by the allocator's own books"},
	[RESIDENT] = {"resident", QR_GAUGE, QR_KIB,
		      "memory that the kernel has given"},
	[SHARED] = {"shared", QR_GAUGE, QR_KIB,
		    "memory shared by fork, or the page of zeros"},
	[SWAPPED] = {"swapped", QR_GAUGE, QR_KIB, "on a swap device"},
};

enum part {
	OBJECTS,
	RUNS,
	MAPPINGS,
	IN_ARRAYS,
	IN_BARNS,
	IN_SLABS,
	IN_PCPS,
	FREE,
	KEPT,
	DESCRIPTORS,
	REGIONS,
	OTHER,
	NR_PARTS,
	SUM = NR_PARTS,
};

static const char *const names[] = {
	[OBJECTS] = "live objects",
	[RUNS] = "live runs",
	[MAPPINGS] = "live mappings",
	[IN_ARRAYS] = "free in arrays",
	[IN_BARNS] = "free in barns",
	[IN_SLABS] = "free in slabs",
	[IN_PCPS] = "free in pcps",
	[FREE] = "free pages",
	[KEPT] = "free mappings",
	[DESCRIPTORS] = "descriptors",
	[REGIONS] = "per-CPU arrays",
	[OTHER] = "other metadata",
	[SUM] = "sum",
};

struct memory {
	uint64_t counted[NR_PARTS];
	struct qr_census parts[NR_PARTS];
	struct qr_pagemap pagemap;
	bool known; /* what the kernel says */
	bool summed;
};

/* What our books say */

static void count_cache(struct qr_cache *cache, void *arg)
{
	uint64_t *counted = ((struct memory *)arg)->counted;
	struct qr_pcpu_counts idle;
	size_t slabs = 0, live = qr_cache_live(cache), bytes;

	for (uint64_t left = qr_nodes_mask(); left; left &= left - 1) {
		struct qr_cache_node *node = qr_cache_node(cache, qr_ctz(left));

		qr_lock_acquire(&node->lock);
		slabs += node->nr_slabs;
		qr_lock_release(&node->lock);
	}
	if (!slabs)
		return;
	qr_pcpu_count(cache, &idle);
	counted[OBJECTS] += live * cache->size;
	counted[IN_ARRAYS] += idle.in_arrays * cache->size;
	counted[IN_BARNS] += idle.in_barns * cache->size;
	bytes = slabs * cache->nr_pages << QR_FRAME_SHIFT;
	live += idle.in_arrays + idle.in_barns;
	counted[IN_SLABS] += bytes - qr_min(bytes, live * cache->size);
}

static void count(struct memory *memory)
{
	uint64_t *counted = memory->counted;
	struct qr_totals totals;

	qr_caches_for_each(count_cache, memory);
	qr_read_totals(&totals);
	counted[RUNS] = totals.run_pages << QR_FRAME_SHIFT;
	counted[MAPPINGS] = totals.mapped;
	counted[IN_PCPS] = totals.pcp_pages << QR_FRAME_SHIFT;
	counted[FREE] = totals.free_dirty;
	counted[KEPT] = totals.mapped_cached;
	counted[OTHER] = qr_meta_bytes();
	counted[DESCRIPTORS] = totals.metadata - counted[OTHER];
	counted[REGIONS] = qr_pcpu_nr_regions() * (uint64_t)QR_REGION_SIZE;
}

/* What the kernel says */

/* @slabs is of all their parts; the first ones were touched first. */
static void part_slabs(struct memory *memory, const struct qr_census *slabs)
{
	static const enum part parts[] = {OBJECTS, IN_ARRAYS, IN_BARNS,
					  IN_SLABS};

	for (int p = QR_PAGE_RESIDENT; p < QR_NR_PRESENCES; p++) {
		size_t left = slabs->bytes[p];

		for (size_t i = 0; i < QR_ARRAY_SIZE(parts); i++) {
			struct qr_census *part = &memory->parts[parts[i]];
			size_t room = memory->counted[parts[i]];

			for (int q = QR_PAGE_RESIDENT; q < p; q++)
				room -= part->bytes[q];
			part->bytes[p] = qr_min(left, room);
			left -= part->bytes[p];
		}
		memory->parts[IN_SLABS].bytes[p] += left;
	}
}

static void census_zones(struct memory *memory)
{
	unsigned n = atomic_load_explicit(&qr_nr_zones, memory_order_acquire);
	struct qr_census kinds[QR_NR_CENSUS_KINDS] = {{{0}}};

	for (unsigned i = 0; i < n; i++) {
		qr_census_zone(&qr_zones[i], &memory->pagemap, kinds);
		qr_census_descriptors(&qr_zones[i], &memory->pagemap,
				      &memory->parts[DESCRIPTORS]);
	}
	memory->parts[RUNS] = kinds[QR_CENSUS_RUN];
	memory->parts[IN_PCPS] = kinds[QR_CENSUS_PCP];
	memory->parts[FREE] = kinds[QR_CENSUS_FREE];
	part_slabs(memory, &kinds[QR_CENSUS_SLAB]);
}

static void census_mappings(struct memory *memory)
{
	struct qr_vma_info info = {0};

	while (qr_vma_next(info.end, &info)) {
		enum part part = qr_large_is_live(info.state) ? MAPPINGS : KEPT;

		if (info.kind == QR_VMA_LARGE)
			qr_census_range((const void *)info.start,
					info.end - info.start, &memory->pagemap,
					&memory->parts[part]);
	}
}

static void census_region(const void *region, void *arg)
{
	struct memory *memory = arg;

	qr_census_range(region, QR_REGION_SIZE, &memory->pagemap,
			&memory->parts[REGIONS]);
}

static void census_meta(struct memory *memory)
{
	const struct qr_meta_chunk *chunk = qr_meta_chunks();

	while (chunk) {
		const void *start = chunk;
		size_t size;

		chunk = qr_meta_chunk_older(chunk, &size);
		qr_census_range(start, size, &memory->pagemap,
				&memory->parts[OTHER]);
	}
}

static uint64_t presence_sum(const struct qr_census *part)
{
	return part->bytes[QR_PAGE_RESIDENT] + part->bytes[QR_PAGE_SHARED] +
	       part->bytes[QR_PAGE_SWAPPED];
}

static void census(struct memory *memory)
{
	memory->known = qr_pagemap_open(&memory->pagemap) == 0;
	if (!memory->known)
		return;
	census_zones(memory);
	census_mappings(memory);
	census_meta(memory);
	qr_pcpu_for_each_region(census_region, memory);
	qr_pagemap_close(&memory->pagemap);
	for (enum part part = DESCRIPTORS; part <= OTHER; part++)
		memory->counted[part] = presence_sum(&memory->parts[part]);
}

/* The section */

static void add_part(const struct memory *memory, unsigned part,
		     uint64_t *value)
{
	static const enum qr_presence presences[NR] = {
		[RESIDENT] = QR_PAGE_RESIDENT,
		[SHARED] = QR_PAGE_SHARED,
		[SWAPPED] = QR_PAGE_SWAPPED,
	};

	value[COUNTED] += memory->counted[part];
	for (int i = RESIDENT; i < NR; i++) {
		if (memory->known)
			value[i] += memory->parts[part].bytes[presences[i]];
		else
			value[i] = QR_NO_FIGURE;
	}
}

static enum qr_set_state read(void *arg, unsigned i, struct qr_set *ret_set)
{
	const struct memory *memory = arg;

	if (i >= NR_PARTS + (unsigned)memory->summed)
		return QR_SET_END;
	qr_format(ret_set->label, sizeof(ret_set->label), "%s", names[i]);
	if (i < NR_PARTS) {
		add_part(memory, i, ret_set->value);
	} else {
		for (unsigned part = 0; part < NR_PARTS; part++)
			add_part(memory, part, ret_set->value);
	}
	return QR_SET_IS;
}

const struct qr_section qr_memory = {
	.name = "memory",
	.title = "memory (KiB)",
	.label = "part",
	.rows = true,
	.prefix = "memory_",
	.figures = figures,
	.nr_figures = NR,
	.read = read,
};

/* Below the table: what nobody touched, in tenths of a per cent. */
static void write_difference(const struct memory *memory, struct qr_out *out)
{
	uint64_t counted = 0, present = 0, apart;

	for (unsigned part = 0; part < NR_PARTS; part++) {
		counted += memory->counted[part];
		present += presence_sum(&memory->parts[part]);
	}
	apart = counted - qr_min(counted, present);
	if (!memory->known)
		qr_out_printf(out, "what has memory is not known here: "
				   "/proc/self/pagemap cannot be read\n");
	else if (present > counted)
		qr_out_printf(out,
			      "not counted: %llu KiB, as with huge pages that "
			      "are used in part\n",
			      (unsigned long long)(present - counted) >> 10);
	else
		qr_out_printf(
			out,
			"counted, but never touched: %llu KiB "
			"(%llu.%llu %%)\n",
			(unsigned long long)apart >> 10,
			(unsigned long long)(apart * 100 / qr_max(counted, 1)),
			(unsigned long long)(apart * 1000 / qr_max(counted, 1) %
					     10));
}

void qr_memory_write(struct qr_out *out, enum quarry_format format)
{
	struct memory memory = {.summed = format != QUARRY_METRICS};

	count(&memory);
	census(&memory);
	qr_section_write(&qr_memory, out, format, &memory);
	if (format == QUARRY_TEXT)
		write_difference(&memory, out);
}
