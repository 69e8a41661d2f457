/*
 * Threads: nobody owns memory.  What one thread allocated any other may
 * free, resize or outlive.
 */
#include "api.h"

#include <criterion/criterion.h>
#include <malloc.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

static void start(pthread_t *thread, void *(*run)(void *), void *arg)
{
	int error = pthread_create(thread, NULL, run, arg);

	cr_assert_eq(error, 0, "pthread_create: %s", strerror(error));
}

static void join_all(pthread_t *threads, size_t n)
{
	for (size_t i = 0; i < n; i++)
		pthread_join(threads[i], NULL);
}

/* A bounded queue between any number of threads. */
struct queue {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	void *items[256];
	size_t first, count;
};

static void queue_init(struct queue *queue)
{
	memset(queue, 0, sizeof(*queue));
	pthread_mutex_init(&queue->lock, NULL);
	pthread_cond_init(&queue->changed, NULL);
}

static void queue_put(struct queue *queue, void *item)
{
	pthread_mutex_lock(&queue->lock);
	while (queue->count == NR(queue->items))
		pthread_cond_wait(&queue->changed, &queue->lock);
	queue->items[(queue->first + queue->count++) % NR(queue->items)] = item;
	pthread_cond_broadcast(&queue->changed);
	pthread_mutex_unlock(&queue->lock);
}

static void *queue_get(struct queue *queue)
{
	void *item;

	pthread_mutex_lock(&queue->lock);
	while (!queue->count)
		pthread_cond_wait(&queue->changed, &queue->lock);
	item = queue->items[queue->first];
	queue->first = (queue->first + 1) % NR(queue->items);
	queue->count--;
	pthread_cond_broadcast(&queue->changed);
	pthread_mutex_unlock(&queue->lock);
	return item;
}

struct message {
	size_t size;
	uint64_t owner;
	unsigned char bytes[];
};

enum { MESSAGES = 20000, PRODUCERS = 3 };
static struct queue queue;
static _Atomic unsigned wrong;

static void *produce(void *arg)
{
	uint64_t random = (uint64_t)(uintptr_t)arg;

	for (unsigned i = 0; i < MESSAGES; i++) {
		size_t size = random_size(&random, 13);
		struct message *m = malloc(sizeof(*m) + size);

		m->size = size;
		m->owner = random;
		pattern_fill(m->bytes, size, m->owner);
		queue_put(&queue, m);
	}
	queue_put(&queue, NULL);
	return NULL;
}

static void *consume(void *arg)
{
	unsigned left = PRODUCERS;

	(void)arg;
	while (left) {
		struct message *m = queue_get(&queue);

		if (!m)
			left--;
		else if (pattern_check(m->bytes, m->size, m->owner) != m->size)
			wrong++;
		free(m);
	}
	return NULL;
}

Test(threads, one_thread_frees_what_three_allocate, .timeout = 120)
{
	pthread_t threads[PRODUCERS + 1];
	uint64_t seed = test_seed();

	queue_init(&queue);
	start(&threads[PRODUCERS], consume, NULL);
	for (unsigned i = 0; i < PRODUCERS; i++)
		start(&threads[i], produce, (void *)(uintptr_t)(seed + i));
	join_all(threads, NR(threads));
	cr_assert_eq(wrong, 0, "%u messages were changed", wrong);
}

/* jemalloc's thread_arena: each thread frees its predecessor's object. */
static void *replace(void *arg)
{
	char *theirs = arg, *ours;

	cr_assert(all_bytes(theirs, 1000, 0x11));
	free(theirs);
	ours = malloc(1000);
	memset(ours, 0x11, 1000);
	return ours;
}

Test(threads, objects_pass_from_thread_to_thread_that_ends)
{
	char *object = malloc(1000);

	memset(object, 0x11, 1000);
	for (unsigned i = 0; i < 500; i++) {
		pthread_t thread;
		void *next;

		start(&thread, replace, object);
		pthread_join(thread, &next);
		object = next;
	}
	free(object);
}

static void *live_shortly(void *arg)
{
	void *ptrs[5];

	(void)arg;
	for (size_t i = 0; i < NR(ptrs); i++) {
		ptrs[i] = malloc(20 + i * 300);
		memset(ptrs[i], 1, 20);
	}
	for (size_t i = 0; i < NR(ptrs); i++)
		free(ptrs[i]);
	return NULL;
}

Test(threads, two_thousand_short_ones_leave_nothing_behind, .timeout = 120)
{
	size_t before = 0, after = 0;
	size_t (*live)(void) = NULL;

	*(void **)&live = find_function("quarry_live_bytes");
	for (unsigned i = 0; i < 2000; i++) {
		pthread_t thread;

		start(&thread, live_shortly, NULL);
		pthread_join(thread, NULL);
		if (i == 10 && live)
			before = live();
	}
	if (live)
		after = live();
	cr_assert_leq(after, before + 4096);
}

static void *keep(void *arg)
{
	void **ret_ptr = arg;

	*ret_ptr = malloc(777);
	memset(*ret_ptr, 0x77, 777);
	return NULL;
}

Test(threads, objects_outlive_the_threads_that_made_them)
{
	void *ptrs[64];
	pthread_t threads[64];

	for (size_t i = 0; i < NR(ptrs); i++)
		start(&threads[i], keep, &ptrs[i]);
	join_all(threads, NR(threads));
	for (size_t i = 0; i < NR(ptrs); i++) {
		cr_assert(all_bytes(ptrs[i], 777, 0x77));
		ptrs[i] = realloc(ptrs[i], 77777);
		cr_assert(all_bytes(ptrs[i], 777, 0x77));
		free(ptrs[i]);
	}
}

/* jemalloc's tsd tests: the last things that a thread does. */
static pthread_key_t key;
static _Atomic unsigned destroyed;

static void destroy(void *value)
{
	void *ptr;

	free(value);
	ptr = calloc(1, 3000);
	ptr = realloc(ptr, KiB(100));
	free(ptr);
	/* comes back a few times, with memory of its own */
	if (++destroyed % 3)
		pthread_setspecific(key, malloc(100));
}

static void *set_key(void *arg)
{
	pthread_setspecific(key, arg ? arg : malloc(50));
	return NULL;
}

Test(threads, destructors_of_thread_data_allocate_and_free)
{
	cr_assert_eq(pthread_key_create(&key, destroy), 0);
	for (unsigned i = 0; i < 100; i++) {
		pthread_t thread;

		/* every second thread never allocates before its end */
		start(&thread, set_key, i % 2 ? malloc(64) : NULL);
		pthread_join(thread, NULL);
	}
	cr_assert_geq(destroyed, 300);
}

static void *only_free(void *arg)
{
	free(arg);
	return NULL;
}

Test(threads, a_thread_may_do_nothing_but_free)
{
	static const size_t sizes[] = {8, 500, KiB(20), KiB(100), MiB(8)};

	for (unsigned i = 0; i < 100; i++) {
		pthread_t thread;

		start(&thread, only_free, malloc(sizes[i % NR(sizes)]));
		pthread_join(thread, NULL);
	}
}

/* All threads take from and put into the same slots. */
enum { SLOTS = 1024, SWAPPERS = 4, SWAPS = 60000 };
static struct message *_Atomic slots[SLOTS];

static void *swap(void *arg)
{
	uint64_t random = (uint64_t)(uintptr_t)arg;

	for (unsigned i = 0; i < SWAPS; i++) {
		size_t size = random_size(&random, 11);
		struct message *m = malloc(sizeof(*m) + size);

		m->size = size;
		m->owner = random;
		pattern_fill(m->bytes, size, m->owner);
		m = atomic_exchange(&slots[random_below(&random, SLOTS)], m);
		if (m && i % 4 == 0)
			m = realloc(m, sizeof(*m) + m->size + i % 50);
		if (m && pattern_check(m->bytes, m->size, m->owner) != m->size)
			wrong++;
		free(m);
	}
	return NULL;
}

Test(threads, everybody_frees_everybodys_objects, .timeout = 120)
{
	pthread_t threads[SWAPPERS];
	uint64_t seed = test_seed();

	for (unsigned i = 0; i < SWAPPERS; i++)
		start(&threads[i], swap, (void *)(uintptr_t)(seed + i));
	join_all(threads, SWAPPERS);
	for (unsigned i = 0; i < SLOTS; i++)
		free(slots[i]);
	cr_assert_eq(wrong, 0, "%u objects were changed", wrong);
}

/* Started together, so that first use by many threads is raced. */
static pthread_barrier_t barrier;

static void *race(void *arg)
{
	void *ptrs[50];

	(void)arg;
	pthread_barrier_wait(&barrier);
	for (size_t i = 0; i < NR(ptrs); i++)
		ptrs[i] = calloc(1, 1 + i * i * 20);
	for (size_t i = 0; i < NR(ptrs); i++) {
		cr_assert(all_bytes(ptrs[i], 1 + i * i * 20, 0));
		free(ptrs[i]);
	}
	return NULL;
}

Test(threads, many_start_at_once)
{
	pthread_t threads[32];

	pthread_barrier_init(&barrier, NULL, NR(threads));
	for (size_t i = 0; i < NR(threads); i++)
		start(&threads[i], race, NULL);
	join_all(threads, NR(threads));
}
