/*
 * What does an aligned block cost?  Eight live, the oldest replaced, at
 * alignments from a cache line to a huge page.  Blocks of 2 MiB are not
 * written: that is page faults, and bench-huge asks about those.
 */
#include "shim.h"

#define LIVE 8

static void run(void *context, const struct bench_case *c, uint64_t operations)
{
	void *live[LIVE] = {NULL};

	(void)context;
	for (uint64_t i = 0; i < operations; i++) {
		void **slot = &live[i % LIVE];

		free(*slot);
		*slot = aligned_alloc(c->high, c->low);
		BENCH_KEEP(*slot);
	}
	for (size_t i = 0; i < LIVE; i++)
		free(live[i]);
}

static void add(size_t align, size_t size)
{
	bench_add(&(struct bench_case){
		.label = bench_label("align=%zu size=%zu", align, size),
		.operation = "pair",
		.run = run,
		.low = size,
		.high = align});
}

int main(int argc, char **argv)
{
	bench_begin("aligned", argc, argv);
	add(16, 64);
	add(32, 96);
	add(64, 64);
	add(64, 192);
	add(64, 1024);
	add(256, 256);
	add(4096, 4096);
	add(4096, 12288);
	add(65536, 65536);
	add(2 * BENCH_MIB, 2 * BENCH_MIB);
	return bench_run();
}
