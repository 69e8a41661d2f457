/*
 * What is kept after freeing everything: 1 GiB of mixed sizes, by 4 threads
 * that free in another order than they allocated, partly each other's; then
 * malloc_trim(0).
 */
#include "check.h"

#include <pthread.h>
#include <sys/mman.h>
#include <sys/prctl.h>

enum { THREADS = 4, SLOTS = 1 << 19 };
static const size_t goal = 256 * MIB;

/* Outside of malloc, and given back before the measurement. */
static void **slots;
static size_t nr[THREADS];

static void *allocate(void *arg)
{
	size_t t = (uintptr_t)arg, got = 0;
	uint64_t state = t;

	while (got < goal && nr[t] < SLOTS) {
		size_t size = draw_size(&state, nr[t] % 64 ? 15 : 22);
		unsigned char *p = malloc(size);

		CHECK(p);
		for (size_t i = 0; i < size; i += 4 * KIB)
			p[i] = 1;
		slots[t * SLOTS + nr[t]++] = p;
		got += size;
	}
	return NULL;
}

/* Half of one's own and half of the next thread's. */
static void *release(void *arg)
{
	size_t t = (uintptr_t)arg, next = (t + 1) % THREADS;

	for (size_t i = 0; i < nr[t]; i += 2)
		free(slots[t * SLOTS + i]);
	for (size_t i = nr[next] | 1; i < nr[next] + 2; i -= 2)
		if (i < nr[next])
			free(slots[next * SLOTS + i]);
	return NULL;
}

static void run(void *(*function)(void *))
{
	pthread_t threads[THREADS];

	for (size_t t = 0; t < THREADS; t++)
		CHECK(!pthread_create(&threads[t], NULL, function,
				      as_pointer(t)));
	for (size_t t = 0; t < THREADS; t++)
		CHECK(!pthread_join(threads[t], NULL));
}

int main(void)
{
	const size_t bytes = THREADS * SLOTS * sizeof(*slots);
	size_t before, full;

	check_library();
	if (available() < 1536 * MIB)
		skip("less than 1.5 GiB of memory left");
	/* or a stack that is touched may be 2 MiB */
	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
	/* stacks and the like of threads are part of both */
	run(release);
	before = anonymous();
	slots = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(slots != MAP_FAILED);
	run(allocate);
	full = anonymous();
	run(release);
	CHECK(!munmap(slots, bytes));
	malloc_trim(0);
	printf("figure: full-with-1-GiB %zu MiB (none)\n", full / MIB);
	figure_at_most("kept-after-freeing-1-GiB",
		       ((double)anonymous() - (double)before) / MIB, "MiB", 4);
	return 0;
}
