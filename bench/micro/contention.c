/*
 * How does throughput change from 1 to 64 threads?  "own": each thread replaces
 * random ones of its own 1000 blocks, so nothing is shared but the allocator.
 * "exchanged": each new block goes into a random slot shared by all, and
 * whoever was there is freed by the thread that finds it.
 *
 * The total work is the same for every number of threads; elapsed time per pair
 * answers, and the series gives pairs per second against threads.
 */
#include "bench.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#define THREADS_MAX 64
#define OWN 1000
#define SHARED 4096

struct worker {
	pthread_t thread;
	uint64_t seed, pairs;
	bool exchanged;
};

static _Atomic(void *) shared[SHARED];
static pthread_barrier_t barrier;

static uint32_t draw_size(uint64_t *seed)
{
	return 16 + bench_below(seed, 497);
}

static void replace_own(struct worker *w)
{
	void *own[OWN] = {NULL};

	for (uint64_t i = 0; i < w->pairs; i++) {
		void **slot = &own[bench_below(&w->seed, OWN)];

		free(*slot);
		*slot = malloc(draw_size(&w->seed));
		*(volatile char *)*slot = 1;
	}
	for (size_t i = 0; i < OWN; i++)
		free(own[i]);
}

static void exchange(struct worker *w)
{
	for (uint64_t i = 0; i < w->pairs; i++) {
		void *p = malloc(draw_size(&w->seed));

		*(volatile char *)p = 1;
		free(atomic_exchange_explicit(
			&shared[bench_below(&w->seed, SHARED)], p,
			memory_order_acq_rel));
	}
}

static void *work(void *argument)
{
	struct worker *w = argument;

	pthread_barrier_wait(&barrier);
	if (w->exchanged)
		exchange(w);
	else
		replace_own(w);
	pthread_barrier_wait(&barrier);
	return NULL;
}

/* Returns elapsed ns per pair. */
static double ask(bool exchanged, int threads, uint64_t total)
{
	static struct worker workers[THREADS_MAX];
	double pairs = (double)(total / (uint64_t)threads * (uint64_t)threads);
	char label[64];

	pthread_barrier_init(&barrier, NULL, (unsigned)threads + 1);
	for (int i = 0; i < threads; i++) {
		workers[i].seed = bench_seed + (uint64_t)i;
		workers[i].pairs = total / (uint64_t)threads;
		workers[i].exchanged = exchanged;
		pthread_create(&workers[i].thread, NULL, work, &workers[i]);
	}
	uint64_t cpu = bench_cpu(), start = bench_now();

	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	double elapsed = (double)(bench_now() - start) / pairs;

	for (int i = 0; i < threads; i++)
		pthread_join(workers[i].thread, NULL);
	double spent = (double)(bench_cpu() - cpu) / pairs;

	pthread_barrier_destroy(&barrier);
	snprintf(label, sizeof(label), "%s threads=%d",
		 exchanged ? "exchanged" : "own", threads);
	bench_value(label, "ns_per_pair", elapsed, "ns", "less");
	bench_detail(label, "cpu_ns_per_pair", spent, "ns", "less");
	return elapsed;
}

int main(int argc, char **argv)
{
	static const int threads[] = {1, 2, 4, 8, 16, 32, 64};
	double x[BENCH_LENGTH(threads)], y[BENCH_LENGTH(threads)];

	bench_begin("contention", argc, argv);
	uint64_t total = bench_quick ? 1 << 19 : 1 << 23;

	for (int exchanged = 0; exchanged < 2; exchanged++) {
		for (size_t i = 0; i < BENCH_LENGTH(threads); i++) {
			x[i] = threads[i];
			y[i] = 1e9 / ask(exchanged, threads[i], total);
		}
		bench_series(exchanged ? "exchanged" : "own", "throughput",
			     BENCH_LENGTH(threads), x, y, "pairs/s");
	}
	return 0;
}
