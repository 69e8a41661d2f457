#include "arena/node.h"

#include "sys/rseq.h"

#include <errno.h>
#include <string.h>

static struct {
	struct qr_nodes_config config;
	unsigned nr_nodes;
	_Atomic size_t high, share; /* watermarks in force, bytes */
	/* the zone of a node in each span: index + 1, 0 ends */
	_Atomic uint8_t zones[QR_MAX_NODES][QR_MAX_SPANS + 1];
	/* read on first need */
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

uint64_t qr_nodes_bound(void)
{
	return nodes.config.bound ? nodes.config.nodes : 0;
}

/* A node as zones have it. */
static unsigned zone_node(unsigned node)
{
	return nodes.nr_nodes == 1 && !nodes.config.bound ? QR_NO_NODE : node;
}

/* The zone of @node in span @i, or NULL. */
static struct qr_zone *zone_of(unsigned node, unsigned i)
{
	/* acquire: pairs with add_span */
	unsigned zone = atomic_load_explicit(&nodes.zones[node][i],
					     memory_order_acquire);

	return zone ? &qr_zones[zone - 1] : NULL;
}

static void set_watermarks(struct qr_zone *zone)
{
	size_t high = atomic_load_explicit(&nodes.high, memory_order_relaxed);
	size_t share = atomic_load_explicit(&nodes.share, memory_order_relaxed);

	qr_zone_set_watermarks(zone, high >> QR_FRAME_SHIFT,
			       share >> QR_FRAME_SHIFT);
}

void qr_nodes_set_watermarks(size_t high, size_t share)
{
	/* acquire: pairs with add_span */
	unsigned nr = atomic_load_explicit(&qr_nr_zones, memory_order_acquire);

	atomic_store_explicit(&nodes.high, high, memory_order_relaxed);
	atomic_store_explicit(&nodes.share, share, memory_order_relaxed);
	for (unsigned i = 0; i < nr; i++)
		set_watermarks(&qr_zones[i]);
}

/* A span of about @size bytes and a zone per node in it; span lock held. */
static int add_span(size_t size)
{
	unsigned nr = atomic_load_explicit(&qr_nr_zones, memory_order_relaxed);
	unsigned index =
		atomic_load_explicit(&qr_nr_spans, memory_order_relaxed);
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
	qr_span_publish();
	for (uint64_t left = nodes.config.nodes; left; left &= left - 1) {
		unsigned node = qr_ctz(left);

		qr_zone_init(&qr_zones[nr], span, start, start + share,
			     zone_node(node));
		qr_zones[nr].within = qr_nodes_bound();
		set_watermarks(&qr_zones[nr]);
		start += share;
		nr++;
		/* release: pairs with the acquire in zone_of */
		atomic_store_explicit(&nodes.zones[node][index], (uint8_t)nr,
				      memory_order_release);
	}
	/* release: pairs with whoever walks qr_zones */
	atomic_store_explicit(&qr_nr_zones, nr, memory_order_release);
	return 0;
}

int qr_nodes_init(const struct qr_nodes_config *config)
{
	int rc;

	nodes.config = *config;
	nodes.nr_nodes = qr_popcount(config->nodes);
	qr_nodes_set_watermarks(config->high, SIZE_MAX);
	qr_pcps_init(config->nr_cpus);
	qr_huge_init(config->huge, config->sysfs_root);
	qr_lock_acquire(&qr_span_lock);
	rc = add_span(config->span_size);
	qr_lock_release(&qr_span_lock);
	return rc;
}

static QR_COLD void read_zonelist(unsigned node)
{
	uint8_t list[QR_MAX_NODES] = {0};

	qr_topology_zonelist(nodes.config.sysfs_root, node, nodes.config.nodes,
			     list);
	qr_lock_acquire(&qr_span_lock);
	if (!nodes.have_zonelist[node]) {
		memcpy(nodes.zonelist[node], list, sizeof(list));
		/* release: pairs with zonelist */
		atomic_store_explicit(&nodes.have_zonelist[node], true,
				      memory_order_release);
	}
	qr_lock_release(&qr_span_lock);
}

static const uint8_t *zonelist(unsigned node)
{
	/* acquire: pairs with read_zonelist */
	if (!atomic_load_explicit(&nodes.have_zonelist[node],
				  memory_order_acquire))
		read_zonelist(node);
	return nodes.zonelist[node];
}

unsigned qr_node_with_memory(unsigned node)
{
	if (nodes.nr_nodes == 1)
		return qr_ctz(nodes.config.nodes);
	node %= QR_MAX_NODES;
	if (nodes.config.nodes >> node & 1)
		return node;
	return zonelist(node)[0];
}

unsigned qr_nearest_node(unsigned node, uint64_t mask)
{
	const uint8_t *list;
	unsigned i = 0;

	if (mask >> node & 1)
		return node;
	list = zonelist(node);
	while (i + 1 < nodes.nr_nodes && !(mask >> list[i] & 1))
		i++;
	return list[i];
}

unsigned qr_home_node(void)
{
	unsigned node = 0;

	if (qr_unlikely(nodes.nr_nodes > 1))
		qr_topology_cpu(&node);
	return qr_node_with_memory(node);
}

struct request {
	const struct qr_place *place;
	size_t nr_frames;
	unsigned align_order;
	enum qr_migratetype type;
	bool *ret_clean;
};

static struct qr_page *alloc_on_node(unsigned node, const struct request *want)
{
	struct qr_page *page = NULL;
	struct qr_zone *zone;

	for (unsigned i = 0; !page && (zone = zone_of(node, i)); i++)
		page = qr_zone_alloc(zone, want->nr_frames, want->align_order,
				     want->type, want->ret_clean);
	return page;
}

/* Is the address range of the node's last zone what ran out? */
static bool range_is_full(unsigned node, const struct request *want)
{
	unsigned order = (unsigned)qr_max(qr_order_up(want->nr_frames),
					  want->align_order);
	struct qr_zone *zone, *last = NULL;

	for (unsigned i = 0; (zone = zone_of(node, i)); i++)
		last = zone;
	return last && !qr_zone_has_room(last, order);
}

/* One more span, unless another thread just added it. */
static bool add_span_for(unsigned node, const struct request *want,
			 unsigned seen)
{
	bool added = true;

	qr_lock_acquire(&qr_span_lock);
	if (atomic_load_explicit(&qr_nr_spans, memory_order_relaxed) == seen)
		added = range_is_full(node, want) &&
			add_span(nodes.config.span_size) == 0;
	qr_lock_release(&qr_span_lock);
	return added;
}

static struct qr_page *alloc_elsewhere(const struct request *want)
{
	unsigned node = want->place->node;
	const uint8_t *list = zonelist(node);
	struct qr_page *page = NULL;

	for (unsigned i = 0; !page && i < nodes.nr_nodes; i++) {
		if (list[i] != node && want->place->nodes >> list[i] & 1)
			page = alloc_on_node(list[i], want);
	}
	return page;
}

/* Pages that were not had from where the CPU is, or are interleaved. */
static QR_COLD void count_unusual(const struct request *want,
				  const struct qr_page *page)
{
	struct qr_zone *zone = qr_page_zone(page), *wished;
	const struct qr_place *place = want->place;
	bool hit = zone->node == place->node;

	qr_lock_acquire(&zone->lock);
	if (!hit)
		zone->counters.missed += want->nr_frames;
	else if (place->interleave)
		zone->counters.interleaved += want->nr_frames;
	if (zone->node != place->home)
		zone->counters.remote += want->nr_frames;
	qr_lock_release(&zone->lock);
	wished = hit ? NULL : zone_of(place->node, 0);
	if (!wished)
		return;
	qr_lock_acquire(&wished->lock);
	wished->counters.foreign += want->nr_frames;
	qr_lock_release(&wished->lock);
}

static bool is_usual(const struct qr_place *place)
{
	return place->node == place->home && !place->interleave;
}

static struct qr_page *alloc_pages(const struct request *want)
{
	const struct qr_place *place = want->place;
	struct qr_page *page;
	unsigned seen;

	do {
		seen = atomic_load_explicit(&qr_nr_spans, memory_order_relaxed);
		page = alloc_on_node(place->node, want);
		if (qr_likely(page && is_usual(place)))
			return page;
	} while (!page && add_span_for(place->node, want, seen));

	if (!page && nodes.nr_nodes > 1)
		page = alloc_elsewhere(want);
	if (page)
		count_unusual(want, page);
	return page;
}

/*
 * Runs
 */

static unsigned this_cpu(void)
{
	unsigned node;

	if (qr_rseq.mode == QR_RSEQ_CID || qr_rseq.mode == QR_RSEQ_CPU)
		return (unsigned)qr_rseq_id();
	return qr_topology_cpu(&node);
}

static void set_frame_byte(struct qr_page *page, uint8_t byte)
{
	struct qr_zone *zone = qr_page_zone(page);

	zone->span->frame_bytes[qr_zone_frame(zone, page)] = byte;
}

struct qr_page *qr_run_alloc_at(const struct qr_place *place, size_t nr_frames,
				unsigned align_order, bool *ret_clean)
{
	struct request want = {place, nr_frames, align_order, QR_MIGRATE_RUN,
			       ret_clean};
	struct qr_page *page;

	if (!nr_frames || nr_frames > QR_MAX_BLOCK_FRAMES ||
	    align_order > QR_MAX_ORDER)
		return NULL;
	page = qr_pcp_alloc_run(this_cpu(), zone_node(place->node), nr_frames,
				align_order);
	if (page) {
		qr_page_set_state(page, QR_PAGE_RUN);
		if (ret_clean)
			*ret_clean = false;
	} else {
		page = alloc_pages(&want);
	}
	if (page)
		set_frame_byte(page, QR_FRAME_RUN);
	return page;
}

struct qr_page *qr_run_alloc(unsigned node, size_t nr_frames,
			     unsigned align_order, bool *ret_clean)
{
	struct qr_place place = qr_place_near(node);

	return qr_run_alloc_at(&place, nr_frames, align_order, ret_clean);
}

bool qr_run_free(struct qr_page *page)
{
	uint8_t run = QR_PAGE_RUN;

	/* of two threads that free one run, one does */
	if (!atomic_compare_exchange_strong_explicit(
		    &page->state, &run, QR_PAGE_PCP, memory_order_relaxed,
		    memory_order_relaxed))
		return false;
	set_frame_byte(page, QR_FRAME_NONE);
	if (!qr_pcp_free_run(page, this_cpu()))
		qr_zone_free(qr_page_zone(page), page, page->nr_pages);
	return true;
}

void qr_run_shrink(struct qr_page *page, size_t nr_frames)
{
	size_t tail = page->nr_pages - nr_frames;

	if (!tail)
		return;
	page->nr_pages = nr_frames;
	qr_zone_free(qr_page_zone(page), page + nr_frames, tail);
}

bool qr_run_extend(struct qr_page *page, size_t nr_frames)
{
	if (nr_frames <= page->nr_pages)
		return true;
	return nr_frames <= QR_MAX_BLOCK_FRAMES &&
	       qr_zone_extend(qr_page_zone(page), page,
			      nr_frames - page->nr_pages);
}

/*
 * Blocks
 */

/* A few more than asked for go to the pcp, if they are resident anyway. */
static struct qr_page *refill(unsigned node, unsigned cpu, unsigned order,
			      unsigned batch)
{
	struct qr_list blocks = QR_LIST_INIT(blocks);
	struct qr_page *page;
	struct qr_zone *zone;

	for (unsigned i = 0; (zone = zone_of(node, i)); i++) {
		if (qr_zone_alloc_bulk(zone, order, batch, &blocks))
			break;
	}
	if (!zone)
		return NULL;
	page = QR_LIST_FIRST(&blocks, struct qr_page, link);
	qr_list_del(&page->link);
	if (!qr_list_empty(&blocks))
		qr_pcp_refill(cpu, zone->node, order, &blocks);
	if (qr_unlikely(!qr_list_empty(&blocks)))
		qr_zone_free_bulk(zone, order, &blocks);
	return page;
}

struct qr_page *qr_block_alloc_at(const struct qr_place *place, unsigned cpu,
				  unsigned order)
{
	struct request want = {place, (size_t)1 << order, order,
			       QR_MIGRATE_SLAB, NULL};
	unsigned batch = qr_pcp_batch(cpu, order);
	struct qr_page *page = NULL;

	if (qr_likely(batch))
		page = qr_pcp_alloc_block(cpu, zone_node(place->node), order);
	/* more than one at once only where the next one will be wanted */
	if (!page && batch && is_usual(place))
		page = refill(place->node, cpu, order, batch);
	return page ? page : alloc_pages(&want);
}

struct qr_page *qr_block_alloc(unsigned node, unsigned cpu, unsigned order)
{
	struct qr_place place = qr_place_near(node);

	return qr_block_alloc_at(&place, cpu, order);
}

void qr_block_free(struct qr_page *page, unsigned cpu, unsigned order)
{
	if (!qr_pcp_free_block(page, cpu, order))
		qr_zone_free(qr_page_zone(page), page, (size_t)1 << order);
}

struct qr_page *qr_pages_alloc_at(const struct qr_place *place, unsigned cpu,
				  size_t nr_frames)
{
	struct request want = {place, nr_frames, qr_order_up(nr_frames),
			       QR_MIGRATE_SLAB, NULL};
	struct qr_page *page =
		qr_pcp_alloc_run(cpu, zone_node(place->node), nr_frames,
				 want.align_order);

	return page ? page : alloc_pages(&want);
}

void qr_pages_free(struct qr_page *page, unsigned cpu, size_t nr_frames)
{
	page->nr_pages = nr_frames;
	qr_page_set_state(page, QR_PAGE_PCP);
	if (!qr_pcp_free_run(page, cpu))
		qr_zone_free(qr_page_zone(page), page, nr_frames);
}

size_t qr_nodes_trim(size_t keep)
{
	/* acquire: pairs with add_span */
	unsigned nr = atomic_load_explicit(&qr_nr_zones, memory_order_acquire);
	size_t frames = 0;

	qr_pcps_drain();
	for (unsigned i = 0; i < nr; i++) {
		frames += qr_zone_trim(&qr_zones[i], keep >> QR_FRAME_SHIFT);
		keep = 0;
	}
	return frames << QR_FRAME_SHIFT;
}

static size_t zone_dirty(struct qr_zone *zone)
{
	size_t frames;

	qr_lock_acquire(&zone->lock);
	frames = zone->nr_dirty;
	qr_lock_release(&zone->lock);
	return frames;
}

size_t qr_nodes_purge(size_t size)
{
	/* acquire: pairs with add_span */
	unsigned nr = atomic_load_explicit(&qr_nr_zones, memory_order_acquire);
	size_t want = (size + QR_FRAME_SIZE - 1) >> QR_FRAME_SHIFT, sum = 0;

	for (unsigned i = 0; i < nr && sum < want; i++) {
		size_t dirty = zone_dirty(&qr_zones[i]);

		sum += qr_zone_purge(&qr_zones[i],
				     dirty - qr_min(dirty, want - sum));
	}
	return sum << QR_FRAME_SHIFT;
}

size_t qr_nodes_age(void)
{
	/* acquire: pairs with add_span */
	unsigned nr = atomic_load_explicit(&qr_nr_zones, memory_order_acquire);
	size_t frames = 0;

	qr_pcps_age();
	for (unsigned i = 0; i < nr; i++)
		frames += qr_zone_age(&qr_zones[i]);
	return frames << QR_FRAME_SHIFT;
}

void qr_nodes_reclaim_for(size_t size)
{
	/* acquire: pairs with add_span */
	unsigned nr = atomic_load_explicit(&qr_nr_zones, memory_order_acquire);
	size_t frames = size >> QR_FRAME_SHIFT;

	for (unsigned i = 0; i < nr && frames; i++) {
		size_t n;

		qr_lock_acquire(&qr_zones[i].lock);
		n = qr_zone_excess_for(&qr_zones[i], frames);
		qr_lock_release(&qr_zones[i].lock);
		if (n)
			qr_zone_reclaim(&qr_zones[i], n);
		frames -= qr_min(frames, n);
	}
}

void qr_node_read_stat(unsigned node, struct qr_numastat *ret_stat)
{
	struct qr_numastat stat = {0};
	struct qr_zone *zone;

	for (unsigned i = 0; (zone = zone_of(node, i)); i++) {
		const struct qr_zone_counters *count = &zone->counters;

		qr_lock_acquire(&zone->lock);
		stat.hit += count->allocated - count->missed;
		stat.miss += count->missed;
		stat.foreign += count->foreign;
		stat.interleave_hit += count->interleaved;
		stat.local += count->allocated - count->remote;
		stat.other += count->remote;
		qr_lock_release(&zone->lock);
	}
	*ret_stat = stat;
}

/*
 * fork
 */

void qr_nodes_lock_all(void)
{
	/* with that held there are no new zones, and no new pcps */
	qr_lock_acquire(&qr_span_lock);
	for (unsigned i = 0; i < qr_nr_zones; i++)
		qr_lock_acquire(&qr_zones[i].purge_lock);
	qr_pcps_lock_all();
	for (unsigned i = 0; i < qr_nr_zones; i++)
		qr_lock_acquire(&qr_zones[i].lock);
}

/* What other threads had off the lists is lost to a child. */
static void forget_isolated(struct qr_zone *zone)
{
	zone->counters.allocated += zone->nr_isolated;
	zone->nr_isolated = 0;
}

void qr_nodes_unlock_all(bool child)
{
	for (unsigned i = 0; child && i < qr_nr_zones; i++)
		forget_isolated(&qr_zones[i]);
	for (unsigned i = 0; i < qr_nr_zones; i++)
		qr_lock_after_fork(&qr_zones[i].lock, child);
	qr_pcps_unlock_all(child);
	for (unsigned i = 0; i < qr_nr_zones; i++)
		qr_lock_after_fork(&qr_zones[i].purge_lock, child);
	qr_lock_after_fork(&qr_span_lock, child);
}
