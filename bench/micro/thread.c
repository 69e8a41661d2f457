/*
 * What does a thread cost that lives for a few allocations?  Created, so many
 * pairs made and freed, joined; one at a time and 32 at once.  An allocator
 * that builds a cache for every thread pays at both ends.
 */
#include "bench.h"

#include <pthread.h>
#include <stdio.h>

#define AT_ONCE_MAX 32
#define BLOCKS_MAX 1000

static void *live(void *argument)
{
	size_t count = *(const size_t *)argument;
	void *blocks[BLOCKS_MAX];

	for (size_t i = 0; i < count; i++) {
		blocks[i] = bench_must(malloc(16 + i % 32 * 16));
		*(volatile char *)blocks[i] = 1;
	}
	for (size_t i = 0; i < count; i++)
		free(blocks[i]);
	return NULL;
}

static void ask(size_t blocks, int at_once, int total)
{
	pthread_t threads[AT_ONCE_MAX];
	pthread_attr_t attr;
	uint64_t cpu = bench_cpu(), start = bench_now();
	char label[64];

	/* Small enough for the C library to keep them all. */
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 256 * BENCH_KIB);
	for (int done = 0; done < total; done += at_once) {
		for (int i = 0; i < at_once; i++)
			pthread_create(&threads[i], &attr, live, &blocks);
		for (int i = 0; i < at_once; i++)
			pthread_join(threads[i], NULL);
	}
	pthread_attr_destroy(&attr);
	snprintf(label, sizeof(label), "blocks=%zu at_once=%d", blocks,
		 at_once);
	bench_value(label, "cpu_us_per_thread",
		    (double)(bench_cpu() - cpu) / 1e3 / total, "us", "less");
	bench_detail(label, "us_per_thread",
		     (double)(bench_now() - start) / 1e3 / total, "us", "less");
}

int main(int argc, char **argv)
{
	static const size_t blocks[] = {1, 100, 1000};
	static const int at_once[] = {1, 32};

	bench_begin("thread", argc, argv);
	for (size_t i = 0; i < BENCH_LENGTH(blocks); i++)
		for (size_t j = 0; j < BENCH_LENGTH(at_once); j++)
			ask(blocks[i], at_once[j], bench_quick ? 320 : 3200);
	return 0;
}
