#include "slab/pcpu.h"

#include "slab/barn.h"
#include "slab/misuse.h"
#include "slab/slab.h"
#include "sys/map.h"
#include "sys/rseq.h"

#include <errno.h>

enum {
	MAX_IDS = 8192,
	MAX_LOCKED_IDS = 64,
	FIRST_AUX = 2 * QR_NR_ROWS,
	FIRST_SMALL = 3 * QR_NR_ROWS,
	SMALL_CAPACITY = 7, /* and a slot unused */
	FIRST_FULL = FIRST_SMALL + 2 * (SMALL_CAPACITY + 1) * QR_NR_ROWS,
	NR_SLOTS = QR_REGION_SIZE / 8,
	GROW_AFTER = 2,	       /* misses at one capacity */
	ARRAY_BYTES = 1 << 16, /* of objects that an array may hold */
	NEAR_BYTES = 1 << 14,  /* arrays of objects that changing roles adds */
	ROUND_BYTES = 1 << 15, /* of objects that it tops up to */
};

static const uint32_t STOPPED = UINT32_MAX;

/*
 * What the slow path remembers of a row.  Whoever holds a site of the row may
 * change it, so all is read and written at once, and nothing that keeps the
 * arrays whole is read twice.
 */
struct aux {
	uint16_t capacity; /* 0: as at first; the row's may lag behind */
	uint8_t misses;
	uint8_t turns;
	uint32_t seen; /* tops of the row at the last tick; see is_idle */
};

static_assert(sizeof(struct aux) == 8, "one slot");

/* A row of the CPU that we run on. */
struct site {
	struct qr_cache *cache;
	int32_t id;
	uint64_t *region;
	struct qr_row *row;
	struct aux *aux;
	unsigned capacity; /* read once: others may change it meanwhile */
};

static struct {
	unsigned nr_ids; /* 0: no regions */
	_Atomic unsigned nr_locked; /* ids given to threads, mode OFF */
	size_t next_slot; /* of the general caches' full-sized arrays */
	struct qr_lock drain_lock;
	_Atomic uint8_t ready[MAX_IDS]; /* region is writable */
} pcpu = {.drain_lock = QR_LOCK_INIT(QR_RANK_DRAIN)};

/* Without sequences each region has a lock, and a thread a region. */
static struct {
	struct qr_lock lock;
} QR_ALIGNED(64) region_locks[MAX_LOCKED_IDS];
static _Thread_local int32_t own_id; /* + 1; 0: none yet */

/* Those of the two negative ids come first. */
size_t qr_pcpu_regions_size(unsigned nr_ids)
{
	return (qr_min(nr_ids, MAX_IDS) + 2) << QR_REGION_SHIFT;
}

int qr_pcpu_init(unsigned nr_ids, unsigned nr_cpus)
{
	char *regions;

	if (qr_rseq.mode == QR_RSEQ_OFF) {
		nr_ids = (unsigned)qr_min(nr_cpus, MAX_LOCKED_IDS);
		for (unsigned i = 0; i < nr_ids; i++)
			qr_lock_init(&region_locks[i].lock, QR_RANK_CPU);
	}
	regions = qr_map_reserve_readable(qr_pcpu_regions_size(nr_ids));
	if (!regions)
		return -ENOMEM;
	pcpu.nr_ids = (unsigned)qr_min(nr_ids, MAX_IDS);
	qr_rseq.regions = regions + 2 * QR_REGION_SIZE;
	return 0;
}

/* Slots for each of the two arrays of a cache that a program made. */
static size_t made_share(void)
{
	size_t left = NR_SLOTS - FIRST_FULL - pcpu.next_slot;

	return left / 2 / (QR_NR_ROWS - 2 - QR_NR_CLASSES);
}

void qr_pcpu_layout(struct qr_cache *cache)
{
	size_t n = qr_clamp(ARRAY_BYTES / cache->size, 4, QR_MAX_BATCH);
	unsigned i = cache->number / 2u; /* from 1 */
	size_t slot = FIRST_FULL + pcpu.next_slot;

	if (i > QR_NR_CLASSES) {
		n = qr_min(n, made_share());
		slot += 2 * made_share() * (i - QR_NR_CLASSES - 1);
	}
	n = (size_t)1 << qr_fls(n);
	if (i <= QR_NR_CLASSES)
		pcpu.next_slot += 2 * n;
	cache->max_capacity = (uint16_t)(n - 1);
	cache->first_slot = (uint16_t)slot;
}

/* Rows */

static bool is_stopped(struct qr_row row)
{
	return row.al == STOPPED;
}

static bool is_untouched(struct qr_row row)
{
	return !row.al;
}

static unsigned small_slot(const struct qr_cache *cache)
{
	return FIRST_SMALL + (SMALL_CAPACITY + 1u) * cache->number;
}

static bool is_small(struct qr_row row)
{
	return row.al < FIRST_FULL;
}

/* The start of the array that @index points into, or of the other one. */
static unsigned array_start(const struct qr_cache *cache, unsigned index,
			    bool other)
{
	unsigned first = cache->first_slot, n = cache->max_capacity + 1u;

	if (index < FIRST_FULL) {
		first = small_slot(cache);
		n = SMALL_CAPACITY + 1;
	}
	return (index >= first + n) != other ? first + n : first;
}

static unsigned free_bottom(const struct qr_cache *cache, struct qr_row row)
{
	return array_start(cache, row.al, true);
}

/* How many of an array's slots may be used now. */
static unsigned capacity(const struct site *site, bool small)
{
	return small ? (unsigned)qr_min(site->capacity, SMALL_CAPACITY)
		     : site->capacity;
}

/* @n words, as others may see them: the locked mode has readers. */
static void copy_words(uint64_t *dst, const uint64_t *src, size_t n)
{
	for (size_t i = 0; i < n; i++)
		__atomic_store_n(&dst[i],
				 __atomic_load_n(&src[i], __ATOMIC_RELAXED),
				 __ATOMIC_RELAXED);
}

static bool same_row(struct qr_row a, struct qr_row b)
{
	return a.at == b.at && a.al == b.al && a.ft == b.ft && a.fl == b.fl;
}

/*
 * The indices one by one, for one store of them is what the last hit left
 * behind.  They may be of different moments, when we were interrupted in
 * between: who acts on them does so through row_change(), and before that
 * looks whether they are plausible.
 */
static struct qr_row read_row(const struct site *site)
{
	const struct qr_row *row = site->row;

	return (struct qr_row){
		__atomic_load_n(&row->at, __ATOMIC_RELAXED),
		__atomic_load_n(&row->al, __ATOMIC_RELAXED),
		__atomic_load_n(&row->ft, __ATOMIC_RELAXED),
		__atomic_load_n(&row->fl, __ATOMIC_RELAXED),
	};
}

/* Do the indices point into the arrays that they should? */
static bool is_plausible(const struct qr_cache *cache, struct qr_row row)
{
	return row.at - row.al <= cache->max_capacity &&
	       row.ft - free_bottom(cache, row) <= cache->max_capacity;
}

static void write_row(struct qr_row *row, struct qr_row value)
{
	__atomic_store_n(&row->at, value.at, __ATOMIC_RELAXED);
	__atomic_store_n(&row->al, value.al, __ATOMIC_RELAXED);
	__atomic_store_n(&row->ft, value.ft, __ATOMIC_RELAXED);
	__atomic_store_n(&row->fl, value.fl, __ATOMIC_RELAXED);
}

/*
 * Copy @n slots and change the row, both or nothing: 0, or it was not
 * @expect, or we no longer run there.
 */
static int row_change(const struct site *site, struct qr_row expect,
		      struct qr_row row, void *dst, const void *src, size_t n)
{
	struct qr_lock *lock;
	int rc = QR_RSEQ_CHANGED;

	if (qr_likely(qr_rseq.mode != QR_RSEQ_OFF))
		return qr_rseq_change(site->id, site->row, &expect, &row, dst,
				      src, n);
	lock = &region_locks[site->id].lock;
	qr_lock_acquire(lock);
	if (same_row(read_row(site), expect)) {
		copy_words(dst, src, n);
		write_row(site->row, row);
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
					       &pcpu.nr_locked, 1,
					       memory_order_relaxed) %
				       pcpu.nr_ids);
	return own_id - 1;
}

/* The first miss of an id makes its region writable; racing is harmless. */
static bool make_ready(int32_t id)
{
	if (qr_map_commit(qr_rseq.regions + (size_t)id * QR_REGION_SIZE,
			  QR_REGION_SIZE))
		return false;
	/* release: pairs with the drain's acquire */
	atomic_store_explicit(&pcpu.ready[id], 1, memory_order_release);
	return true;
}

/* The rest of a site, from its id and cache. */
static void set_site(struct site *site)
{
	unsigned number = site->cache->number;
	char *region = qr_rseq.regions + (size_t)site->id * QR_REGION_SIZE;

	site->region = (uint64_t *)(void *)region;
	site->row = (struct qr_row *)(void *)&site->region[number];
	site->aux = (struct aux *)(void *)&site->region[FIRST_AUX + number / 2];
	site->capacity =
		__atomic_load_n(&site->aux->capacity, __ATOMIC_RELAXED);
	if (!site->capacity)
		site->capacity = (unsigned)qr_min(SMALL_CAPACITY,
						  site->cache->max_capacity);
}

/* False: the caller has no arrays, for now or for good. */
static bool locate(struct qr_cache *cache, struct site *ret_site)
{
	int32_t id;

	if (qr_unlikely(cache->number >= QR_MAX_CACHES || !qr_rseq.regions))
		return false;
	id = current_id();
	if (qr_unlikely(id < 0 || (unsigned)id >= pcpu.nr_ids))
		return false;
	if (qr_unlikely(!atomic_load_explicit(&pcpu.ready[id],
					      memory_order_relaxed)) &&
	    !make_ready(id))
		return false;
	ret_site->cache = cache;
	ret_site->id = id;
	set_site(ret_site);
	return true;
}

static void init_row(const struct site *site)
{
	unsigned slot = small_slot(site->cache);
	struct qr_row row = {.at = slot, .al = slot};

	row.ft = slot + SMALL_CAPACITY + 1;
	row.fl = row.ft + capacity(site, true);
	row_change(site, (struct qr_row){0}, row, NULL, NULL, 0);
}

static void grow(struct site *site)
{
	unsigned n = 2 * site->capacity + 1;

	if (n > site->cache->max_capacity)
		return;
	site->capacity = n;
	__atomic_store_n(&site->aux->capacity, (uint16_t)n, __ATOMIC_RELAXED);
}

/* Every GROW_AFTER times; a count lost between two threads does not matter. */
static bool is_due(uint8_t *counter)
{
	unsigned n = __atomic_load_n(counter, __ATOMIC_RELAXED) + 1u;
	bool due = n >= GROW_AFTER;

	__atomic_store_n(counter, due ? 0 : (uint8_t)n, __ATOMIC_RELAXED);
	return due;
}

/* A miss that the arrays could not serve. */
static void note_miss(struct site *site)
{
	if (is_due(&site->aux->misses))
		grow(site);
}

/* One that they could, but it cost as much as several hits.  True: top up. */
static bool note_turn(struct site *site)
{
	if (!is_due(&site->aux->turns))
		return false;
	if ((size_t)2 * site->capacity * site->cache->size < NEAR_BYTES)
		grow(site);
	return true;
}

/* Between arrays and nodes */

static void verify(const struct qr_cache *cache, void *const *objects, size_t n)
{
	bool twice;
	void *offender = qr_slab_find_offender(cache, objects, n, &twice);

	if (qr_likely(!offender))
		return;
	if (twice)
		qr_misuse_double_free(offender, cache);
	qr_misuse_interior("free", offender, cache);
}

/* Free objects in the order in which to hand them out. */
static size_t get_batch(struct qr_cache *cache, unsigned cpu, void **objects,
			size_t n)
{
	unsigned node = qr_home_node();
	size_t got = qr_barn_get(&qr_cache_node(cache, node)->barn, objects, n);

	return got ? got : qr_slab_refill(cache, node, cpu, objects, n);
}

/* Verified objects of one node. */
static void put_home(struct qr_cache *cache, unsigned cpu, unsigned node,
		     void *const *objects, size_t n)
{
	size_t put = qr_barn_put(cache, &qr_cache_node(cache, node)->barn,
				 objects, n);

	if (put < n)
		qr_slab_flush(cache, cpu, objects + put, n - put);
}

/* Verified objects of any node; @objects is used up. */
static void put_batch(struct qr_cache *cache, unsigned cpu, void **objects,
		      size_t n)
{
	while (n) {
		unsigned node = qr_slab_node(cache, objects[0]);
		void *same[QR_MAX_BATCH];
		size_t nr_same = 0, nr_other = 0;

		if (qr_likely(qr_nr_nodes() == 1)) {
			put_home(cache, cpu, node, objects, n);
			return;
		}
		for (size_t i = 0; i < n; i++) {
			if (qr_slab_node(cache, objects[i]) == node)
				same[nr_same++] = objects[i];
			else
				objects[nr_other++] = objects[i];
		}
		put_home(cache, cpu, node, same, nr_same);
		n = nr_other;
	}
}

/* Without arrays */

static void *alloc_direct(struct qr_cache *cache)
{
	void *object;

	return get_batch(cache, UINT32_MAX, &object, 1) ? object : NULL;
}

static void free_direct(struct qr_cache *cache, void *object)
{
	verify(cache, &object, 1);
	put_batch(cache, UINT32_MAX, &object, 1);
}

/* Changing roles */

/* What a free array holds, looked at in place; confirmed on a copy. */
static void verify_array(const struct site *site, struct qr_row row)
{
	unsigned bottom = free_bottom(site->cache, row);
	size_t n = row.ft - bottom;
	void *copy[QR_MAX_BATCH];

	if (qr_likely(qr_rseq.mode != QR_RSEQ_OFF &&
		      qr_slab_glance(site->cache,
				     (void **)(void *)&site->region[bottom],
				     n)))
		return;
	/* it may have changed under our eyes: only a snapshot is proof */
	if (row_change(site, row, row, copy, &site->region[bottom], n) == 0)
		verify(site->cache, copy, n);
}

static void change_roles(const struct site *site, struct qr_row row)
{
	unsigned bottom = free_bottom(site->cache, row);
	struct qr_row next = {
		.at = row.ft,
		.al = bottom,
		.ft = row.al,
		.fl = row.al + capacity(site, is_small(row)),
	};

	verify_array(site, row);
	row_change(site, row, next, NULL, NULL, 0);
}

/* As change_roles, for a machine with several nodes: strangers go home. */
static void change_roles_at_home(const struct site *site, struct qr_row row)
{
	unsigned bottom = free_bottom(site->cache, row);
	size_t n = row.ft - bottom, nr_kept = 0, nr_away = 0;
	void *kept[QR_MAX_BATCH], *away[QR_MAX_BATCH];
	unsigned home = qr_home_node();
	struct qr_row emptied = row, next;

	emptied.ft = bottom;
	if (row_change(site, row, emptied, kept, &site->region[bottom], n))
		return;
	verify(site->cache, kept, n);
	for (size_t i = 0; i < n; i++) {
		if (qr_slab_node(site->cache, kept[i]) == home)
			kept[nr_kept++] = kept[i];
		else
			away[nr_away++] = kept[i];
	}
	next = emptied;
	next.at = row.al + (unsigned)nr_kept;
	if (nr_kept && row_change(site, emptied, next, &site->region[row.al],
				  kept, nr_kept))
		put_batch(site->cache, (unsigned)site->id, kept, nr_kept);
	if (nr_away)
		put_batch(site->cache, (unsigned)site->id, away, nr_away);
}

/* If nothing is in the free array, the other moves to the full-sized place. */
static void move_to_full(const struct site *site, struct qr_row row)
{
	unsigned first = site->cache->first_slot;
	unsigned n = row.at - row.al;
	struct qr_row next = {.al = first, .at = first + n};

	if (!is_small(row) || is_stopped(row) || is_untouched(row) ||
	    !is_plausible(site->cache, row) ||
	    row.ft != free_bottom(site->cache, row))
		return;
	next.ft = array_start(site->cache, first, true);
	next.fl = next.ft + site->capacity;
	row_change(site, row, next, &site->region[first], &site->region[row.al],
		   n);
}

/*
 * Few objects that go round and round cost a change of roles each time: add
 * some, while all of them fit the CPU's nearer caches.
 */
static void top_up(const struct site *site, struct qr_row row)
{
	size_t n = row.at - row.al, more;
	size_t wish = qr_min(site->capacity, ROUND_BYTES / site->cache->size);
	void *objects[QR_MAX_BATCH];
	struct qr_row next = row;

	if (is_stopped(row) || is_untouched(row) ||
	    !is_plausible(site->cache, row) || n >= wish ||
	    (is_small(row) && site->capacity > SMALL_CAPACITY))
		return;
	more = get_batch(site->cache, (unsigned)site->id, objects, wish - n);
	next.at += (uint32_t)more;
	if (more &&
	    row_change(site, row, next, &site->region[row.at], objects, more))
		put_batch(site->cache, (unsigned)site->id, objects, more);
}

static void turn(struct site *site, struct qr_row row)
{
	bool due = note_turn(site);

	if (qr_likely(qr_nr_nodes() == 1))
		change_roles(site, row);
	else
		change_roles_at_home(site, row);
	if (is_small(row) && site->capacity > SMALL_CAPACITY)
		move_to_full(site, read_row(site));
	if (due)
		top_up(site, read_row(site));
}

/* malloc's miss */

/*
 * Both arrays are empty: @objects, in the order to hand out, fill the first;
 * the occasion to move to the full-sized arrays.
 */
static bool fill(const struct site *site, struct qr_row row,
		 void *const *objects, size_t n)
{
	void *reversed[QR_MAX_BATCH];
	bool small = is_small(row) && site->capacity <= SMALL_CAPACITY;
	unsigned first =
		is_small(row) && !small ? site->cache->first_slot : row.al;
	struct qr_row next = {.al = first, .at = first + (unsigned)n};

	next.ft = array_start(site->cache, first, true);
	next.fl = next.ft + capacity(site, small);
	for (size_t i = 0; i < n; i++)
		reversed[i] = objects[n - 1 - i];
	return row_change(site, row, next, &site->region[first], reversed, n) ==
	       0;
}

static void *refill(struct site *site, struct qr_row row)
{
	void *objects[QR_MAX_BATCH];
	size_t n = qr_clamp(site->capacity, 1, QR_MAX_BATCH);

	note_miss(site);
	n = get_batch(site->cache, (unsigned)site->id, objects, n);
	if (!n)
		return NULL;
	if (n > 1 && !fill(site, row, objects + 1, n - 1))
		put_batch(site->cache, (unsigned)site->id, objects + 1, n - 1);
	return objects[0];
}

void *qr_pcpu_alloc(struct qr_cache *cache)
{
	struct site site;

	while (locate(cache, &site)) {
		struct qr_row row = read_row(&site), next = row;
		void *object;

		if (qr_unlikely(is_stopped(row)))
			break;
		if (row.at > row.al) {
			next.at--;
			if (row_change(&site, row, next, &object,
				       &site.region[next.at], 1) == 0)
				return object;
		} else if (is_untouched(row)) {
			init_row(&site);
		} else if (!is_plausible(cache, row)) {
			continue;
		} else if (row.ft > free_bottom(cache, row)) {
			turn(&site, row);
		} else {
			return refill(&site, row);
		}
	}
	return alloc_direct(cache);
}

/* free's miss */

static void flush(struct site *site, struct qr_row row)
{
	void *objects[QR_MAX_BATCH];
	unsigned bottom = free_bottom(site->cache, row);
	size_t n = row.ft - bottom;
	struct qr_row next = row;

	next.ft = bottom;
	if (row_change(site, row, next, objects, &site->region[bottom], n))
		return;
	note_miss(site);
	if (site->capacity > SMALL_CAPACITY)
		move_to_full(site, next);
	verify(site->cache, objects, n);
	put_batch(site->cache, (unsigned)site->id, objects, n);
}

void qr_pcpu_free(struct qr_cache *cache, void *object)
{
	struct site site;

	while (locate(cache, &site)) {
		struct qr_row row = read_row(&site), next = row;
		unsigned limit;

		if (qr_unlikely(is_stopped(row)))
			break;
		limit = free_bottom(cache, row) +
			capacity(&site, is_small(row));
		if (row.ft < row.fl) {
			next.ft++;
			if (row_change(&site, row, next, &site.region[row.ft],
				       &object, 1) == 0)
				return;
		} else if (is_untouched(row)) {
			init_row(&site);
		} else if (!is_plausible(cache, row)) {
			continue;
		} else if (row.at == row.al) {
			turn(&site, row);
		} else if (row.fl < limit) {
			next.fl = limit;
			row_change(&site, row, next, NULL, NULL, 0);
		} else {
			flush(&site, row);
		}
	}
	free_direct(cache, object);
}

/* Bulk: the hit path as far as it goes. */

static bool may_hit(const struct qr_cache *cache)
{
	return qr_rseq.mode != QR_RSEQ_OFF && qr_rseq.regions &&
	       cache->number < QR_MAX_CACHES;
}

size_t qr_pcpu_alloc_bulk(struct qr_cache *cache, void **objects, size_t n)
{
	bool hits = may_hit(cache);
	size_t got;

	for (got = 0; got < n; got++) {
		void *object = hits ? qr_rseq_pop(cache->number) : NULL;

		if (!object)
			object = qr_pcpu_alloc(cache);
		if (!object)
			break;
		objects[got] = object;
	}
	return got;
}

void qr_pcpu_free_bulk(struct qr_cache *cache, void *const *objects, size_t n)
{
	bool hits = may_hit(cache);

	for (size_t i = 0; i < n; i++) {
		if (!hits || !qr_rseq_push(cache->number, objects[i]))
			qr_pcpu_free(cache, objects[i]);
	}
}

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

static bool site_of(int32_t id, unsigned number, struct site *ret_site)
{
	/* acquire: pairs with make_ready */
	if (!qr_caches[number] ||
	    !atomic_load_explicit(&pcpu.ready[id], memory_order_acquire))
		return false;
	ret_site->cache = qr_caches[number];
	ret_site->id = id;
	set_site(ret_site);
	return true;
}

/* Call @visit for the rows of @only, or for all, on every CPU; how many hit. */
static unsigned for_each_row(const struct qr_cache *only,
			     bool (*visit)(const struct site *site))
{
	unsigned low = only ? only->number : 2, sum = 0;
	unsigned high = only ? only->number : QR_MAX_CACHES - 2;

	for (unsigned id = 0; id < pcpu.nr_ids; id++) {
		for (unsigned number = low; number <= high; number += 2) {
			struct site site;

			if (site_of((int32_t)id, number, &site))
				sum += visit(&site);
		}
	}
	return sum;
}

static bool stop(const struct site *site)
{
	struct qr_row row = read_row(site);

	if (is_untouched(row) || (is_stopped(row) && !row.fl))
		return false;
	__atomic_store_n(&site->row->al, STOPPED, __ATOMIC_RELAXED);
	__atomic_store_n(&site->row->fl, 0, __ATOMIC_SEQ_CST);
	return true;
}

/* The objects of a row that is ours alone go to their slabs. */
static void give_back(const struct site *site, struct qr_row row)
{
	unsigned a = array_start(site->cache, row.at, false);
	unsigned f = array_start(site->cache, row.ft, false);
	void *objects[2 * QR_MAX_BATCH];
	size_t n = row.at - a, m = row.ft - f;

	copy_words((uint64_t *)(void *)objects, &site->region[a], n);
	copy_words((uint64_t *)(void *)(objects + n), &site->region[f], m);
	__atomic_store_n(&site->aux->capacity, 0, __ATOMIC_RELAXED);
	if (qr_rseq.mode == QR_RSEQ_OFF) {
		write_row(site->row, (struct qr_row){0});
		qr_lock_release(&region_locks[site->id].lock);
	} else { /* reopen() follows */
		__atomic_store_n(&site->row->at, 0, __ATOMIC_RELAXED);
		__atomic_store_n(&site->row->ft, 0, __ATOMIC_RELAXED);
	}
	verify(site->cache, objects, n);
	qr_slab_flush(site->cache, UINT32_MAX, objects, n);
	verify(site->cache, objects + n, m);
	qr_slab_flush(site->cache, UINT32_MAX, objects + n, m);
}

/*
 * A row whose tops are where they were a tick ago is taken as not in use.
 * Wrong now and then, which costs a refill.
 */
static bool is_idle(const struct site *site)
{
	struct qr_row row = read_row(site);
	uint32_t tops = row.at << 16 | row.ft, *seen = &site->aux->seen;

	if (is_untouched(row))
		return false;
	if (__atomic_load_n(seen, __ATOMIC_RELAXED) == tops)
		return true;
	__atomic_store_n(seen, tops, __ATOMIC_RELAXED);
	return false;
}

static bool stop_idle(const struct site *site)
{
	return is_idle(site) && stop(site);
}

static bool empty_stopped(const struct site *site)
{
	struct qr_row row = read_row(site);

	if (!is_stopped(row) || row.fl)
		return false;
	give_back(site, row);
	return true;
}

static bool reopen(const struct site *site)
{
	struct qr_row row = read_row(site);

	if (!is_stopped(row) || row.fl || row.at || row.ft)
		return false;
	/* release: who uses the row again sees the aux of give_back() */
	__atomic_store_n(&site->row->al, 0, __ATOMIC_RELEASE);
	return true;
}

static bool empty_locked(const struct site *site)
{
	qr_lock_acquire(&region_locks[site->id].lock);
	if (is_untouched(read_row(site))) {
		qr_lock_release(&region_locks[site->id].lock);
		return false;
	}
	give_back(site, read_row(site)); /* releases the lock */
	return true;
}

static bool empty_idle_locked(const struct site *site)
{
	return is_idle(site) && empty_locked(site);
}

/* Rows that @stop_row stops; false: some were used meanwhile. */
static bool drain_stopped(const struct qr_cache *only,
			  bool (*stop_row)(const struct site *site))
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
	qr_lock_acquire(&pcpu.drain_lock);
	age_rows();
	qr_lock_release(&pcpu.drain_lock);
	qr_caches_for_each(age_barns, NULL);
}

void qr_pcpu_drain(struct qr_cache *only)
{
	qr_lock_acquire(&pcpu.drain_lock);
	drain_rows(only);
	qr_lock_release(&pcpu.drain_lock);
	if (only)
		drain_barns(only, NULL);
	else
		qr_caches_for_each(drain_barns, NULL);
}

void qr_pcpu_forget(struct qr_cache *cache)
{
	if (cache->number >= QR_MAX_CACHES)
		return;
	qr_lock_acquire(&pcpu.drain_lock);
	qr_caches[cache->number] = NULL;
	qr_lock_release(&pcpu.drain_lock);
}

/* Counting, under the drain lock: no row is stopped */

static size_t row_objects(const struct site *site)
{
	struct qr_row row = read_row(site);

	if (is_untouched(row) || is_stopped(row) ||
	    !is_plausible(site->cache, row))
		return 0;
	return row.at - row.al + row.ft - free_bottom(site->cache, row);
}

void qr_pcpu_count(struct qr_cache *cache, struct qr_pcpu_counts *ret_counts)
{
	struct qr_pcpu_counts sum = {0};

	qr_lock_acquire(&pcpu.drain_lock);
	for (unsigned id = 0; cache->number < QR_MAX_CACHES && id < pcpu.nr_ids;
	     id++) {
		struct site site;

		if (site_of((int32_t)id, cache->number, &site))
			sum.in_arrays += row_objects(&site);
	}
	qr_lock_release(&pcpu.drain_lock);
	for (uint64_t left = qr_nodes_mask(); left; left &= left - 1)
		sum.in_barns += __atomic_load_n(
			&qr_cache_node(cache, qr_ctz(left))->barn.nr_objects,
			__ATOMIC_RELAXED);
	*ret_counts = sum;
}

typedef void visit_fn(struct qr_cache *cache, void *object, void *arg);

static void visit_row(const struct site *site, visit_fn *visit, void *arg)
{
	struct qr_row row = read_row(site);
	unsigned bottom;

	if (is_untouched(row) || is_stopped(row) ||
	    !is_plausible(site->cache, row))
		return;
	bottom = free_bottom(site->cache, row);
	for (unsigned i = row.al; i < row.at; i++)
		visit(site->cache, (void *)site->region[i], arg);
	for (unsigned i = bottom; i < row.ft; i++)
		visit(site->cache, (void *)site->region[i], arg);
}

void qr_pcpu_for_each_cached(struct qr_cache *cache, visit_fn *visit, void *arg)
{
	for (unsigned id = 0; cache->number < QR_MAX_CACHES && id < pcpu.nr_ids;
	     id++) {
		struct site site;

		if (site_of((int32_t)id, cache->number, &site))
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

unsigned qr_pcpu_nr_regions(void)
{
	unsigned n = 0;

	for (unsigned id = 0; id < pcpu.nr_ids; id++)
		n += atomic_load_explicit(&pcpu.ready[id],
					  memory_order_relaxed);
	return n;
}

/* fork */

static unsigned nr_locked_regions(void)
{
	return qr_rseq.mode == QR_RSEQ_OFF ? pcpu.nr_ids : 0;
}

void qr_pcpu_lock_all(void)
{
	qr_lock_acquire(&pcpu.drain_lock);
	for (unsigned i = 0; i < nr_locked_regions(); i++)
		qr_lock_acquire(&region_locks[i].lock);
}

void qr_pcpu_unlock_all(bool child)
{
	for (unsigned i = 0; i < nr_locked_regions(); i++)
		qr_lock_after_fork(&region_locks[i].lock, child);
	qr_lock_after_fork(&pcpu.drain_lock, child);
}
