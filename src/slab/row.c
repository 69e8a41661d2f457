#include "slab/row.h"

#include "arena/budget.h"
#include "slab/hand.h"
#include "slab/misuse.h"
#include "slab/pcpu.h"
#include "slab/slab.h"
#include "sys/map.h"

#include <errno.h>

enum {
	NR_SLOTS = QR_REGION_SIZE / 8,
	ARRAY_BYTES = 1 << 16, /* of objects that an array may hold */
	LEAST_BYTES = 1 << 14,
	FIRST_BYTES = 1 << 12, /* before misses let it grow */
	SHARE_SHIFT = 9,       /* of the heap, in one array */
};

struct qr_pcpu qr_pcpu = {.drain_lock = QR_LOCK_INIT(QR_RANK_DRAIN)};
struct qr_region_lock qr_region_locks[QR_MAX_LOCKED_IDS];
static _Thread_local int32_t own_id; /* + 1; 0: none yet */

/* Those of the two negative ids come first. */
size_t qr_pcpu_regions_size(unsigned nr_ids)
{
	return (qr_min(nr_ids, QR_MAX_IDS) + 2) << QR_REGION_SHIFT;
}

int qr_pcpu_init(unsigned nr_ids, unsigned nr_cpus)
{
	char *regions;

	if (qr_rseq.mode == QR_RSEQ_OFF) {
		nr_ids = (unsigned)qr_min(nr_cpus, QR_MAX_LOCKED_IDS);
		for (unsigned i = 0; i < nr_ids; i++)
			qr_lock_init(&qr_region_locks[i].lock, QR_RANK_CPU);
	}
	regions = qr_map_reserve_readable(qr_pcpu_regions_size(nr_ids));
	if (!regions)
		return -ENOMEM;
	qr_pcpu.nr_ids = (unsigned)qr_min(nr_ids, QR_MAX_IDS);
	qr_rseq.regions = regions + 2 * QR_REGION_SIZE;
	return 0;
}

size_t qr_row_bytes(void)
{
	return qr_clamp(qr_budget_used() >> SHARE_SHIFT, LEAST_BYTES,
			ARRAY_BYTES);
}

/* Slots for each of the two arrays of a cache that a program made. */
static size_t made_share(void)
{
	size_t left = NR_SLOTS - QR_FIRST_FULL - qr_pcpu.next_slot;

	return left / 2 / (QR_NR_ROWS - 2 - QR_NR_CLASSES);
}

void qr_pcpu_layout(struct qr_cache *cache)
{
	size_t n = qr_clamp(ARRAY_BYTES / cache->size, 4, QR_MAX_BATCH);
	unsigned i = cache->number / 2u; /* from 1 */
	size_t slot = QR_FIRST_FULL + qr_pcpu.next_slot;

	if (i > QR_NR_CLASSES) {
		n = qr_min(n, made_share());
		slot += 2 * made_share() * (i - QR_NR_CLASSES - 1);
	}
	n = (size_t)1 << qr_fls(n);
	if (i <= QR_NR_CLASSES)
		qr_pcpu.next_slot += 2 * n;
	cache->max_capacity = (uint16_t)(n - 1);
	cache->first_slot = (uint16_t)slot;
}

int qr_row_change_locked(const struct qr_site *site, struct qr_row expect,
			 struct qr_row row, void *dst, const void *src,
			 size_t n)
{
	struct qr_lock *lock = &qr_region_locks[site->id].lock;
	int rc = QR_RSEQ_CHANGED;

	qr_lock_acquire(lock);
	if (qr_row_is(qr_row_read(site), expect)) {
		qr_row_copy(dst, src, n);
		qr_row_write(site->row, row);
		rc = 0;
	}
	qr_lock_release(lock);
	return rc;
}

static int32_t current_id(void)
{
	if (qr_likely(qr_rseq.mode != QR_RSEQ_OFF)) {
		int32_t id = qr_rseq_id();

		if (qr_unlikely(id < 0) && qr_rseq_register_thread())
			id = qr_rseq_id();
		return id;
	}
	if (qr_unlikely(!own_id))
		own_id = 1 + (int32_t)(atomic_fetch_add_explicit(
					       &qr_pcpu.nr_locked, 1,
					       memory_order_relaxed) %
				       qr_pcpu.nr_ids);
	return own_id - 1;
}

/* The first miss of an id makes its region writable; racing is harmless. */
static bool make_ready(int32_t id)
{
	if (qr_map_commit(qr_rseq.regions + (size_t)id * QR_REGION_SIZE,
			  QR_REGION_SIZE))
		return false;
	/* release: pairs with the drain's acquire */
	if (!atomic_exchange_explicit(&qr_pcpu.ready[id], 1,
				      memory_order_release))
		atomic_fetch_add_explicit(&qr_pcpu.nr_ready, 1,
					  memory_order_relaxed);
	return true;
}

/* The rest of a site, from its id and cache. */
static void site_init(struct qr_site *site)
{
	unsigned number = site->cache->number;
	char *region = qr_rseq.regions + (size_t)site->id * QR_REGION_SIZE;

	site->region = (uint64_t *)(void *)region;
	site->row = (struct qr_row *)(void *)&site->region[number];
	site->aux = (struct qr_row_aux *)(void *)&site
			    ->region[QR_FIRST_AUX + number / 2];
	site->capacity =
		__atomic_load_n(&site->aux->capacity, __ATOMIC_RELAXED);
	if (!site->capacity)
		site->capacity = (unsigned)qr_clamp(
			FIRST_BYTES / site->cache->size, 1,
			qr_min(QR_SMALL_CAPACITY, site->cache->max_capacity));
}

bool qr_site_here(struct qr_cache *cache, struct qr_site *ret_site)
{
	int32_t id;

	if (qr_unlikely(cache->number >= QR_MAX_CACHES || !qr_rseq.regions ||
			qr_policy_is_own()))
		return false;
	id = current_id();
	if (qr_unlikely(id < 0 || (unsigned)id >= qr_pcpu.nr_ids))
		return false;
	if (qr_unlikely(!atomic_load_explicit(&qr_pcpu.ready[id],
					      memory_order_relaxed)) &&
	    !make_ready(id))
		return false;
	ret_site->cache = cache;
	ret_site->id = id;
	site_init(ret_site);
	return true;
}

bool qr_site_of(int32_t id, unsigned number, struct qr_site *ret_site)
{
	/* acquire: pairs with make_ready */
	if (!qr_caches[number] ||
	    !atomic_load_explicit(&qr_pcpu.ready[id], memory_order_acquire))
		return false;
	ret_site->cache = qr_caches[number];
	ret_site->id = id;
	site_init(ret_site);
	return true;
}

void qr_row_init(const struct qr_site *site)
{
	unsigned slot = qr_row_small_slot(site->cache);
	struct qr_row row = {.at = slot, .al = slot};

	row.ft = slot + QR_SMALL_CAPACITY + 1;
	row.fl = row.ft + qr_site_limit(site, true);
	if (site->cache->number <= QR_MAX_GENERAL)
		qr_hand_mark(site);
	qr_row_change(site, (struct qr_row){0}, row, NULL, NULL, 0);
}

void qr_row_verify(const struct qr_cache *cache, void *const *objects, size_t n)
{
	bool twice;
	void *offender = qr_slab_find_offender(cache, objects, n, &twice);

	if (qr_likely(!offender))
		return;
	if (twice)
		qr_misuse_double_free(offender, cache);
	qr_misuse_interior("free", offender, cache);
}

bool qr_row_is_idle(const struct qr_site *site)
{
	struct qr_row row = qr_row_read(site);
	uint32_t tops = row.at << 16 | row.ft, *seen = &site->aux->seen;

	if (qr_row_is_untouched(row))
		return false;
	if (__atomic_load_n(seen, __ATOMIC_RELAXED) == tops)
		return true;
	__atomic_store_n(seen, tops, __ATOMIC_RELAXED);
	return false;
}

unsigned qr_pcpu_nr_regions(void)
{
	return atomic_load_explicit(&qr_pcpu.nr_ready, memory_order_relaxed);
}

void qr_pcpu_for_each_region(void (*visit)(const void *region, void *arg),
			     void *arg)
{
	for (unsigned id = 0; id < qr_pcpu.nr_ids; id++) {
		if (atomic_load_explicit(&qr_pcpu.ready[id],
					 memory_order_relaxed))
			visit(qr_rseq.regions + (size_t)id * QR_REGION_SIZE,
			      arg);
	}
}

/* fork */

static unsigned nr_locked_regions(void)
{
	return qr_rseq.mode == QR_RSEQ_OFF ? qr_pcpu.nr_ids : 0;
}

void qr_pcpu_lock_all(void)
{
	qr_lock_acquire(&qr_pcpu.drain_lock);
	for (unsigned i = 0; i < nr_locked_regions(); i++)
		qr_lock_acquire(&qr_region_locks[i].lock);
}

void qr_pcpu_unlock_all(bool child)
{
	for (unsigned i = 0; i < nr_locked_regions(); i++)
		qr_lock_after_fork(&qr_region_locks[i].lock, child);
	qr_lock_after_fork(&qr_pcpu.drain_lock, child);
}
