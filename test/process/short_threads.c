/*
 * Threads by the thousand, each living for a few operations: what one leaves
 * behind the next one frees, and a thread that is gone keeps nothing.
 */
#include "check.h"

#include <pthread.h>

enum { THREADS = 20000, AT_ONCE = 16, OPERATIONS = 24, SLOTS = 512 };

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct {
	void *ptr;
	size_t size;
} left[SLOTS];

/* Leave an object in the slot, and free what another thread left there. */
static void exchange(size_t slot, void *ptr, size_t size)
{
	void *old;
	size_t old_size;

	pthread_mutex_lock(&mutex);
	old = left[slot].ptr;
	old_size = left[slot].size;
	left[slot].ptr = ptr;
	left[slot].size = size;
	pthread_mutex_unlock(&mutex);
	if (old)
		CHECK(is_signed(old, old_size, slot));
	free(old);
}

static void *live_briefly(void *arg)
{
	uint64_t state = (uintptr_t)arg;

	for (int i = 0; i < OPERATIONS; i++) {
		size_t size = draw_size(&state, i ? 12 : 17);
		size_t slot = draw(&state) % SLOTS;
		void *p = malloc(size);

		CHECK(p);
		sign(p, size, slot);
		if (i % 2) {
			CHECK(is_signed(p, size, slot));
			free(p);
		} else {
			exchange(slot, p, size);
		}
	}
	return NULL;
}

int main(void)
{
	pthread_t threads[AT_ONCE];
	pthread_attr_t attr;
	uintptr_t key = (uintptr_t)seed() << 32;
	size_t before;

	check_library();
	CHECK(!pthread_attr_init(&attr));
	CHECK(!pthread_attr_setstacksize(&attr, 64 * KIB));
	before = anonymous();
	for (int i = 0; i < THREADS; i++) {
		if (i >= AT_ONCE)
			CHECK(!pthread_join(threads[i % AT_ONCE], NULL));
		CHECK(!pthread_create(&threads[i % AT_ONCE], &attr,
				      live_briefly,
				      as_pointer(key + (uintptr_t)i)));
	}
	for (int i = 0; i < AT_ONCE; i++)
		CHECK(!pthread_join(threads[i], NULL));
	figure_at_most("growth-by-20000-threads",
		       ((double)anonymous() - (double)before) / MIB, "MiB", 48);
	for (size_t i = 0; i < SLOTS; i++)
		exchange(i, NULL, 0);
	malloc_trim(0);
	figure_at_most("growth-after-trim",
		       ((double)anonymous() - (double)before) / MIB, "MiB", 8);
	return 0;
}
