#include "arena/pcp.h"

#include "arena/budget.h"

#include <string.h>

enum {
	ALL_RUN_FRAMES = 2048, /* of all CPUs together, about */
	MIN_RUN_FRAMES = 64,   /* of one */
	MAX_RUN_FRAMES = 512,
	SHARE_SHIFT = 6, /* of the heap, in one pcp */
	LEAST_FRAMES = 16,
};

struct qr_pcp qr_pcps[QR_MAX_PCPS];

static unsigned nr_pcps;
static size_t max_run_frames; /* in one pcp */

void qr_pcps_init(unsigned nr_cpus)
{
	nr_pcps = (unsigned)qr_min(nr_cpus, QR_MAX_PCPS);
	max_run_frames = qr_clamp(ALL_RUN_FRAMES / qr_max(nr_cpus, 1),
				  MIN_RUN_FRAMES, MAX_RUN_FRAMES);
}

/* Frames that may be in a pcp: @most, but a share of the heap only. */
static size_t share(size_t most)
{
	size_t heap = qr_budget_used() >> QR_FRAME_SHIFT;

	return qr_clamp(heap >> SHARE_SHIFT, LEAST_FRAMES, most);
}

static bool is_ready(struct qr_pcp *pcp)
{
	/* acquire: pairs with set_up */
	return atomic_load_explicit(&pcp->ready, memory_order_acquire);
}

static QR_COLD void set_up(struct qr_pcp *pcp)
{
	qr_lock_acquire(&qr_span_lock);
	if (!is_ready(pcp)) {
		qr_lock_init(&pcp->lock, QR_RANK_PCP);
		pcp->node = QR_NO_NODE;
		for (int o = 0; o < QR_PCP_ORDERS; o++)
			qr_list_init(&pcp->blocks[o]);
		/* release: pairs with is_ready */
		atomic_store_explicit(&pcp->ready, true, memory_order_release);
	}
	qr_lock_release(&qr_span_lock);
}

static struct qr_pcp *get(unsigned cpu)
{
	struct qr_pcp *pcp;

	if (qr_unlikely(cpu >= nr_pcps))
		return NULL;
	pcp = &qr_pcps[cpu];
	if (qr_unlikely(!is_ready(pcp)))
		set_up(pcp);
	return pcp;
}

/* An empty pcp takes the node of the next that comes.  It is locked. */
static bool is_of_node(struct qr_pcp *pcp, unsigned node)
{
	pcp->used = true;
	if (!pcp->nr_frames && !pcp->nr_runs)
		pcp->node = (uint8_t)node;
	return pcp->node == node;
}

struct qr_page *qr_pcp_alloc_block(unsigned cpu, unsigned node, unsigned order)
{
	struct qr_pcp *pcp = order < QR_PCP_ORDERS ? get(cpu) : NULL;
	struct qr_page *page = NULL;

	if (!pcp)
		return NULL;
	qr_lock_acquire(&pcp->lock);
	if (is_of_node(pcp, node) && !qr_list_empty(&pcp->blocks[order])) {
		page = QR_LIST_FIRST(&pcp->blocks[order], struct qr_page, link);
		qr_list_del(&page->link);
		pcp->nr_frames -= 1u << order;
		pcp->hits++;
	}
	qr_lock_release(&pcp->lock);
	return page;
}

unsigned qr_pcp_batch(unsigned cpu, unsigned order)
{
	return cpu < nr_pcps && order < QR_PCP_ORDERS ? 8u >> order : 0;
}

void qr_pcp_refill(unsigned cpu, unsigned node, unsigned order,
		   struct qr_list *blocks)
{
	struct qr_pcp *pcp = get(cpu);

	qr_lock_acquire(&pcp->lock);
	pcp->refills++;
	if (is_of_node(pcp, node)) {
		QR_LIST_FOR_EACH(link, safe, blocks) {
			qr_list_del(link);
			qr_list_add_tail(link, &pcp->blocks[order]);
			pcp->nr_frames += 1u << order;
		}
	}
	qr_lock_release(&pcp->lock);
}

/* What leaves a pcp, on its way to the zones. */
struct cut {
	struct qr_list blocks[QR_PCP_ORDERS];
	struct qr_pcp_run runs[QR_PCP_RUNS];
	size_t nr_runs;
};

/* The cold end of every order, until @keep frames are left. */
static void cut_blocks(struct qr_pcp *pcp, size_t keep, struct cut *cut)
{
	for (int o = 0; o < QR_PCP_ORDERS; o++)
		qr_list_init(&cut->blocks[o]);
	for (int o = QR_PCP_ORDERS - 1; o >= 0; o--) {
		struct qr_list *list = &pcp->blocks[o];

		while (pcp->nr_frames > keep && !qr_list_empty(list)) {
			struct qr_list *cold = list->prev;

			qr_list_del(cold);
			qr_list_add_tail(cold, &cut->blocks[o]);
			pcp->nr_frames -= 1u << o;
		}
	}
	pcp->flushes++;
}

/* The coldest runs, until @runs in @frames are left. */
static void cut_runs(struct qr_pcp *pcp, size_t runs, size_t frames,
		     struct cut *cut)
{
	size_t n = 0;

	while (n < pcp->nr_runs &&
	       (pcp->nr_runs - n > runs || pcp->run_frames > frames))
		pcp->run_frames -= (uint32_t)pcp->runs[n++].nr_frames;
	memcpy(cut->runs, pcp->runs, n * sizeof(cut->runs[0]));
	cut->nr_runs = n;
	pcp->nr_runs -= (uint8_t)n;
	memmove(pcp->runs, pcp->runs + n, pcp->nr_runs * sizeof(pcp->runs[0]));
}

static void free_runs(const struct cut *cut)
{
	for (size_t i = 0; i < cut->nr_runs; i++) {
		struct qr_page *page = cut->runs[i].page;

		qr_zone_free(qr_page_zone(page), page, cut->runs[i].nr_frames);
	}
}

/* Blocks of several zones go back to each zone in one go. */
static void free_blocks(struct cut *cut)
{
	for (unsigned o = 0; o < QR_PCP_ORDERS; o++) {
		struct qr_list *blocks = &cut->blocks[o];

		while (!qr_list_empty(blocks)) {
			struct qr_list same = QR_LIST_INIT(same);
			unsigned zone =
				QR_LIST_FIRST(blocks, struct qr_page, link)
					->zone;

			QR_LIST_FOR_EACH(node, safe, blocks) {
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

bool qr_pcp_free_block(struct qr_page *page, unsigned cpu, unsigned order)
{
	struct qr_pcp *pcp = order < QR_PCP_ORDERS ? get(cpu) : NULL;
	struct cut cut;
	bool full;

	if (!pcp)
		return false;
	qr_lock_acquire(&pcp->lock);
	if (!is_of_node(pcp, qr_page_zone(page)->node)) {
		qr_lock_release(&pcp->lock);
		return false;
	}
	qr_page_set_state(page, QR_PAGE_PCP);
	page->order = (uint8_t)order;
	qr_list_add(&page->link, &pcp->blocks[order]);
	pcp->nr_frames += 1u << order;
	full = pcp->nr_frames > share(QR_PCP_FRAMES);
	if (full)
		cut_blocks(pcp, share(QR_PCP_FRAMES) / 2, &cut);
	qr_lock_release(&pcp->lock);
	if (full)
		free_blocks(&cut);
	return true;
}

/* Which run fits exactly, the hottest; nr_runs: none. */
static unsigned find_run(const struct qr_pcp *pcp, size_t nr_frames,
			 unsigned align_order)
{
	uintptr_t mask = ((uintptr_t)QR_FRAME_SIZE << align_order) - 1;

	for (unsigned i = pcp->nr_runs; i--;) {
		const struct qr_pcp_run *run = &pcp->runs[i];

		if (run->nr_frames == nr_frames &&
		    (!align_order || !(qr_page_addr(run->page) & mask)))
			return i;
	}
	return pcp->nr_runs;
}

struct qr_page *qr_pcp_alloc_run(unsigned cpu, unsigned node, size_t nr_frames,
				 unsigned align_order)
{
	struct qr_pcp *pcp = nr_frames <= max_run_frames ? get(cpu) : NULL;
	struct qr_page *page = NULL;
	unsigned i;

	if (!pcp)
		return NULL;
	qr_lock_acquire(&pcp->lock);
	i = find_run(pcp, nr_frames, align_order);
	if (i < pcp->nr_runs && is_of_node(pcp, node)) {
		page = pcp->runs[i].page;
		pcp->nr_runs--;
		for (; i < pcp->nr_runs; i++)
			pcp->runs[i] = pcp->runs[i + 1];
		pcp->run_frames -= (uint32_t)nr_frames;
		pcp->run_hits++;
	}
	qr_lock_release(&pcp->lock);
	return page;
}

bool qr_pcp_free_run(struct qr_page *page, unsigned cpu)
{
	size_t n = page->nr_pages;
	struct qr_pcp *pcp =
		n <= qr_min(QR_PCP_MAX_RUN, max_run_frames) ? get(cpu) : NULL;
	size_t most = share(max_run_frames);
	struct cut cut = {.nr_runs = 0};

	if (!pcp)
		return false;
	qr_lock_acquire(&pcp->lock);
	if (!is_of_node(pcp, qr_page_zone(page)->node)) {
		qr_lock_release(&pcp->lock);
		return false;
	}
	if (pcp->nr_runs == QR_PCP_RUNS || pcp->run_frames + n > most)
		cut_runs(pcp, QR_PCP_RUNS - 1, most - qr_min(n, most), &cut);
	pcp->runs[pcp->nr_runs++] = (struct qr_pcp_run){page, n};
	pcp->run_frames += (uint32_t)n;
	qr_lock_release(&pcp->lock);
	free_runs(&cut);
	return true;
}

static void drain(struct qr_pcp *pcp, bool idle_only)
{
	struct cut cut;
	bool leave;

	qr_lock_acquire(&pcp->lock);
	leave = idle_only && pcp->used;
	pcp->used = false;
	if (!leave) {
		cut_blocks(pcp, 0, &cut);
		cut_runs(pcp, 0, 0, &cut);
	}
	qr_lock_release(&pcp->lock);
	if (leave)
		return;
	free_blocks(&cut);
	free_runs(&cut);
}

static void drain_all(bool idle_only)
{
	for (unsigned cpu = 0; cpu < nr_pcps; cpu++) {
		if (is_ready(&qr_pcps[cpu]))
			drain(&qr_pcps[cpu], idle_only);
	}
}

void qr_pcps_drain(void)
{
	drain_all(false);
}

void qr_pcps_age(void)
{
	drain_all(true);
}

size_t qr_pcps_count(void)
{
	size_t sum = 0;

	for (unsigned cpu = 0; cpu < nr_pcps; cpu++) {
		struct qr_pcp *pcp = &qr_pcps[cpu];

		if (!is_ready(pcp))
			continue;
		qr_lock_acquire(&pcp->lock);
		sum += pcp->nr_frames + pcp->run_frames;
		qr_lock_release(&pcp->lock);
	}
	return sum;
}

void qr_pcps_lock_all(void)
{
	qr_lock_assert_held(&qr_span_lock);
	for (unsigned cpu = 0; cpu < nr_pcps; cpu++) {
		if (is_ready(&qr_pcps[cpu]))
			qr_lock_acquire(&qr_pcps[cpu].lock);
	}
}

void qr_pcps_unlock_all(bool child)
{
	for (unsigned cpu = 0; cpu < nr_pcps; cpu++) {
		if (is_ready(&qr_pcps[cpu]))
			qr_lock_after_fork(&qr_pcps[cpu].lock, child);
	}
}
