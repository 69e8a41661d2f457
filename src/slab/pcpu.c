#include "slab/pcpu.h"

#include "slab/barn.h"
#include "slab/hand.h"
#include "slab/row.h"
#include "slab/slab.h"

enum {
	HOT_MISSES = 8, /* of the CPU, between two of the row */
	FEW = 32, /* objects: of a full array so small, half stays */
	TURNS = 2,
	MANY = 1 << 7, /* in aux->turns: no topping up */
	NEAR_BYTES = 1 << 14, /* arrays of objects that these add */
	/* of objects that a change of roles tops up to */
	ROUND_BYTES = 1 << 15,
};

/* Twice the capacity, and one, if the array then holds at most @most bytes. */
static void grow(struct qr_site *site, size_t most)
{
	unsigned n = 2 * site->capacity + 1;

	if (n > site->cache->max_capacity ||
	    (n > QR_SMALL_CAPACITY && (size_t)n * site->cache->size > most))
		return;
	site->capacity = n;
	__atomic_store_n(&site->aux->capacity, (uint16_t)n, __ATOMIC_RELAXED);
	__atomic_store_n(&site->aux->turns, 0, __ATOMIC_RELAXED);
}

/*
 * A miss that the arrays could not serve.  One that comes few of the CPU's
 * misses after the row's last is of a program that needs a larger array; the
 * misses of a program that uses many sizes now and then are not.
 */
static void note_miss(struct qr_site *site)
{
	uint8_t now = qr_hand_clock(site);
	uint8_t then = __atomic_load_n(&site->aux->missed, __ATOMIC_RELAXED);

	__atomic_store_n(&site->aux->missed, now, __ATOMIC_RELAXED);
	if ((uint8_t)(now - then) <= HOT_MISSES)
		grow(site, qr_row_bytes());
}

/*
 * One that they could, but it cost as much as several hits.  True, every now
 * and then: top up.  A count lost between two threads does not matter.
 */
static bool note_turn(struct qr_site *site)
{
	uint8_t *turns = &site->aux->turns;
	uint8_t n = __atomic_load_n(turns, __ATOMIC_RELAXED);
	bool due = n % MANY >= TURNS - 1;

	__atomic_store_n(turns, due ? n - n % MANY : n + 1, __ATOMIC_RELAXED);
	if (due && (size_t)2 * site->capacity * site->cache->size < NEAR_BYTES)
		grow(site, NEAR_BYTES);
	return due && n < MANY;
}

/*
 * A full array left while the other had objects: more go round than it can
 * take.
 */
static void note_many(struct qr_site *site, struct qr_row row)
{
	if (row.at != row.al)
		__atomic_store_n(&site->aux->turns, MANY, __ATOMIC_RELAXED);
}

/* Between arrays and nodes */

/* Free objects in the order in which to hand them out. */
static size_t get_batch(struct qr_cache *cache, unsigned cpu, void **objects,
			size_t n)
{
	unsigned policy = qr_cache_policy(cache);
	struct qr_place place = qr_policy_place(policy);
	size_t got = qr_barn_get(&qr_cache_node(cache, place.node)->barn,
				 objects, n);

	if (!got)
		got = qr_slab_refill_at(cache, &place, cpu, objects, n);
	qr_policy_note(policy, &place, got * cache->size);
	return got;
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
	qr_row_verify(cache, &object, 1);
	put_batch(cache, UINT32_MAX, &object, 1);
}

/* Changing roles */

/* What a free array holds, looked at in place; confirmed on a copy. */
static void verify_array(const struct qr_site *site, struct qr_row row)
{
	unsigned bottom = qr_row_free_bottom(site->cache, row);
	size_t n = row.ft - bottom;
	void *copy[QR_MAX_BATCH];

	if (qr_likely(qr_rseq.mode != QR_RSEQ_OFF &&
		      qr_slab_glance(site->cache,
				     (void **)(void *)&site->region[bottom],
				     n)))
		return;
	/* it may have changed under our eyes: only a snapshot is proof */
	if (qr_row_change(site, row, row, copy, &site->region[bottom], n) == 0)
		qr_row_verify(site->cache, copy, n);
}

/*
 * And, with it, push @pushed, or pop an object if that is NULL.  Returns what
 * was pushed or popped; NULL: nothing was done.
 */
static void *change_roles(const struct qr_site *site, struct qr_row row,
			  void *pushed)
{
	unsigned bottom = qr_row_free_bottom(site->cache, row);
	struct qr_row next = {
		.at = row.ft,
		.al = bottom,
		.ft = row.al,
		.fl = row.al + qr_site_limit(site, qr_row_is_small(row)),
	};
	void *object = pushed;
	int rc;

	verify_array(site, row);
	if (pushed) {
		next.ft++;
		rc = qr_row_change(site, row, next, &site->region[row.al],
				   &object, 1);
	} else {
		next.at--;
		rc = qr_row_change(site, row, next, &object,
				   &site->region[row.ft - 1], 1);
	}
	return rc ? NULL : object;
}

/* As change_roles, for a machine with several nodes: strangers go home. */
static void change_roles_at_home(const struct qr_site *site, struct qr_row row)
{
	unsigned bottom = qr_row_free_bottom(site->cache, row);
	size_t n = row.ft - bottom, nr_kept = 0, nr_away = 0;
	void *kept[QR_MAX_BATCH], *away[QR_MAX_BATCH];
	unsigned policy = qr_cache_policy(site->cache), home = qr_home_node();
	struct qr_row emptied = row, next;

	emptied.ft = bottom;
	if (qr_row_change(site, row, emptied, kept, &site->region[bottom], n))
		return;
	qr_row_verify(site->cache, kept, n);
	for (size_t i = 0; i < n; i++) {
		unsigned node = qr_slab_node(site->cache, kept[i]);

		if (qr_policy_suits(policy, node, home))
			kept[nr_kept++] = kept[i];
		else
			away[nr_away++] = kept[i];
	}
	next = emptied;
	next.at = row.al + (unsigned)nr_kept;
	if (nr_kept && qr_row_change(site, emptied, next, &site->region[row.al],
				     kept, nr_kept))
		put_batch(site->cache, (unsigned)site->id, kept, nr_kept);
	if (nr_away)
		put_batch(site->cache, (unsigned)site->id, away, nr_away);
}

/* If nothing is in the free array, the other moves to the full-sized place. */
static void move_to_full(const struct qr_site *site, struct qr_row row)
{
	unsigned first = site->cache->first_slot;
	unsigned n = row.at - row.al;
	struct qr_row next = {.al = first, .at = first + n};

	if (!qr_row_is_small(row) || qr_row_is_stopped(row) ||
	    qr_row_is_untouched(row) ||
	    !qr_row_is_plausible(site->cache, row) ||
	    row.ft != qr_row_free_bottom(site->cache, row))
		return;
	next.ft = qr_row_array(site->cache, first, true);
	next.fl = next.ft + site->capacity;
	qr_row_change(site, row, next, &site->region[first],
		      &site->region[row.al], n);
}

/*
 * Few objects that go round and round cost a change of roles each time: add
 * some, while all of them fit the CPU's nearer caches.
 */
static void top_up(const struct qr_site *site, struct qr_row row)
{
	size_t n = row.at - row.al, more;
	size_t wish = qr_min(site->capacity, ROUND_BYTES / site->cache->size);
	void *objects[QR_MAX_BATCH];
	struct qr_row next = row;

	if (qr_row_is_stopped(row) || qr_row_is_untouched(row) ||
	    !qr_row_is_plausible(site->cache, row) || n >= wish ||
	    (qr_row_is_small(row) && site->capacity > QR_SMALL_CAPACITY))
		return;
	more = get_batch(site->cache, (unsigned)site->id, objects, wish - n);
	next.at += (uint32_t)more;
	if (more && qr_row_change(site, row, next, &site->region[row.at],
				  objects, more))
		put_batch(site->cache, (unsigned)site->id, objects, more);
}

/* As change_roles; NULL: the roles may have been changed. */
static void *turn(struct qr_site *site, struct qr_row row, void *pushed)
{
	bool due = note_turn(site);
	void *object = NULL;

	if (qr_likely(qr_nr_nodes() == 1))
		object = change_roles(site, row, pushed);
	else
		change_roles_at_home(site, row);
	if (qr_row_is_small(row) && site->capacity > QR_SMALL_CAPACITY)
		move_to_full(site, qr_row_read(site));
	if (due)
		top_up(site, qr_row_read(site));
	return object;
}

/* malloc's miss */

/*
 * Both arrays are empty: @objects, in the order to hand out, fill the first;
 * the occasion to move to the full-sized arrays.
 */
static bool fill(const struct qr_site *site, struct qr_row row,
		 void *const *objects, size_t n)
{
	void *reversed[QR_MAX_BATCH];
	bool small =
		qr_row_is_small(row) && site->capacity <= QR_SMALL_CAPACITY;
	unsigned first = qr_row_is_small(row) && !small
				 ? site->cache->first_slot
				 : row.al;
	struct qr_row next = {.al = first, .at = first + (unsigned)n};

	next.ft = qr_row_array(site->cache, first, true);
	next.fl = next.ft + qr_site_limit(site, small);
	for (size_t i = 0; i < n; i++)
		reversed[i] = objects[n - 1 - i];
	return qr_row_change(site, row, next, &site->region[first], reversed,
			     n) == 0;
}

static void *refill(struct qr_site *site, struct qr_row row)
{
	void *objects[QR_MAX_BATCH];
	size_t n = qr_clamp(site->capacity, 1, QR_MAX_BATCH);

	note_miss(site);
	n = get_batch(site->cache, (unsigned)site->id, objects, n);
	if (!n)
		return NULL;
	if (n > 1 && !fill(site, row, objects + 1, n - 1))
		put_batch(site->cache, (unsigned)site->id, objects + 1, n - 1);
	qr_hand_move(site);
	return objects[0];
}

void *qr_pcpu_alloc(struct qr_cache *cache)
{
	struct qr_site site;

	while (qr_site_here(cache, &site)) {
		struct qr_row row = qr_row_read(&site), next = row;
		void *object;

		if (qr_unlikely(qr_row_is_stopped(row)))
			break;
		if (row.at > row.al) {
			next.at--;
			if (qr_row_change(&site, row, next, &object,
					  &site.region[next.at], 1) == 0)
				return object;
		} else if (qr_row_is_untouched(row)) {
			qr_row_init(&site);
		} else if (!qr_row_is_plausible(cache, row)) {
			continue;
		} else if (row.ft > qr_row_free_bottom(cache, row)) {
			object = turn(&site, row, NULL);
			if (object)
				return object;
		} else {
			return refill(&site, row);
		}
	}
	return alloc_direct(cache);
}

/* free's miss */

/*
 * How many of @n freed objects leave a full array.  With few objects half of
 * them stays: a program that goes round with somewhat more than there is room
 * for would give all back and be short of some at the next turn.
 */
static unsigned leaving(unsigned n)
{
	return n < FEW ? n - n / 2 : n;
}

static void flush(struct qr_site *site, struct qr_row row)
{
	void *objects[QR_MAX_BATCH];
	size_t n = leaving(row.ft - qr_row_free_bottom(site->cache, row));
	struct qr_row next = row;

	next.ft -= (unsigned)n;
	if (qr_row_change(site, row, next, objects, &site->region[next.ft], n))
		return;
	note_many(site, row);
	note_miss(site);
	if (site->capacity > QR_SMALL_CAPACITY)
		move_to_full(site, next);
	qr_row_verify(site->cache, objects, n);
	put_batch(site->cache, (unsigned)site->id, objects, n);
	qr_hand_move(site);
}

void qr_pcpu_free(struct qr_cache *cache, void *object)
{
	struct qr_site site;

	while (qr_site_here(cache, &site)) {
		struct qr_row row = qr_row_read(&site), next = row;
		unsigned limit;

		if (qr_unlikely(qr_row_is_stopped(row)))
			break;
		limit = qr_row_free_bottom(cache, row) +
			qr_site_limit(&site, qr_row_is_small(row));
		if (row.ft < row.fl) {
			next.ft++;
			if (qr_row_change(&site, row, next,
					  &site.region[row.ft], &object,
					  1) == 0)
				return;
		} else if (qr_row_is_untouched(row)) {
			qr_row_init(&site);
		} else if (!qr_row_is_plausible(cache, row)) {
			continue;
		} else if (row.at == row.al) {
			if (turn(&site, row, object))
				return;
		} else if (row.fl < limit) {
			next.fl = limit;
			qr_row_change(&site, row, next, NULL, NULL, 0);
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
