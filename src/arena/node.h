/*
 * Nodes: whose memory a request gets.
 *
 * Every node with memory has one zone in each span.  A request names the node
 * it wants and is served by
 *
 *	1. that node's zones, oldest span first
 *	2. a new span, when the address range was what ran out
 *	3. the other nodes' zones along the zonelist, nearest first
 *
 * of which the request may leave some out (arena/policy.h).
 *
 * Distances are read from /sys only when step 3, or a CPU whose node has no
 * memory, first asks for them.  The kernel in turn prefers the node when it
 * backs a zone's addresses, and falls back by its own zonelist.
 *
 * In front stands the pcp of the CPU (arena/pcp.h).
 *
 * Locking: nodes are set up once at boot; spans are added, and zonelists
 * read, under qr_span_lock.
 */
#ifndef QR_ARENA_NODE_H
#define QR_ARENA_NODE_H

#include "arena/huge.h"
#include "arena/pcp.h"
#include "arena/zone.h"
#include "sys/topology.h"

struct qr_nodes_config {
	uint64_t nodes;		/* mask of nodes with memory */
	bool bound;		/* the kernel has more, which we may not use */
	unsigned nr_cpus;
	size_t span_size;	/* bytes wanted for the first span */
	bool extended;		/* see arena/span.h */
	unsigned max_spans;
	size_t high;		/* watermark of each zone, bytes */
	enum qr_huge_wish huge;
	const char *sysfs_root;	/* "" but for tests */
};

/* 0 or -ENOMEM.  Once, before any other thread is about. */
int qr_nodes_init(const struct qr_nodes_config *config);

/* How many nodes have memory; 1 on most machines. */
unsigned qr_nr_nodes(void);
uint64_t qr_nodes_mask(void);

/* The mask, if we are bound to these; else 0. */
uint64_t qr_nodes_bound(void);

/* The node that serves a CPU of @node: itself, or the nearest with memory. */
unsigned qr_node_with_memory(unsigned node);

/* The nearest to @node, which has memory, of @nodes, at least one of ours. */
unsigned qr_nearest_node(unsigned node, uint64_t nodes);

/* Whose memory a request gets. */
struct qr_place {
	unsigned node;		/* wished for */
	unsigned home;		/* that of the CPU which asks */
	uint64_t nodes;		/* mask of those that will do */
	bool interleave;	/* it is the node's turn */
};

/* @node, and what is nearest to it. */
QR_INLINE struct qr_place qr_place_near(unsigned node)
{
	return (struct qr_place){
		.node = node, .home = node, .nodes = UINT64_MAX};
}

/*
 * As qr_zone_alloc, from @place.  NULL: a limit, or @nr_frames or
 * @align_order are too large.
 */
struct qr_page *qr_run_alloc_at(const struct qr_place *place, size_t nr_frames,
				unsigned align_order, bool *ret_clean);
struct qr_page *qr_run_alloc(unsigned node, size_t nr_frames,
			     unsigned align_order, bool *ret_clean);
/* False: no live run begins at @page; nothing was done. */
bool qr_run_free(struct qr_page *page);
/* Give the tail back: @nr_frames stay. */
void qr_run_shrink(struct qr_page *page, size_t nr_frames);
/* Grow to @nr_frames where it lies; false: what is behind it is in use. */
bool qr_run_extend(struct qr_page *page, size_t nr_frames);

/* A block for a slab, through the pcp of @cpu; its state is PCP. */
struct qr_page *qr_block_alloc_at(const struct qr_place *place, unsigned cpu,
				  unsigned order);
struct qr_page *qr_block_alloc(unsigned node, unsigned cpu, unsigned order);
void qr_block_free(struct qr_page *page, unsigned cpu, unsigned order);

/*
 * The same for slabs of exactly @nr_frames, aligned to the block that they
 * would fill.
 */
struct qr_page *qr_pages_alloc_at(const struct qr_place *place, unsigned cpu,
				  size_t nr_frames);
void qr_pages_free(struct qr_page *page, unsigned cpu, size_t nr_frames);

/* Give free memory back, but @keep bytes; returns the bytes returned. */
size_t qr_nodes_trim(size_t keep);

/* Give @size bytes of free memory back, no more than is free; bytes. */
size_t qr_nodes_purge(size_t size);

/*
 * A tick of the reclaimer's clock: give back what nobody needed lately, from
 * pcps and zones; bytes that went to the kernel.
 */
size_t qr_nodes_age(void);

/* Of every zone, in bytes; see arena/zone.h. */
void qr_nodes_set_watermarks(size_t high, size_t share);

/*
 * @size bytes of fresh memory were mapped beside the zones: give back as many
 * of theirs, if they have more than base (arena/zone.h).
 */
void qr_nodes_reclaim_for(size_t size);

/*
 * Pages that left the zones of @node, ever, as the kernel's numastat counts
 * them.  What a pcp hands out again is not counted again.
 */
struct qr_numastat {
	uint64_t hit;		/* wished for from here */
	uint64_t miss;		/* wished for from another node */
	uint64_t foreign;	/* wished for from here, had elsewhere */
	uint64_t interleave_hit;
	uint64_t local, other;	/* for CPUs of this node, or of others */
};
void qr_node_read_stat(unsigned node, struct qr_numastat *ret_stat);

/* The node that serves the CPU that we run on. */
unsigned qr_home_node(void);

/* fork: every lock of spans, zones and pcps. */
void qr_nodes_lock_all(void);
void qr_nodes_unlock_all(bool child);

#endif
