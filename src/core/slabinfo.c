#include "core/sections.h"

#include "slab/pcpu.h"

enum {
	ACTIVE,
	OBJECTS,
	SIZE,
	PER_SLAB,
	PAGES,
	SLABS,
	IN_ARRAYS,
	IN_BARNS,
	REFILLS,
	FLUSHES,
	PUTS,
	GETS,
	NR,
};

static_assert((int)NR <= (int)QR_MAX_FIGURES, "they fit into a set");

static const struct qr_figure figures[NR] = {
	[ACTIVE] = {"active", QR_GAUGE, QR_NUMBER, "objects in use"},
	[OBJECTS] = {"objects", QR_GAUGE, QR_NUMBER, "objects in slabs"},
	[SIZE] = {"size", QR_GAUGE, QR_BYTES, "an object and what follows it"},
	[PER_SLAB] = {"perslab", QR_GAUGE, QR_NUMBER, "objects in a slab"},
	[PAGES] = {"pages", QR_GAUGE, QR_NUMBER, "frames of a slab"},
	[SLABS] = {"slabs", QR_GAUGE, QR_NUMBER, "slabs of the cache"},
	[IN_ARRAYS] = {"arrays", QR_GAUGE, QR_NUMBER,
		       "free objects in per-CPU arrays"},
	[IN_BARNS] = {"barns", QR_GAUGE, QR_NUMBER, "free objects in barns"},
	[REFILLS] = {"refills", QR_COUNTER, QR_NUMBER,
		     "batches out of slabs, ever"},
	[FLUSHES] = {"flushes", QR_COUNTER, QR_NUMBER,
		     "batches into slabs, ever"},
	[PUTS] = {"puts", QR_COUNTER, QR_NUMBER, "batches into barns, ever"},
	[GETS] = {"gets", QR_COUNTER, QR_NUMBER, "batches out of barns, ever"},
};

static void add_node(struct qr_cache_node *node, uint64_t *value)
{
	qr_lock_acquire(&node->lock);
	value[SLABS] += node->nr_slabs;
	value[REFILLS] += node->refills;
	value[FLUSHES] += node->flushes;
	value[PUTS] += node->barn.puts;
	value[GETS] += node->barn.gets;
	qr_lock_release(&node->lock);
}

static enum qr_set_state read_cache(struct qr_cache *cache, struct qr_set *set)
{
	uint64_t *value = set->value;
	struct qr_pcpu_counts idle;

	for (uint64_t left = qr_nodes_mask(); left; left &= left - 1)
		add_node(qr_cache_node(cache, qr_ctz(left)), value);
	if (!value[SLABS] && cache->number <= QR_MAX_GENERAL)
		return QR_SET_SKIP;
	qr_pcpu_count(cache, &idle);
	qr_format(set->label, sizeof(set->label), "%s", cache->name);
	value[ACTIVE] = qr_cache_live(cache);
	value[OBJECTS] = value[SLABS] * cache->nr_objects;
	value[SIZE] = cache->size;
	value[PER_SLAB] = cache->nr_objects;
	value[PAGES] = cache->nr_pages;
	value[IN_ARRAYS] = idle.in_arrays;
	value[IN_BARNS] = idle.in_barns;
	return QR_SET_IS;
}

/* The walk passes over all caches; only one of them is wanted. */
struct wish {
	unsigned left;
	struct qr_set *set;
	enum qr_set_state state;
};

static void read_if_wanted(struct qr_cache *cache, void *arg)
{
	struct wish *wish = arg;

	if (!wish->left--)
		wish->state = read_cache(cache, wish->set);
}

static enum qr_set_state read(void *arg, unsigned i, struct qr_set *ret_set)
{
	struct wish wish = {i, ret_set, QR_SET_END};

	(void)arg;
	qr_caches_for_each(read_if_wanted, &wish);
	return wish.state;
}

const struct qr_section qr_slabinfo = {
	.name = "slabinfo",
	.title = "slabinfo",
	.label = "cache",
	.rows = true,
	.prefix = "cache_",
	.figures = figures,
	.nr_figures = NR,
	.read = read,
};
