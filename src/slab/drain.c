#include "slab/pcpu.h"

#include "slab/barn.h"
#include "slab/row.h"
#include "slab/slab.h"

/*
 * Draining.  With sequences, the pseudo-code is
 *
 *	for each row: al = all ones, fl = 0
 *	barrier: sequences that saw the old values have ended or abort
 *	for each row that is still stopped: take its objects, at = ft = 0
 *	barrier: sequences that saw the old at or ft have ended or abort
 *	for each row that was emptied: al = 0
 *
 * Without the second barrier a pop could read the old at, and then the new al.
 *
 * A sequence that was under way may have popped or pushed one more object,
 * which at and ft show after the barrier, or have replaced the whole row,
 * which is then left for another round.  at and ft tell which arrays they
 * point into, whatever al and fl were.
 */
enum { DRAIN_ROUNDS = 4 };

/* Call @visit for the rows of @only, or for all, on every CPU; how many hit. */
static unsigned for_each_row(const struct qr_cache *only,
			     bool (*visit)(const struct qr_site *site))
{
	unsigned low = only ? only->number : 2, sum = 0;
	unsigned high = only ? only->number : QR_MAX_CACHES - 2;

	for (unsigned id = 0; id < qr_pcpu.nr_ids; id++) {
		for (unsigned number = low; number <= high; number += 2) {
			struct qr_site site;

			if (qr_site_of((int32_t)id, number, &site))
				sum += visit(&site);
		}
	}
	return sum;
}

static bool stop(const struct qr_site *site)
{
	struct qr_row row = qr_row_read(site);

	if (qr_row_is_untouched(row) || (qr_row_is_stopped(row) && !row.fl))
		return false;
	__atomic_store_n(&site->row->al, QR_ROW_STOPPED, __ATOMIC_RELAXED);
	__atomic_store_n(&site->row->fl, 0, __ATOMIC_SEQ_CST);
	return true;
}

/* The objects of a row that is ours alone go to their slabs. */
static void give_back(const struct qr_site *site, struct qr_row row)
{
	unsigned a = qr_row_array(site->cache, row.at, false);
	unsigned f = qr_row_array(site->cache, row.ft, false);
	void *objects[2 * QR_MAX_BATCH];
	size_t n = row.at - a, m = row.ft - f;

	qr_row_copy((uint64_t *)(void *)objects, &site->region[a], n);
	qr_row_copy((uint64_t *)(void *)(objects + n), &site->region[f], m);
	__atomic_store_n(&site->aux->capacity, 0, __ATOMIC_RELAXED);
	if (qr_rseq.mode == QR_RSEQ_OFF) {
		qr_row_write(site->row, (struct qr_row){0});
		qr_lock_release(&qr_region_locks[site->id].lock);
	} else { /* reopen() follows */
		__atomic_store_n(&site->row->at, 0, __ATOMIC_RELAXED);
		__atomic_store_n(&site->row->ft, 0, __ATOMIC_RELAXED);
	}
	qr_row_verify(site->cache, objects, n);
	qr_slab_flush(site->cache, UINT32_MAX, objects, n);
	qr_row_verify(site->cache, objects + n, m);
	qr_slab_flush(site->cache, UINT32_MAX, objects + n, m);
}

static bool stop_idle(const struct qr_site *site)
{
	return qr_row_is_idle(site) && stop(site);
}

static bool empty_stopped(const struct qr_site *site)
{
	struct qr_row row = qr_row_read(site);

	if (!qr_row_is_stopped(row) || row.fl)
		return false;
	/* a hand had made it untouched before it was stopped */
	if (!row.at && !row.ft)
		return false;
	give_back(site, row);
	return true;
}

static bool reopen(const struct qr_site *site)
{
	struct qr_row row = qr_row_read(site);

	if (!qr_row_is_stopped(row) || row.fl || row.at || row.ft)
		return false;
	/* release: who uses the row again sees the aux of give_back() */
	__atomic_store_n(&site->row->al, 0, __ATOMIC_RELEASE);
	return true;
}

static bool empty_locked(const struct qr_site *site)
{
	qr_lock_acquire(&qr_region_locks[site->id].lock);
	if (qr_row_is_untouched(qr_row_read(site))) {
		qr_lock_release(&qr_region_locks[site->id].lock);
		return false;
	}
	give_back(site, qr_row_read(site)); /* releases the lock */
	return true;
}

static bool empty_idle_locked(const struct qr_site *site)
{
	return qr_row_is_idle(site) && empty_locked(site);
}

/* Rows that @stop_row stops; false: some were used meanwhile. */
static bool drain_stopped(const struct qr_cache *only,
			  bool (*stop_row)(const struct qr_site *site))
{
	unsigned stopped = for_each_row(only, stop_row);

	if (!stopped)
		return true;
	qr_rseq_barrier();
	for_each_row(only, empty_stopped);
	qr_rseq_barrier();
	return for_each_row(only, reopen) == stopped;
}

static void drain_rows(const struct qr_cache *only)
{
	if (!qr_rseq.regions || (only && only->number >= QR_MAX_CACHES))
		return;
	if (qr_rseq.mode == QR_RSEQ_OFF) {
		for_each_row(only, empty_locked);
		return;
	}
	if (!qr_rseq_barrier()) /* it could not be waited for */
		return;
	for (int round = 0; round < DRAIN_ROUNDS; round++) {
		if (drain_stopped(only, stop))
			return;
	}
}

static void age_rows(void)
{
	if (!qr_rseq.regions)
		return;
	if (qr_rseq.mode == QR_RSEQ_OFF)
		for_each_row(NULL, empty_idle_locked);
	else if (qr_rseq_barrier())
		drain_stopped(NULL, stop_idle);
}

static void drain_barns(struct qr_cache *cache, void *arg)
{
	(void)arg;
	for (uint64_t left = qr_nodes_mask(); left; left &= left - 1) {
		struct qr_barn *barn =
			&qr_cache_node(cache, qr_ctz(left))->barn;
		void *objects[QR_MAX_BATCH];
		size_t n;

		while ((n = qr_barn_get(barn, objects, QR_MAX_BATCH)))
			qr_slab_flush(cache, UINT32_MAX, objects, n);
	}
}

static void age_barns(struct qr_cache *cache, void *arg)
{
	(void)arg;
	for (uint64_t left = qr_nodes_mask(); left; left &= left - 1) {
		struct qr_barn *barn =
			&qr_cache_node(cache, qr_ctz(left))->barn;
		size_t unused = qr_barn_turn(barn), n;
		void *objects[QR_MAX_BATCH];

		for (; unused; unused -= n) {
			n = qr_barn_get_cold(barn, objects,
					     qr_min(unused, QR_MAX_BATCH));
			if (!n)
				break;
			qr_slab_flush(cache, UINT32_MAX, objects, n);
		}
	}
}

void qr_pcpu_age(void)
{
	qr_lock_acquire(&qr_pcpu.drain_lock);
	age_rows();
	qr_lock_release(&qr_pcpu.drain_lock);
	qr_caches_for_each(age_barns, NULL);
}

void qr_pcpu_drain(struct qr_cache *only)
{
	qr_lock_acquire(&qr_pcpu.drain_lock);
	drain_rows(only);
	qr_lock_release(&qr_pcpu.drain_lock);
	if (only)
		drain_barns(only, NULL);
	else
		qr_caches_for_each(drain_barns, NULL);
}

void qr_pcpu_forget(struct qr_cache *cache)
{
	if (cache->number >= QR_MAX_CACHES)
		return;
	qr_lock_acquire(&qr_pcpu.drain_lock);
	qr_caches[cache->number] = NULL;
	qr_lock_release(&qr_pcpu.drain_lock);
}

/* Counting and visiting; under the drain lock no row is stopped */

static size_t row_objects(const struct qr_site *site)
{
	struct qr_row row = qr_row_read(site);

	if (qr_row_is_untouched(row) || qr_row_is_stopped(row) ||
	    !qr_row_is_plausible(site->cache, row))
		return 0;
	return row.at - row.al + row.ft - qr_row_free_bottom(site->cache, row);
}

void qr_pcpu_count(struct qr_cache *cache, struct qr_pcpu_counts *ret_counts)
{
	struct qr_pcpu_counts sum = {0};

	qr_lock_acquire(&qr_pcpu.drain_lock);
	for (unsigned id = 0;
	     cache->number < QR_MAX_CACHES && id < qr_pcpu.nr_ids; id++) {
		struct qr_site site;

		if (qr_site_of((int32_t)id, cache->number, &site))
			sum.in_arrays += row_objects(&site);
	}
	qr_lock_release(&qr_pcpu.drain_lock);
	for (uint64_t left = qr_nodes_mask(); left; left &= left - 1)
		sum.in_barns += __atomic_load_n(
			&qr_cache_node(cache, qr_ctz(left))->barn.nr_objects,
			__ATOMIC_RELAXED);
	*ret_counts = sum;
}

typedef void visit_fn(struct qr_cache *cache, void *object, void *arg);

static void visit_row(const struct qr_site *site, visit_fn *visit, void *arg)
{
	struct qr_row row = qr_row_read(site);
	unsigned bottom;

	if (qr_row_is_untouched(row) || qr_row_is_stopped(row) ||
	    !qr_row_is_plausible(site->cache, row))
		return;
	bottom = qr_row_free_bottom(site->cache, row);
	for (unsigned i = row.al; i < row.at; i++)
		visit(site->cache, (void *)site->region[i], arg);
	for (unsigned i = bottom; i < row.ft; i++)
		visit(site->cache, (void *)site->region[i], arg);
}

void qr_pcpu_for_each_cached(struct qr_cache *cache, visit_fn *visit, void *arg)
{
	for (unsigned id = 0;
	     cache->number < QR_MAX_CACHES && id < qr_pcpu.nr_ids; id++) {
		struct qr_site site;

		if (qr_site_of((int32_t)id, cache->number, &site))
			visit_row(&site, visit, arg);
	}
	for (uint64_t left = qr_nodes_mask(); left; left &= left - 1) {
		struct qr_barn *barn =
			&qr_cache_node(cache, qr_ctz(left))->barn;

		qr_lock_acquire(&barn->lock);
		for (uint32_t i = 0; i < barn->nr_objects; i++)
			visit(cache, barn->objects[i], arg);
		qr_lock_release(&barn->lock);
	}
}
