/*
 * producers N: N threads that only allocate, one that only frees.  The program
 * holds 370 MiB of 592-byte objects and passes four times as many through;
 * it must not take much more than what is live.
 *
 * After microsoft/mimalloc's thread 1364, where 16 producers and a reclaimer
 * that never allocates grew without bound.
 */
#include "check.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/mman.h>

enum { OBJECT = 592, MOST = 16, ROUNDS = 4, BATCH = 64 };
static const size_t live_bytes = 370 * MIB;

/* One writer, one reader; @slots holds what is live of one producer. */
static struct ring {
	_Alignas(128) _Atomic size_t head; /* written by the producer */
	_Alignas(128) _Atomic size_t tail; /* by the reclaimer */
	void **slots;
} rings[MOST];
static size_t nr_rings, nr_slots;

static void *produce(void *arg)
{
	struct ring *ring = arg;
	size_t head = 0;

	while (head < nr_slots * ROUNDS) {
		/* pairs with the release in reclaim() */
		size_t tail =
			atomic_load_explicit(&ring->tail, memory_order_acquire);
		size_t room = tail + nr_slots - head;

		if (!room) {
			sched_yield();
			continue;
		}
		for (size_t i = 0; i < BATCH && i < room; i++) {
			unsigned char *p = malloc(OBJECT);

			CHECK(p);
			sign(p, OBJECT, head);
			ring->slots[head++ % nr_slots] = p;
		}
		/* pairs with the acquire in reclaim() */
		atomic_store_explicit(&ring->head, head, memory_order_release);
	}
	return NULL;
}

/* Free the oldest while a ring is nearly full and its producer goes on. */
static void *reclaim(void *arg)
{
	size_t done = 0;

	while (done < nr_rings) {
		bool idle = true;

		done = 0;
		for (size_t r = 0; r < nr_rings; r++) {
			struct ring *ring = &rings[r];
			size_t tail = atomic_load_explicit(
				&ring->tail, memory_order_relaxed);
			size_t head = atomic_load_explicit(
				&ring->head, memory_order_acquire);

			done += head == nr_slots * ROUNDS;
			if (head == nr_slots * ROUNDS ||
			    head - tail < nr_slots - BATCH)
				continue;
			idle = false;
			for (size_t i = 0; i < 2 * BATCH; i++, tail++) {
				void *p = ring->slots[tail % nr_slots];

				CHECK(is_signed(p, OBJECT, tail));
				free(p);
			}
			atomic_store_explicit(&ring->tail, tail,
					      memory_order_release);
		}
		if (idle)
			sched_yield();
	}
	return arg;
}

static void run(void)
{
	pthread_t threads[MOST + 1];

	for (size_t r = 0; r < nr_rings; r++)
		CHECK(!pthread_create(&threads[r], NULL, produce, &rings[r]));
	CHECK(!pthread_create(&threads[nr_rings], NULL, reclaim, NULL));
	for (size_t r = 0; r <= nr_rings; r++)
		CHECK(!pthread_join(threads[r], NULL));
}

int main(int argc, char **argv)
{
	size_t live = 0, bytes, before, peak;
	char name[64];

	check_library();
	CHECK(argc == 2);
	nr_rings = strtoul(argv[1], NULL, 10);
	CHECK(nr_rings >= 1 && nr_rings <= MOST);
	if (available() < 1 * GIB)
		skip("less than 1 GiB of memory left");
	nr_slots = live_bytes / OBJECT / nr_rings;
	for (size_t r = 0; r < nr_rings; r++) {
		bytes = nr_slots * sizeof(void *);
		rings[r].slots =
			mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
		CHECK(rings[r].slots != MAP_FAILED);
	}
	before = proc_bytes("/proc/self/status", "\nVmRSS:");
	run();
	for (size_t r = 0; r < nr_rings; r++)
		live += (rings[r].head - rings[r].tail) * OBJECT;
	printf("%zu MiB live at the end\n", live / MIB);
	peak = proc_bytes("/proc/self/status", "\nVmHWM:");
	snprintf(name, sizeof(name), "rss-over-live-%zu-producers", nr_rings);
	figure_at_most(name, (double)(peak - before) / (double)live_bytes,
		       "times", 1.4);
	for (size_t r = 0; r < nr_rings; r++)
		for (size_t i = rings[r].tail; i < rings[r].head; i++)
			free(rings[r].slots[i % nr_slots]);
	malloc_trim(0);
	figure_at_most("kept-after-freeing",
		       ((double)proc_bytes("/proc/self/status", "\nVmRSS:") -
			(double)before) /
			       MIB,
		       "MiB", 16);
	return 0;
}
