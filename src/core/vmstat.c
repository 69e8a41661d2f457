#include "core/sections.h"

#include "arena/budget.h"
#include "arena/large.h"
#include "core/core.h"
#include "core/limit.h"
#include "core/reclaim.h"
#include "core/shrinker.h"
#include "slab/pcpu.h"

enum {
	LIVE_BYTES,
	LIVE_OBJECTS,
	CACHED_BYTES,
	FREE_DIRTY_BYTES,
	COMMITTED_BYTES,
	METADATA_BYTES,
	SLAB_PAGES,
	RUN_PAGES,
	PCP_PAGES,
	LARGE_BYTES,
	LARGE_MAPPINGS,
	LARGE_CACHED_BYTES,
	LARGE_ALLOCS,
	LARGE_CACHE_HITS,
	LARGE_REMAPS,
	CPU_REGIONS,
	RECLAIM_TICKS,
	RECLAIM_CLOCK_BYTES,
	RECLAIM_PRESSURE_BYTES,
	RECLAIM_STALL_BYTES,
	RECLAIM_REQUEST_BYTES,
	RECLAIM_STALLS,
	RECLAIM_PRESSED,
	RECLAIM_NEWS,
	CONTAINER_LIMIT_BYTES,
	LIMIT_BYTES,
	LIMITED_BYTES,
	LIMIT_EVENTS,
	LIMIT_RAISED,
	REFUSALS,
	SHRINKERS,
	SHRINKER_CALLS,
	SHRINKER_BYTES,
	NR,
};

static_assert((int)NR <= (int)QR_MAX_FIGURES, "they fit into a set");

static const struct qr_figure figures[NR] = {
	[LIVE_BYTES] = {"live_bytes", QR_GAUGE, QR_BYTES, "live objects"},
	[LIVE_OBJECTS] = {"live_objects", QR_GAUGE, QR_NUMBER, "live objects"},
	[CACHED_BYTES] = {"cached_bytes", QR_GAUGE, QR_BYTES,
			  "free objects in slabs, arrays and barns"},
	[FREE_DIRTY_BYTES] = {"free_dirty_bytes", QR_GAUGE, QR_BYTES,
			      "free frames with memory"},
	[COMMITTED_BYTES] = {"committed_bytes", QR_GAUGE, QR_BYTES,
			     "frames below the frontiers"},
	[METADATA_BYTES] = {"metadata_bytes", QR_GAUGE, QR_BYTES,
			    "descriptors and trees, at most"},
	[SLAB_PAGES] = {"slab_pages", QR_GAUGE, QR_NUMBER, "frames of slabs"},
	[RUN_PAGES] = {"run_pages", QR_GAUGE, QR_NUMBER, "frames of runs"},
	[PCP_PAGES] = {"pcp_pages", QR_GAUGE, QR_NUMBER, "frames in pcps"},
	[LARGE_BYTES] = {"large_bytes", QR_GAUGE, QR_BYTES,
			 "objects with mappings of their own"},
	[LARGE_MAPPINGS] = {"large_mappings", QR_GAUGE, QR_NUMBER,
			    "objects with mappings of their own"},
	[LARGE_CACHED_BYTES] = {"large_cached_bytes", QR_GAUGE, QR_BYTES,
				"mappings kept for reuse"},
	[LARGE_ALLOCS] = {"large_allocs", QR_COUNTER, QR_NUMBER,
			  "mappings asked for, ever"},
	[LARGE_CACHE_HITS] = {"large_cache_hits", QR_COUNTER, QR_NUMBER,
			      "mappings reused, ever"},
	[LARGE_REMAPS] = {"large_remaps", QR_COUNTER, QR_NUMBER,
			  "mappings resized, ever"},
	[CPU_REGIONS] = {"cpu_regions", QR_GAUGE, QR_NUMBER,
			 "CPUs that have arrays"},
	[RECLAIM_TICKS] = {"reclaim_ticks", QR_COUNTER, QR_NUMBER,
			   "ticks of the reclaimer's clock, ever"},
	[RECLAIM_CLOCK_BYTES] = {"reclaim_clock_bytes", QR_COUNTER, QR_BYTES,
				 "given back because nobody needed it, ever"},
	[RECLAIM_PRESSURE_BYTES] = {"reclaim_pressure_bytes", QR_COUNTER,
				    QR_BYTES,
				    "given back on news of scarcity, ever"},
	[RECLAIM_STALL_BYTES] = {"reclaim_stall_bytes", QR_COUNTER, QR_BYTES,
				 "given back by a malloc or a free, ever"},
	[RECLAIM_REQUEST_BYTES] = {"reclaim_request_bytes", QR_COUNTER,
				   QR_BYTES,
				   "given back because it was asked for, ever"},
	[RECLAIM_STALLS] = {"reclaim_stalls", QR_COUNTER, QR_NUMBER,
			    "mallocs and frees that gave back, ever"},
	[RECLAIM_PRESSED] = {"reclaim_pressed", QR_COUNTER, QR_NUMBER,
			     "times that memory was scarce, ever"},
	[RECLAIM_NEWS] = {"reclaim_news", QR_COUNTER, QR_NUMBER,
			  "news of want of memory that came, ever"},
	[CONTAINER_LIMIT_BYTES] = {"container_limit_bytes", QR_GAUGE, QR_BYTES,
				   "the container's limit; 0: it has none"},
	[LIMIT_BYTES] = {"limit_bytes", QR_GAUGE, QR_BYTES,
			 "the process's own limit; 0: it has none"},
	[LIMITED_BYTES] = {"limited_bytes", QR_GAUGE, QR_BYTES,
			   "memory that counts against the limit"},
	[LIMIT_EVENTS] = {"limit_events", QR_COUNTER, QR_NUMBER,
			  "requests that met the limit, ever"},
	[LIMIT_RAISED] = {"limit_raised", QR_COUNTER, QR_NUMBER,
			  "times that it was passed all the same, ever"},
	[REFUSALS] = {"refusals", QR_COUNTER, QR_NUMBER,
		      "requests that were refused, ever"},
	[SHRINKERS] = {"shrinkers", QR_GAUGE, QR_NUMBER,
		       "shrinkers of the program"},
	[SHRINKER_CALLS] = {"shrinker_calls", QR_COUNTER, QR_NUMBER,
			    "calls of these, ever"},
	[SHRINKER_BYTES] = {"shrinker_bytes", QR_COUNTER, QR_BYTES,
			    "what they said that they freed, ever"},
};

static void read_reclaim(uint64_t *value)
{
	struct qr_reclaim_stats reclaim;

	qr_reclaim_read_stats(&reclaim);
	value[RECLAIM_TICKS] = reclaim.ticks;
	value[RECLAIM_CLOCK_BYTES] = reclaim.bytes[QR_BY_CLOCK];
	value[RECLAIM_PRESSURE_BYTES] = reclaim.bytes[QR_BY_PRESSURE];
	value[RECLAIM_STALL_BYTES] = reclaim.bytes[QR_BY_STALL];
	value[RECLAIM_REQUEST_BYTES] = reclaim.bytes[QR_BY_REQUEST];
	value[RECLAIM_STALLS] = reclaim.stalls;
	value[RECLAIM_PRESSED] = reclaim.pressed;
	value[RECLAIM_NEWS] = reclaim.news;
	value[CONTAINER_LIMIT_BYTES] =
		reclaim.limit == SIZE_MAX ? 0 : reclaim.limit;
}

static void read_limit(uint64_t *value)
{
	struct qr_shrinker_stats shrinkers;
	struct qr_limit_stats limit;

	qr_limit_read_stats(&limit);
	qr_shrinkers_read_stats(&shrinkers);
	value[LIMIT_BYTES] = limit.limit;
	value[LIMITED_BYTES] = qr_budget_used();
	value[LIMIT_EVENTS] = limit.events;
	value[LIMIT_RAISED] = limit.raised;
	value[REFUSALS] = limit.refusals;
	value[SHRINKERS] = shrinkers.registered;
	value[SHRINKER_CALLS] = shrinkers.calls;
	value[SHRINKER_BYTES] = shrinkers.bytes;
}

static void read_large(uint64_t *value)
{
	struct qr_large_stats large;

	qr_large_read_stats(&large);
	value[LARGE_BYTES] = large.live;
	value[LARGE_MAPPINGS] = large.nr_live;
	value[LARGE_CACHED_BYTES] = large.cached;
	value[LARGE_ALLOCS] = large.allocs;
	value[LARGE_CACHE_HITS] = large.cache_hits;
	value[LARGE_REMAPS] = large.remaps;
}

static enum qr_set_state read(void *arg, unsigned i, struct qr_set *ret_set)
{
	uint64_t *value = ret_set->value;
	struct qr_totals totals;

	(void)arg;
	if (i)
		return QR_SET_END;
	qr_read_totals(&totals);
	value[LIVE_BYTES] = totals.live;
	value[LIVE_OBJECTS] = qr_count_live_objects();
	value[CACHED_BYTES] = totals.cached;
	value[FREE_DIRTY_BYTES] = totals.free_dirty;
	value[COMMITTED_BYTES] = totals.committed;
	value[METADATA_BYTES] = totals.metadata;
	value[SLAB_PAGES] = totals.slab_pages;
	value[RUN_PAGES] = totals.run_pages;
	value[PCP_PAGES] = totals.pcp_pages;
	value[CPU_REGIONS] = qr_pcpu_nr_regions();
	read_large(value);
	read_reclaim(value);
	read_limit(value);
	return QR_SET_IS;
}

const struct qr_section qr_vmstat = {
	.name = "vmstat",
	.title = "vmstat",
	.prefix = "",
	.figures = figures,
	.nr_figures = NR,
	.read = read,
};
