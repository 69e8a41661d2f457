/*
 * Random use by several threads at once, every object's contents checked
 * over its whole usable size before it is resized or freed.
 */
#include "api.h"

#include <criterion/criterion.h>
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>

enum { THREADS = 4, OBJECTS = 600, STEPS = 40000, SHARED = 256 };

struct object {
	unsigned char *ptr;
	size_t size; /* pattern is there */
	uint64_t owner;
};

/* Objects on their way from thread to thread. */
static struct object shared[SHARED];
static pthread_mutex_t shared_lock = PTHREAD_MUTEX_INITIALIZER;
static _Atomic size_t live; /* bytes */
static _Atomic unsigned changed;

static void drop(struct object *object)
{
	size_t good;

	if (!object->ptr)
		return;
	good = pattern_check(object->ptr, object->size, object->owner);
	if (good != object->size && !changed++)
		fprintf(stderr, "%zu bytes at %p changed at %zu\n",
			object->size, (void *)object->ptr, good);
	free(object->ptr);
	live -= object->size;
	object->ptr = NULL;
}

static void *allocate(uint64_t *random, size_t size)
{
	size_t align = (size_t)8 << random_below(random, 10);
	void *ptr = NULL;

	switch (random_below(random, 8)) {
	case 0:
		ptr = aligned_alloc(align, size);
		break;
	case 1:
		if (posix_memalign(&ptr, align, size))
			ptr = NULL;
		break;
	case 2:
	case 3:
		ptr = calloc(1, size);
		if (ptr && !all_bytes(ptr, size, 0) && !changed++)
			fprintf(stderr, "calloc(1, %zu) is not zero\n", size);
		break;
	default:
		ptr = malloc(size);
	}
	return ptr;
}

static void fill(struct object *object, uint64_t *random)
{
	object->size = malloc_usable_size(object->ptr);
	object->owner = random_next(random);
	pattern_fill(object->ptr, object->size, object->owner);
	live += object->size;
}

static void renew(struct object *object, uint64_t *random, unsigned bits)
{
	drop(object);
	object->ptr = allocate(random, random_size(random, bits));
	if (object->ptr)
		fill(object, random);
}

static void resize(struct object *object, uint64_t *random, unsigned bits)
{
	size_t size = random_size(random, bits);
	size_t kept = object->size < size ? object->size : size;
	void *ptr;

	if (!object->ptr)
		return;
	ptr = realloc(object->ptr, size);
	if (!ptr)
		return;
	live -= object->size;
	object->ptr = ptr;
	if (pattern_check(ptr, kept, object->owner) != kept && !changed++)
		fprintf(stderr, "realloc from %zu to %zu lost bytes\n",
			object->size, size);
	fill(object, random);
}

static void exchange(struct object *object, uint64_t *random)
{
	size_t i = random_below(random, SHARED);
	struct object mine = *object;

	pthread_mutex_lock(&shared_lock);
	*object = shared[i];
	shared[i] = mine;
	pthread_mutex_unlock(&shared_lock);
}

static void *run(void *arg)
{
	uint64_t random = (uint64_t)(uintptr_t)arg;
	struct object *objects = calloc(OBJECTS, sizeof(*objects));

	for (unsigned i = 0; i < STEPS && !changed; i++) {
		struct object *object =
			&objects[random_below(&random, OBJECTS)];
		/* large ones are rare, and rarer where much is live */
		unsigned bits = i % 512 == 0 && live < MiB(64)	? 23
				: i % 16 == 0 && live < MiB(64) ? 16
								: 10;

		switch (random_below(&random, 4)) {
		case 0:
			drop(object);
			break;
		case 1:
			resize(object, &random, bits);
			break;
		case 2:
			exchange(object, &random);
			break;
		default:
			renew(object, &random, bits);
		}
	}
	for (unsigned i = 0; i < OBJECTS; i++)
		drop(&objects[i]);
	free(objects);
	return NULL;
}

Test(stress, contents_stay_whatever_the_others_do, .timeout = 240)
{
	pthread_t threads[THREADS];
	uint64_t seed = test_seed();

	for (unsigned i = 0; i < THREADS; i++)
		cr_assert_eq(pthread_create(&threads[i], NULL, run,
					    (void *)(uintptr_t)(seed + i)),
			     0);
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	for (unsigned i = 0; i < SHARED; i++)
		drop(&shared[i]);
	cr_assert_eq(changed, 0);
	cr_assert_eq(live, 0, "the test lost count");
}

/* Threads come and go while their objects go round. */
Test(stress, generations_of_threads_hand_their_objects_on, .timeout = 240)
{
	uint64_t seed = test_seed();

	for (unsigned generation = 0; generation < 40; generation++) {
		pthread_t threads[THREADS];

		for (unsigned i = 0; i < THREADS; i++) {
			uint64_t random = seed + generation * THREADS + i;
			struct object mine = {.ptr = NULL};

			/* the threads that run already may take it at once */
			renew(&mine, &random, 14);
			exchange(&mine, &random);
			drop(&mine);
			cr_assert_eq(pthread_create(&threads[i], NULL, run,
						    (void *)(uintptr_t)random),
				     0);
			/* the rest of this generation's time is short */
			if (i % 2)
				pthread_join(threads[i], NULL);
		}
		for (unsigned i = 0; i < THREADS; i += 2)
			pthread_join(threads[i], NULL);
	}
	for (unsigned i = 0; i < SHARED; i++)
		drop(&shared[i]);
	cr_assert_eq(changed, 0);
}
