/*
 * Do blocks of different threads share cache lines?  Two threads write again
 * and again to a small block of their own.  "active": each allocates its own.
 * "passive": each first frees one of two neighbours that the main thread made,
 * and may get it back.  A shared line costs many times a write.
 */
#include "bench.h"

#include <pthread.h>
#include <stdio.h>

#define THREADS 2
#define WRITES 200

struct worker {
	pthread_t thread;
	void *gift;
	int rounds;
	size_t size;
};

static pthread_barrier_t barrier;

static void *work(void *argument)
{
	struct worker *w = argument;

	pthread_barrier_wait(&barrier);
	free(w->gift);
	for (int i = 0; i < w->rounds; i++) {
		volatile char *p = bench_must(malloc(w->size));

		for (int k = 0; k < WRITES; k++)
			p[k % (int)w->size]++;
		free((void *)(uintptr_t)p);
	}
	pthread_barrier_wait(&barrier);
	return NULL;
}

static void ask(bool passive, size_t size, int rounds)
{
	struct worker workers[THREADS];
	char label[64];

	pthread_barrier_init(&barrier, NULL, THREADS + 1);
	for (int i = 0; i < THREADS; i++)
		workers[i] = (struct worker){
			.gift = passive ? bench_must(malloc(size)) : NULL,
			.rounds = rounds,
			.size = size};
	for (int i = 0; i < THREADS; i++)
		pthread_create(&workers[i].thread, NULL, work, &workers[i]);
	pthread_barrier_wait(&barrier);
	uint64_t start = bench_now();

	pthread_barrier_wait(&barrier);
	double elapsed = (double)(bench_now() - start);

	for (int i = 0; i < THREADS; i++)
		pthread_join(workers[i].thread, NULL);
	pthread_barrier_destroy(&barrier);
	snprintf(label, sizeof(label), "%s size=%zu",
		 passive ? "passive" : "active", size);
	bench_value(label, "ns_per_write", elapsed / ((double)rounds * WRITES),
		    "ns", "less");
}

int main(int argc, char **argv)
{
	static const size_t sizes[] = {8, 32};

	bench_begin("sharing", argc, argv);
	for (int passive = 0; passive < 2; passive++)
		for (size_t i = 0; i < BENCH_LENGTH(sizes); i++)
			ask(passive, sizes[i], bench_quick ? 100000 : 1000000);
	return 0;
}
