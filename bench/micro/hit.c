/*
 * What do a malloc and a free cost, per size, when the cache in front holds
 * what is needed?  Eight blocks of one size live; the oldest is freed and a new
 * one taken, so that one operation does not wait for the block of the last.
 */
#include "shim.h"

#define LIVE 8

static void run(void *context, const struct bench_case *c, uint64_t operations)
{
	void *live[LIVE];

	(void)context;
	for (size_t i = 0; i < LIVE; i++)
		live[i] = bench_must(malloc(c->low));
	for (uint64_t i = 0; i < operations; i++) {
		void **slot = &live[i % LIVE];

		free(*slot);
		*slot = malloc(c->low);
		BENCH_KEEP(*slot);
	}
	for (size_t i = 0; i < LIVE; i++)
		free(live[i]);
}

int main(int argc, char **argv)
{
	static const size_t sizes[] = {1,    16,   32,	 48,	64,   128,
				       200,  256,  512,	 1000,	1024, 2048,
				       4096, 8192, 9000, 16384, 32768};

	bench_begin("hit", argc, argv);
	for (size_t i = 0; i < BENCH_LENGTH(sizes); i++)
		bench_add(&(struct bench_case){
			.label = bench_label("size=%zu", sizes[i]),
			.operation = "pair",
			.run = run,
			.low = sizes[i]});
	return bench_run();
}
