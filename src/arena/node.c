#include "arena/node.h"

#include "base/bitmap.h"

#include <errno.h>
#include <string.h>

struct qr_pcp qr_pcps[QR_MAX_PCPS];

static struct {
	struct qr_nodes_config config;
	unsigned nr_nodes;
	/* the zone of a node in each span: index + 1, 0 ends */
	_Atomic uint8_t zones[QR_MAX_NODES][QR_MAX_SPANS + 1];
	/* built on first need; racing builders write the same */
	uint8_t zonelist[QR_MAX_NODES][QR_MAX_NODES];
	_Atomic bool have_zonelist[QR_MAX_NODES];
} nodes;

unsigned qr_nr_nodes(void)
{
	return nodes.nr_nodes;
}

uint64_t qr_nodes_mask(void)
{
	return nodes.config.nodes;
}

/* A span of about @size bytes and a zone per node in it; span lock held. */
static int add_span(size_t size)
{
	unsigned nr = atomic_load_explicit(&qr_nr_zones, memory_order_relaxed);
	unsigned index = atomic_load_explicit(&qr_nr_spans,
					      memory_order_relaxed);
	struct qr_span *span;
	size_t start, share;

	if (index >= nodes.config.max_spans ||
	    nr + nodes.nr_nodes > QR_MAX_ZONES)
		return -ENOMEM;
	span = qr_span_reserve(size, nodes.nr_nodes, nodes.config.extended);
	if (!span)
		return -ENOMEM;
	start = span->first_frame;
	share = qr_round_down((span->nr_frames - start) / nodes.nr_nodes,
			      QR_MAX_BLOCK_FRAMES);
	if (!share)
		return -ENOMEM;
	qr_span_publish(span);
	for (uint64_t left = nodes.config.nodes; left; left &= left - 1) {
		unsigned node = qr_ctz(left);

		qr_zone_init(&qr_zones[nr], span, start, start + share,
			     nodes.nr_nodes > 1 ? node : QR_NO_NODE);
		qr_zone_set_watermarks(&qr_zones[nr], nodes.config.high);
		start += share;
		nr++;
		/* release: pairs with the acquire in alloc_on_node */
		atomic_store_explicit(&nodes.zones[node][index], (uint8_t)nr,
				      memory_order_release);
	}
	atomic_store_explicit(&qr_nr_zones, nr, memory_order_release);
	return 0;
}

int qr_nodes_init(const struct qr_nodes_config *config)
{
	int rc;

	nodes.config = *config;
	nodes.nr_nodes = qr_popcount(config->nodes);
	qr_lock_acquire(&qr_span_lock);
	rc = add_span(config->span_size);
	qr_lock_release(&qr_span_lock);
	return rc;
}

static const uint8_t *zonelist(unsigned node)
{
	/* acquire: pairs with the release below */
	if (!atomic_load_explicit(&nodes.have_zonelist[node],
				  memory_order_acquire)) {
		uint8_t list[QR_MAX_NODES];

		qr_topology_zonelist(nodes.config.sysfs_root, node,
				     nodes.config.nodes, list);
		memcpy(nodes.zonelist[node], list, sizeof(list));
		atomic_store_explicit(&nodes.have_zonelist[node], true,
				      memory_order_release);
	}
	return nodes.zonelist[node];
}

unsigned qr_node_with_memory(unsigned node)
{
	if (nodes.nr_nodes == 1)
		return qr_ctz(nodes.config.nodes);
	if (node < QR_MAX_NODES && nodes.config.nodes >> node & 1)
		return node;
	return zonelist(node % QR_MAX_NODES)[0];
}

struct request {
	size_t nr_frames;
	unsigned align_order;
	enum qr_migratetype type;
	bool *ret_clean;
};

static struct qr_page *alloc_on_node(unsigned node, const struct request *want)
{
	for (unsigned i = 0; i < QR_MAX_SPANS; i++) {
		/* acquire: pairs with add_span */
		unsigned zone = atomic_load_explicit(&nodes.zones[node][i],
						     memory_order_acquire);
		struct qr_page *page;

		if (!zone)
			break;
		page = qr_zone_alloc(&qr_zones[zone - 1], want->nr_frames,
				     want->align_order, want->type,
				     want->ret_clean);
		if (page)
			return page;
	}
	return NULL;
}

/* Is the address range of the node's last zone what ran out? */
static bool range_is_full(unsigned node)
{
	const struct qr_zone *last = NULL;

	for (unsigned i = 0; i < QR_MAX_SPANS && nodes.zones[node][i]; i++)
		last = &qr_zones[nodes.zones[node][i] - 1];
	return last && last->frontier == last->end;
}

/* One more span, unless another thread just added it. */
static bool add_span_for(unsigned node, unsigned seen)
{
	bool added = true;

	qr_lock_acquire(&qr_span_lock);
	if (atomic_load_explicit(&qr_nr_spans, memory_order_relaxed) == seen)
		added = range_is_full(node) &&
			add_span(nodes.config.span_size) == 0;
	qr_lock_release(&qr_span_lock);
	return added;
}

static struct qr_page *alloc_pages(unsigned node, const struct request *want)
{
	struct qr_page *page;
	unsigned seen;
	const uint8_t *list;

	do {
		seen = atomic_load_explicit(&qr_nr_spans, memory_order_relaxed);
		page = alloc_on_node(node, want);
		if (qr_likely(page))
			return page;
	} while (add_span_for(node, seen));

	if (nodes.nr_nodes == 1)
		return NULL;
	list = zonelist(node);
	for (unsigned i = 0; i < nodes.nr_nodes; i++) {
		if (list[i] == node)
			continue;
		page = alloc_on_node(list[i], want);
		if (page) {
			struct qr_zone *zone = qr_page_zone(page);

			qr_lock_acquire(&zone->lock);
			zone->counters.foreign += want->nr_frames;
			qr_lock_release(&zone->lock);
			return page;
		}
	}
	return NULL;
}

struct qr_page *qr_run_alloc(unsigned node, size_t nr_frames,
			     unsigned align_order, bool *ret_clean)
{
	struct request want = { nr_frames, align_order, QR_MIGRATE_RUN,
				ret_clean };
	struct qr_page *page = alloc_pages(node, &want);

	if (page) {
		struct qr_zone *zone = qr_page_zone(page);

		zone->span->frame_bytes[qr_zone_frame(zone, page)] =
			QR_FRAME_RUN;
	}
	return page;
}

bool qr_run_free(struct qr_page *page)
{
	struct qr_zone *zone = qr_page_zone(page);

	if (page->state != QR_PAGE_RUN)
		return false;
	zone->span->frame_bytes[qr_zone_frame(zone, page)] = QR_FRAME_NONE;
	qr_zone_free(zone, page, page->nr_pages);
	return true;
}

bool qr_run_extend(struct qr_page *page, size_t nr_frames)
{
	return nr_frames <= QR_MAX_BLOCK_FRAMES &&
	       qr_zone_extend(qr_page_zone(page), page,
			      nr_frames - page->nr_pages);
}

void qr_run_shrink(struct qr_page *page, size_t nr_frames)
{
	size_t tail = page->nr_pages - nr_frames;

	page->nr_pages = nr_frames;
	qr_zone_free(qr_page_zone(page), page + nr_frames, tail);
}

/*
 * pcp
 */

static unsigned nr_pcps(void)
{
	return (unsigned)qr_min(nodes.config.nr_cpus, QR_MAX_PCPS);
}

static struct qr_pcp *pcp_of(unsigned cpu, unsigned order)
{
	return cpu < nr_pcps() && order < QR_PCP_ORDERS ? &qr_pcps[cpu] :
							    NULL;
}

/* The lists of a zero pcp are set up by whoever first holds its lock. */
static void pcp_lock(struct qr_pcp *pcp)
{
	if (!pcp->lock.rank)
		pcp->lock.rank = QR_RANK_PCP;
	qr_lock_acquire(&pcp->lock);
	if (!pcp->blocks[0].next) {
		for (int o = 0; o < QR_PCP_ORDERS; o++)
			qr_list_init(&pcp->blocks[o]);
	}
}

static struct qr_page *pcp_pop(struct qr_pcp *pcp, unsigned order)
{
	struct qr_page *page = NULL;

	pcp_lock(pcp);
	if (!qr_list_empty(&pcp->blocks[order])) {
		page = QR_LIST_FIRST(&pcp->blocks[order], struct qr_page, link);
		qr_list_del(&page->link);
		pcp->nr_frames -= 1u << order;
		pcp->hits++;
	}
	qr_lock_release(&pcp->lock);
	return page;
}

/* Take the cold half of every order into @ret_blocks. */
static void pcp_cut(struct qr_pcp *pcp, size_t keep,
		    struct qr_list ret_blocks[QR_PCP_ORDERS])
{
	for (int o = 0; o < QR_PCP_ORDERS; o++)
		qr_list_init(&ret_blocks[o]);
	for (int o = QR_PCP_ORDERS - 1; o >= 0; o--) {
		while (pcp->nr_frames > keep &&
		       !qr_list_empty(&pcp->blocks[o])) {
			struct qr_list *cold = pcp->blocks[o].prev;

			qr_list_del(cold);
			qr_list_add_tail(cold, &ret_blocks[o]);
			pcp->nr_frames -= 1u << o;
		}
	}
	pcp->flushes++;
}

/* Blocks of several zones go back to each zone in one go. */
static void free_blocks(struct qr_list blocks[QR_PCP_ORDERS])
{
	for (unsigned o = 0; o < QR_PCP_ORDERS; o++) {
		while (!qr_list_empty(&blocks[o])) {
			unsigned zone = QR_LIST_FIRST(&blocks[o],
						      struct qr_page, link)
						->zone;
			struct qr_list same = QR_LIST_INIT(same);

			QR_LIST_FOR_EACH (node, safe, &blocks[o]) {
				if (QR_CONTAINER_OF(node, struct qr_page, link)
					    ->zone != zone)
					continue;
				qr_list_del(node);
				qr_list_add_tail(node, &same);
			}
			qr_zone_free_bulk(&qr_zones[zone], o, &same);
		}
	}
}

static void pcp_push(struct qr_pcp *pcp, struct qr_page *page, unsigned order)
{
	struct qr_list cut[QR_PCP_ORDERS];
	bool full;

	pcp_lock(pcp);
	page->state = QR_PAGE_PCP;
	page->order = (uint8_t)order;
	qr_list_add(&page->link, &pcp->blocks[order]);
	pcp->nr_frames += 1u << order;
	full = pcp->nr_frames > QR_PCP_FRAMES;
	if (full)
		pcp_cut(pcp, QR_PCP_FRAMES / 2, cut);
	qr_lock_release(&pcp->lock);
	if (full)
		free_blocks(cut);
}

/* A few more than asked for go to the pcp, if they are resident anyway. */
static struct qr_page *pcp_refill(struct qr_pcp *pcp, unsigned node,
				  unsigned order)
{
	unsigned zone = atomic_load_explicit(&nodes.zones[node][0],
					     memory_order_acquire);
	struct qr_list blocks = QR_LIST_INIT(blocks);
	struct qr_page *page;

	if (!zone || !qr_zone_alloc_bulk(&qr_zones[zone - 1], order,
					 8u >> order, &blocks))
		return NULL;
	page = QR_LIST_FIRST(&blocks, struct qr_page, link);
	qr_list_del(&page->link);
	pcp_lock(pcp);
	pcp->refills++;
	QR_LIST_FOR_EACH (link, safe, &blocks) {
		qr_list_del(link);
		qr_list_add_tail(link, &pcp->blocks[order]);
		pcp->nr_frames += 1u << order;
	}
	qr_lock_release(&pcp->lock);
	return page;
}

struct qr_page *qr_block_alloc(unsigned node, unsigned cpu, unsigned order)
{
	struct qr_pcp *pcp = pcp_of(cpu, order);
	struct request want = { (size_t)1 << order, order, QR_MIGRATE_SLAB,
				NULL };
	struct qr_page *page;

	if (pcp && ((page = pcp_pop(pcp, order)) ||
		    (page = pcp_refill(pcp, node, order))))
		return page;
	return alloc_pages(node, &want);
}

void qr_block_free(struct qr_page *page, unsigned cpu, unsigned order)
{
	struct qr_pcp *pcp = pcp_of(cpu, order);

	if (pcp && qr_nr_nodes() == 1)
		pcp_push(pcp, page, order);
	else
		qr_zone_free(qr_page_zone(page), page, (size_t)1 << order);
}

void qr_pcps_drain(void)
{
	for (unsigned cpu = 0; cpu < nr_pcps(); cpu++) {
		struct qr_pcp *pcp = &qr_pcps[cpu];
		struct qr_list cut[QR_PCP_ORDERS];

		if (!pcp->lock.rank)
			continue;
		pcp_lock(pcp);
		pcp_cut(pcp, 0, cut);
		qr_lock_release(&pcp->lock);
		free_blocks(cut);
	}
}

size_t qr_nodes_trim(size_t keep)
{
	unsigned nr = atomic_load_explicit(&qr_nr_zones, memory_order_acquire);
	size_t frames = 0;

	qr_pcps_drain();
	for (unsigned i = 0; i < nr; i++) {
		frames += qr_zone_trim(&qr_zones[i], keep >> QR_FRAME_SHIFT);
		keep = 0;
	}
	return frames << QR_FRAME_SHIFT;
}

/* The pcps that fork holds: one may come into use meanwhile. */
static uint64_t held_pcps[QR_MAX_PCPS / 64];

void qr_nodes_lock_all(void)
{
	for (unsigned cpu = 0; cpu < nr_pcps(); cpu++) {
		if (!qr_pcps[cpu].lock.rank)
			continue;
		qr_lock_acquire(&qr_pcps[cpu].lock);
		qr_bitmap_set_range(held_pcps, cpu, 1);
	}
	qr_lock_acquire(&qr_span_lock);
	for (unsigned i = 0; i < qr_nr_zones; i++)
		qr_lock_acquire(&qr_zones[i].lock);
}

static void unlock(struct qr_lock *lock, bool child)
{
	if (child)
		qr_lock_reset(lock);
	else
		qr_lock_release(lock);
}

void qr_nodes_unlock_all(bool child)
{
	for (unsigned i = 0; i < qr_nr_zones; i++)
		unlock(&qr_zones[i].lock, child);
	unlock(&qr_span_lock, child);
	for (unsigned cpu = 0; cpu < nr_pcps(); cpu++) {
		if (!qr_bitmap_test(held_pcps, cpu))
			continue;
		qr_bitmap_clear_range(held_pcps, cpu, 1);
		unlock(&qr_pcps[cpu].lock, child);
	}
}
