#include "core/sections.h"

#include "arena/node.h"

enum { HIT, MISS, FOREIGN, INTERLEAVE_HIT, LOCAL, OTHER, NR };

static const struct qr_figure figures[NR] = {
	[HIT] = {"numa_hit", QR_COUNTER, QR_PAGES,
		 "frames wished for from here, ever"},
	[MISS] = {"numa_miss", QR_COUNTER, QR_PAGES,
		  "frames wished for from another node, ever"},
	[FOREIGN] = {"numa_foreign", QR_COUNTER, QR_PAGES,
		     "frames wished for from here, had elsewhere, ever"},
	[INTERLEAVE_HIT] = {"interleave_hit", QR_COUNTER, QR_PAGES,
			    "frames whose turn it was to be from here, ever"},
	[LOCAL] = {"local_node", QR_COUNTER, QR_PAGES,
		   "frames for CPUs of this node, ever"},
	[OTHER] = {"other_node", QR_COUNTER, QR_PAGES,
		   "frames for CPUs of other nodes, ever"},
};

static enum qr_set_state read(void *arg, unsigned node, struct qr_set *ret_set)
{
	struct qr_numastat stat;

	(void)arg;
	if (node >= QR_MAX_NODES)
		return QR_SET_END;
	if (!(qr_nodes_mask() >> node & 1))
		return QR_SET_SKIP;
	qr_format(ret_set->label, sizeof(ret_set->label), "%u", node);
	qr_node_read_stat(node, &stat);
	ret_set->value[HIT] = stat.hit;
	ret_set->value[MISS] = stat.miss;
	ret_set->value[FOREIGN] = stat.foreign;
	ret_set->value[INTERLEAVE_HIT] = stat.interleave_hit;
	ret_set->value[LOCAL] = stat.local;
	ret_set->value[OTHER] = stat.other;
	return QR_SET_IS;
}

const struct qr_section qr_numastat = {
	.name = "numastat",
	.title = "numastat (frames of 4 KiB, as the zones gave them)",
	.label = "node",
	.numbered = true,
	.prefix = "node_",
	.figures = figures,
	.nr_figures = NR,
	.read = read,
};
