/*
 * What does a block cost that one thread allocates and another frees?  A
 * producer passes blocks through a ring to a consumer that writes and frees
 * them; with two pairs, four threads.  64 bytes, 592 (a size that made other
 * allocators grow without end), and 8 KiB.
 *
 * The ring is published by 32 blocks at a time, so that its own cache misses
 * stay below the allocator's.  Elapsed time answers; CPU time includes waiting.
 */
#include "bench.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>

#define RING 4096
#define PUBLISH 32
#define PAIRS_MAX 2

struct ring {
	_Alignas(128) _Atomic uint64_t head; /* written by the producer */
	_Alignas(128) _Atomic uint64_t tail; /* written by the consumer */
	_Alignas(128) void *blocks[RING];
	uint64_t total;
	size_t size;
};

static void *produce(void *argument)
{
	struct ring *r = argument;

	for (uint64_t at = 0; at < r->total; at += PUBLISH) {
		/* Pairs with the consumer's release: its blocks are gone. */
		while (at + PUBLISH -
			       atomic_load_explicit(&r->tail,
						    memory_order_acquire) >
		       RING)
			sched_yield();
		for (uint64_t i = at; i < at + PUBLISH; i++) {
			void *p = bench_must(malloc(r->size));

			*(volatile char *)p = 1;
			r->blocks[i % RING] = p;
		}
		atomic_store_explicit(&r->head, at + PUBLISH,
				      memory_order_release);
	}
	return NULL;
}

static void *consume(void *argument)
{
	struct ring *r = argument;

	for (uint64_t at = 0; at < r->total; at += PUBLISH) {
		/* Pairs with the producer's release: the blocks are there. */
		while (atomic_load_explicit(&r->head, memory_order_acquire) ==
		       at)
			sched_yield();
		for (uint64_t i = at; i < at + PUBLISH; i++) {
			char *p = r->blocks[i % RING];

			((volatile char *)p)[r->size - 1] = 1;
			free(p);
		}
		atomic_store_explicit(&r->tail, at + PUBLISH,
				      memory_order_release);
	}
	return NULL;
}

static void ask(struct ring *rings, int pairs, size_t size, uint64_t total)
{
	pthread_t threads[2 * PAIRS_MAX];
	uint64_t start = bench_now(), cpu = bench_cpu();
	char label[64];

	for (int i = 0; i < pairs; i++) {
		atomic_store(&rings[i].head, 0);
		atomic_store(&rings[i].tail, 0);
		rings[i].total = total;
		rings[i].size = size;
		pthread_create(&threads[2 * i], NULL, consume, &rings[i]);
		pthread_create(&threads[2 * i + 1], NULL, produce, &rings[i]);
	}
	for (int i = 0; i < 2 * pairs; i++)
		pthread_join(threads[i], NULL);

	double blocks = (double)(total * (uint64_t)pairs);
	double elapsed = (double)(bench_now() - start);

	snprintf(label, sizeof(label), "size=%zu pairs=%d", size, pairs);
	bench_value(label, "ns_per_block", elapsed / blocks, "ns", "less");
	bench_detail(label, "cpu_ns_per_block",
		     (double)(bench_cpu() - cpu) / blocks, "ns", "less");
}

int main(int argc, char **argv)
{
	bench_begin("handoff", argc, argv);

	struct ring *rings = bench_own(PAIRS_MAX * sizeof(*rings));
	uint64_t total = (bench_quick ? 5000 : 100000) * (uint64_t)PUBLISH;

	for (int pairs = 1; pairs <= PAIRS_MAX; pairs++) {
		ask(rings, pairs, 64, total);
		ask(rings, pairs, 592, total / 2);
		ask(rings, pairs, 8192, total / 8);
	}
	return 0;
}
