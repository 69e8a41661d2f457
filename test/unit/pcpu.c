#include "slab.h"

#include "slab/row.h"

#include <pthread.h>

enum { THREADS = 4, OBJECTS = 500, ROUNDS = 2000 };

Test(pcpu, what_is_freed_comes_back)
{
	struct qr_cache *cache;
	void *object, *again = NULL;

	slab_init();
	cache = cache_of(64);
	object = qr_pcpu_alloc(cache);
	qr_pcpu_free(cache, object);
	for (int i = 0; i < 1000 && again != object; i++)
		again = qr_pcpu_alloc(cache);
	cr_assert_eq(again, object);
}

Test(pcpu, counts_are_exact_and_a_drain_leaves_nothing_behind)
{
	static void *objects[OBJECTS];
	struct qr_pcpu_counts counts;
	struct qr_cache *cache;

	slab_init();
	cache = cache_of(200);
	for (int i = 0; i < OBJECTS; i++)
		objects[i] = qr_pcpu_alloc(cache);
	cr_assert_eq(qr_cache_live(cache), OBJECTS);
	for (int i = 0; i < OBJECTS; i++) {
		qr_pcpu_free(cache, objects[i]);
		cr_assert_eq(qr_cache_live(cache), (size_t)(OBJECTS - 1 - i));
	}
	qr_pcpu_drain(cache);
	qr_pcpu_count(cache, &counts);
	cr_assert_eq(counts.in_arrays + counts.in_barns, 0);
	cr_assert_eq(qr_cache_node(cache, 0)->nr_inuse, 0);
	cr_assert_null(qr_slab_check(cache, 0));
}

Test(pcpu, bulk_gives_distinct_objects)
{
	static void *objects[OBJECTS];
	struct qr_cache *cache;
	bool twice;

	slab_init();
	cache = cache_of(32);
	cr_assert_eq(qr_pcpu_alloc_bulk(cache, objects, OBJECTS),
		     (size_t)OBJECTS);
	for (int i = 0; i < OBJECTS; i++)
		memset(objects[i], i, 32);
	for (int i = 0; i < OBJECTS; i++) {
		unsigned char *bytes = objects[i];

		cr_assert(bytes[0] == (unsigned char)i &&
			  bytes[31] == (unsigned char)i);
	}
	cr_assert_null(qr_slab_find_offender(cache, objects, 100, &twice));
	qr_pcpu_free_bulk(cache, objects, OBJECTS);
	cr_assert_eq(qr_cache_live(cache), 0);
}

/* A pass is a tick of the reclaimer, of arrays unused since the one before. */
Test(pcpu, what_belongs_to_another_node_is_home_after_a_pass)
{
	static void *objects[OBJECTS];
	struct qr_pcpu_counts counts;
	struct qr_cache_node *there;
	struct qr_cache *cache;
	unsigned away;

	slab_init_nodes(3);
	cache = cache_of(64);
	away = !qr_home_node();
	there = qr_cache_node(cache, away);
	qr_policy_set_thread((unsigned)qr_policy_number(QR_POLICY_BIND,
							UINT64_C(1) << away));
	for (int i = 0; i < OBJECTS; i++) {
		objects[i] = qr_pcpu_alloc(cache);
		cr_assert_eq(qr_slab_node(cache, objects[i]), away);
	}
	qr_policy_set_thread(QR_NO_POLICY);
	for (int i = 0; i < OBJECTS; i++)
		qr_pcpu_free(cache, objects[i]);
	qr_pcpu_count(cache, &counts);
	cr_assert_gt(counts.in_arrays, 0u);
	qr_pcpu_age();
	qr_pcpu_age();
	qr_pcpu_count(cache, &counts);
	cr_assert_eq(counts.in_arrays, 0u);
	cr_assert_eq(there->nr_inuse, there->barn.nr_objects);
	cr_assert_eq(qr_cache_node(cache, !away)->nr_inuse, 0u);
	cr_assert_null(qr_slab_check(cache, away));
}

/* What this node's CPUs get is never what they freed of the other's. */
Test(pcpu, what_belongs_to_another_node_is_handed_out_to_nobody_here)
{
	struct qr_cache *cache;
	unsigned home;

	slab_init_nodes(3);
	cache = cache_of(64);
	home = qr_home_node();
	for (int i = 0; i < ROUNDS; i++) {
		void *local = qr_pcpu_alloc(cache), *remote;

		qr_policy_set_thread((unsigned)qr_policy_number(
			QR_POLICY_BIND, UINT64_C(1) << !home));
		remote = qr_pcpu_alloc(cache);
		qr_policy_set_thread(QR_NO_POLICY);
		cr_assert_eq(qr_slab_node(cache, local), home);
		cr_assert_eq(qr_slab_node(cache, remote), !home);
		qr_pcpu_free(cache, remote);
		if (i % 3)
			qr_pcpu_free(cache, local);
	}
}

/*
 * Threads pass objects round: each frees what its neighbour allocated.  An
 * object that two have at once would show in its owner's mark.
 */
static size_t cached(struct qr_cache *cache)
{
	struct qr_pcpu_counts counts;

	qr_pcpu_count(cache, &counts);
	return counts.in_arrays + counts.in_barns;
}

Test(pcpu, what_a_row_holds_unused_goes_back_by_the_misses_of_others)
{
	static void *objects[OBJECTS];
	struct qr_cache *idle, *busy;

	slab_init();
	idle = cache_of(96);
	busy = cache_of(512);
	for (int i = 0; i < OBJECTS; i++)
		objects[i] = qr_pcpu_alloc(idle);
	for (int i = 0; i < OBJECTS; i++)
		qr_pcpu_free(idle, objects[i]);
	cr_assert_gt(cached(idle), 0u);
	for (int i = 0; i < 4 * OBJECTS; i++)
		cr_assert(qr_pcpu_alloc(busy));
	cr_assert_eq(cached(idle), 0u);
	cr_assert_eq(qr_cache_node(idle, 0)->nr_slabs, 0u);
	cr_assert_null(qr_slab_check(idle, 0));
}

/* stop() had read the row before the hand emptied it, and wrote after it. */
Test(pcpu, a_row_that_was_emptied_while_it_was_stopped_is_opened_again)
{
	struct qr_cache *cache;
	struct qr_site site;

	slab_init();
	cache = cache_of(112);
	cr_assert(qr_pcpu_alloc(cache_of(64)));
	cr_assert(qr_pcpu_alloc(cache));
	cr_assert(qr_site_here(cache, &site));
	if (qr_rseq.mode == QR_RSEQ_OFF)
		return; /* a lock is held all along */
	*site.row = (struct qr_row){.al = QR_ROW_STOPPED};
	qr_pcpu_drain(NULL);
	cr_assert(qr_row_is_untouched(qr_row_read(&site)));
	cr_assert(qr_pcpu_alloc(cache));
}

Test(pcpu, arrays_of_a_small_heap_hold_little)
{
	static void *objects[OBJECTS];
	struct qr_cache *cache;

	slab_init();
	cache = cache_of(4096);
	for (int i = 0; i < OBJECTS / 5; i++)
		objects[i] = qr_pcpu_alloc(cache);
	for (int i = 0; i < OBJECTS / 5; i++)
		qr_pcpu_free(cache, objects[i]);
	/* two arrays, and a barn */
	cr_assert_leq(cached(cache), 2 * 7u + 16u);
	qr_budget_add(1024 * MIB); /* as if */
	for (int round = 0; round < 8; round++) {
		for (int i = 0; i < OBJECTS / 5; i++)
			objects[i] = qr_pcpu_alloc(cache);
		for (int i = 0; i < OBJECTS / 5; i++)
			qr_pcpu_free(cache, objects[i]);
	}
	cr_assert_gt(cached(cache), 2 * 7u + 16u);
}

struct mailbox {
	pthread_mutex_t lock;
	void *objects[OBJECTS];
	int n;
};

static struct mailbox mailboxes[THREADS];
static struct qr_cache *shared;
static _Atomic bool stop_draining;
static _Atomic unsigned wrong;

static void post(struct mailbox *box, void *object)
{
	pthread_mutex_lock(&box->lock);
	if (box->n < OBJECTS) {
		box->objects[box->n++] = object;
		object = NULL;
	}
	pthread_mutex_unlock(&box->lock);
	if (object) {
		*(void **)object = NULL;
		qr_pcpu_free(shared, object);
	}
}

static void empty(struct mailbox *box)
{
	pthread_mutex_lock(&box->lock);
	while (box->n) {
		void **object = box->objects[--box->n];

		if (*object != object)
			wrong++;
		*object = NULL;
		qr_pcpu_free(shared, object);
	}
	pthread_mutex_unlock(&box->lock);
}

static void *pass_round(void *arg)
{
	size_t me = (size_t)arg;

	for (int round = 0; round < ROUNDS; round++) {
		for (int i = 0; i < 20; i++) {
			void **object = qr_pcpu_alloc(shared);

			*object = object;
			post(&mailboxes[(me + 1) % THREADS], object);
		}
		empty(&mailboxes[me]);
	}
	return NULL;
}

static void *drain_meanwhile(void *arg)
{
	while (!stop_draining)
		qr_pcpu_drain(shared);
	return arg;
}

Test(pcpu, objects_that_go_round_between_threads_while_others_drain)
{
	pthread_t threads[THREADS], drainer;

	slab_init();
	shared = cache_of(80);
	for (size_t i = 0; i < THREADS; i++)
		pthread_mutex_init(&mailboxes[i].lock, NULL);
	pthread_create(&drainer, NULL, drain_meanwhile, NULL);
	for (size_t i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, pass_round, (void *)i);
	for (size_t i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	stop_draining = true;
	pthread_join(drainer, NULL);
	for (size_t i = 0; i < THREADS; i++)
		empty(&mailboxes[i]);
	cr_assert_eq(wrong, 0);
	cr_assert_eq(qr_cache_live(shared), 0);
	qr_pcpu_drain(shared);
	cr_assert_eq(qr_cache_node(shared, 0)->nr_inuse, 0);
	cr_assert_null(qr_slab_check(shared, 0));
}
