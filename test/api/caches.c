/*
 * quarry.h: caches that programs make.  What jemalloc's tests ask of arenas
 * that one makes, and of allocation in batches, is asked of them here.
 */
#include "quarry.h"

#include "api.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

static struct quarry_cache *create(size_t size, size_t align)
{
	struct quarry_cache *cache = quarry_cache_create(
		"test", size, align, NULL, QUARRY_CACHE_DEFAULT);

	cr_assert(cache, "objects of %zu at %zu", size, align);
	return cache;
}

static void destroy(struct quarry_cache *cache)
{
	int error = quarry_cache_destroy(cache);

	cr_assert_eq(error, 0, "destroy: %s", strerror(error));
}

static void check_batch(struct quarry_cache *cache, size_t size, size_t align,
			size_t count)
{
	static void *objects[5000];

	cr_assert(quarry_cache_alloc_bulk(cache, count, objects));
	for (size_t i = 0; i < count; i++) {
		cr_assert(is_aligned(objects[i], align));
		cr_assert_geq(malloc_usable_size(objects[i]), size);
		pattern_fill(objects[i], size, i);
	}
	for (size_t i = 0; i < count; i++)
		cr_assert_eq(pattern_check(objects[i], size, i), size,
			     "object %zu of %zu, %zu bytes", i, count, size);
	quarry_cache_free_bulk(cache, count, objects);
}

/* jemalloc's batch_alloc */
Test(caches, batches_of_any_number_are_distinct_objects)
{
	static const size_t counts[] = {0, 1, 2, 31, 32, 33, 500, 5000};
	static const size_t sizes[] = {1, 8, 24, 100, 1000, 5000};

	for (size_t i = 0; i < NR(sizes); i++) {
		struct quarry_cache *cache = create(sizes[i], 0);

		for (size_t k = 0; k < NR(counts); k++)
			check_batch(cache, sizes[i], 16, counts[k]);
		destroy(cache);
	}
}

/* jemalloc's mallocx: size against alignment */
Test(caches, objects_are_where_their_alignment_asks)
{
	for (size_t align = 1; align <= KiB(4); align *= 2) {
		for (size_t size = 1; size <= 3 * align; size += 1 + align / 3) {
			struct quarry_cache *cache = create(size, align);

			check_batch(cache, size, align, 40);
			destroy(cache);
		}
	}
}

Test(caches, objects_on_lines_of_their_own_share_none)
{
	struct quarry_cache *cache = quarry_cache_create(
		"lines", 24, 0, NULL, QUARRY_CACHE_HWALIGN);
	void *objects[100];

	cr_assert(cache);
	cr_assert(quarry_cache_alloc_bulk(cache, NR(objects), objects));
	for (size_t i = 0; i < NR(objects); i++)
		cr_assert(is_aligned(objects[i], 64));
	quarry_cache_free_bulk(cache, NR(objects), objects);
	destroy(cache);
}

static size_t constructed;

static void construct(void *object)
{
	constructed++;
	memcpy(object, "made", 4);
}

Test(caches, a_constructor_runs_on_fresh_objects_and_no_others)
{
	struct quarry_cache *cache = quarry_cache_create(
		"made", 80, 0, construct, QUARRY_CACHE_DEFAULT);
	static void *objects[300];
	size_t first = 0;

	cr_assert(cache);
	for (unsigned round = 0; round < 50; round++) {
		cr_assert(quarry_cache_alloc_bulk(cache, NR(objects), objects));
		for (size_t i = 0; i < NR(objects); i++)
			cr_assert(!memcmp(objects[i], "made", 4));
		quarry_cache_free_bulk(cache, NR(objects), objects);
		if (!round)
			first = constructed;
	}
	cr_assert_geq(first, NR(objects));
	/* a round more or less: another CPU has an array of its own */
	cr_assert_lt(constructed, 20 * first);
	destroy(cache);
}

/* jemalloc's zero */
Test(caches, a_cache_may_promise_zeros)
{
	struct quarry_cache *cache =
		quarry_cache_create("zeros", 700, 0, NULL, QUARRY_CACHE_ZERO);
	void *objects[200], *one;

	cr_assert(cache);
	for (unsigned round = 0; round < 10; round++) {
		cr_assert(quarry_cache_alloc_bulk(cache, NR(objects), objects));
		for (size_t i = 0; i < NR(objects); i++) {
			cr_assert(all_bytes(objects[i], 700, 0));
			memset(objects[i], 0xa5, 700);
		}
		quarry_cache_free_bulk(cache, NR(objects), objects);
		one = quarry_cache_alloc(cache);
		cr_assert(all_bytes(one, 700, 0));
		memset(one, 0x5a, 700);
		quarry_cache_free(cache, one);
	}
	destroy(cache);
}

Test(caches, what_makes_no_cache_is_refused)
{
	static const struct {
		size_t size, align;
		void (*constructor)(void *object);
		unsigned flags;
	} wrong[] = {
		{0, 0, NULL, 0},
		{SIZE_MAX, 0, NULL, 0},
		{8, 3, NULL, 0},
		{8, KiB(8), NULL, 0},
		{8, 0, NULL, 1 << 20},
		{8, 0, construct, QUARRY_CACHE_ZERO},
	};

	for (size_t i = 0; i < NR(wrong); i++) {
		errno = 0;
		cr_assert_null(quarry_cache_create("wrong", wrong[i].size,
						   wrong[i].align,
						   wrong[i].constructor,
						   wrong[i].flags));
		cr_assert_eq(errno, EINVAL, "case %zu", i);
	}
	cr_assert_eq(quarry_cache_destroy(NULL), 0);
}

Test(caches, free_takes_their_objects_and_null_is_none)
{
	struct quarry_cache *cache = create(200, 0);

	for (unsigned i = 0; i < 1000; i++) {
		void *object = quarry_cache_alloc(cache);

		cr_assert(object);
		free(object);
		quarry_cache_free(cache, NULL);
	}
	destroy(cache);
}

/* jemalloc's arena_reset: a thousand that come and go leave nothing. */
Test(caches, caches_that_are_destroyed_leave_nothing)
{
	size_t before = 0;
	void *objects[30];

	for (unsigned i = 0; i < 1000; i++) {
		struct quarry_cache *cache = create(1 + i * 7 % 3000, 0);

		cr_assert(quarry_cache_alloc_bulk(cache, NR(objects), objects));
		quarry_cache_free_bulk(cache, NR(objects), objects);
		destroy(cache);
		if (i == 10)
			before = quarry_live_bytes();
	}
	cr_assert_eq(quarry_live_bytes(), before);
}

/* More at a time than there are numbers with arrays for them. */
Test(caches, any_number_of_them_live_side_by_side)
{
	static struct quarry_cache *caches[400];
	static void *objects[NR(caches)];

	for (size_t i = 0; i < NR(caches); i++) {
		caches[i] = create(16 + i, 0);
		objects[i] = quarry_cache_alloc(caches[i]);
		cr_assert(objects[i]);
		pattern_fill(objects[i], 16 + i, i);
	}
	for (size_t i = 0; i < NR(caches); i++) {
		cr_assert_eq(pattern_check(objects[i], 16 + i, i), 16 + i);
		quarry_cache_free(caches[i], objects[i]);
		destroy(caches[i]);
	}
}

/* Most slabs that get empty go back by themselves; then none is left. */
Test(caches, to_shrink_leaves_nothing_that_is_free_and_all_that_is_not)
{
	enum { N = 4000, SIZE = 1000 };
	static void *objects[N];
	struct quarry_cache *cache = create(SIZE, 0);

	cr_assert(quarry_cache_alloc_bulk(cache, N, objects));
	for (size_t i = 0; i < N; i++)
		pattern_fill(objects[i], SIZE, i);
	quarry_cache_free_bulk(cache, N / 2, objects);
	quarry_cache_shrink(cache);
	cr_assert_eq(quarry_cache_shrink(cache), 0);
	for (size_t i = N / 2; i < N; i++)
		cr_assert_eq(pattern_check(objects[i], SIZE, i), SIZE);
	quarry_cache_free_bulk(cache, N / 2, &objects[N / 2]);
	cr_assert_gt(quarry_cache_shrink(cache), 0);
	cr_assert_eq(quarry_cache_shrink(cache), 0);
	destroy(cache);
}

enum { WORKERS = 4, ROUNDS = 300, BATCH = 64 };
static struct quarry_cache *shared_cache;
static pthread_mutex_t exchange_lock = PTHREAD_MUTEX_INITIALIZER;
static void *left[BATCH];

/* Each frees what another one allocated. */
static void *work(void *arg)
{
	void *mine[BATCH], *theirs[BATCH];

	for (unsigned round = 0; round < ROUNDS; round++) {
		if (!quarry_cache_alloc_bulk(shared_cache, BATCH, mine))
			return arg;
		pthread_mutex_lock(&exchange_lock);
		memcpy(theirs, left, sizeof(left));
		memcpy(left, mine, sizeof(left));
		pthread_mutex_unlock(&exchange_lock);
		for (size_t i = 0; i < BATCH; i++)
			quarry_cache_free(shared_cache, theirs[i]);
	}
	return NULL;
}

Test(caches, threads_share_one_and_all_is_counted)
{
	pthread_t threads[WORKERS];
	void *failed;

	shared_cache = create(48, 0);
	for (size_t i = 0; i < WORKERS; i++)
		cr_assert_eq(pthread_create(&threads[i], NULL, work, left), 0);
	for (size_t i = 0; i < WORKERS; i++) {
		pthread_join(threads[i], &failed);
		cr_assert_null(failed);
	}
	cr_assert_eq(quarry_cache_destroy(shared_cache), EBUSY);
	quarry_cache_free_bulk(shared_cache, BATCH, left);
	destroy(shared_cache);
}

Test(caches, a_child_of_fork_goes_on_with_them)
{
	struct quarry_cache *cache = create(300, 0);
	void *object = quarry_cache_alloc(cache), *more[100];
	int status;
	pid_t child = fork();

	if (!child) {
		quarry_cache_free(cache, object);
		if (!quarry_cache_alloc_bulk(cache, NR(more), more))
			_exit(1);
		quarry_cache_free_bulk(cache, NR(more), more);
		_exit(quarry_cache_destroy(cache) ? 2 : 0);
	}
	cr_assert_eq(waitpid(child, &status, 0), child);
	cr_assert_eq(status, 0, "status %#x", (unsigned)status);
	quarry_cache_free(cache, object);
	destroy(cache);
}
