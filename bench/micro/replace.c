/*
 * What does it cost to replace a random one of N live blocks?  20 000 small
 * blocks (the common case of a program with data), medium ones of 4 to 32 KiB,
 * and large ones of 0.1 to 1 MiB.  The first line of each new block is written.
 * Sizes and victims are drawn before the clock runs, and each block has been
 * replaced four times on average: what a heap costs that has settled.
 */
#include "shim.h"

#define SCRIPT 16384
#define LIVE_MAX 20000

struct step {
	uint32_t slot, size;
};

struct table {
	struct step script[SCRIPT];
	void *blocks[LIVE_MAX];
};

static uint32_t draw_size(const struct bench_case *c, uint64_t *seed)
{
	return (uint32_t)c->low +
	       bench_below(seed, (uint32_t)(c->high - c->low + 1));
}

static void run(void *context, const struct bench_case *c, uint64_t operations)
{
	struct table *t = context;

	(void)c;
	for (uint64_t i = 0; i < operations; i++) {
		const struct step *s = &t->script[i % SCRIPT];

		free(t->blocks[s->slot]);
		t->blocks[s->slot] = malloc(s->size);
		bench_touch(t->blocks[s->slot], s->size);
	}
}

static void *setup(const struct bench_case *c, int thread)
{
	static struct table *t;
	uint64_t seed = bench_seed;

	(void)thread;
	if (!t)
		t = bench_own(sizeof(*t));
	for (size_t i = 0; i < SCRIPT; i++) {
		t->script[i].slot = bench_below(&seed, (uint32_t)c->count);
		t->script[i].size = draw_size(c, &seed);
	}
	for (size_t i = 0; i < c->count; i++) {
		uint32_t size = draw_size(c, &seed);

		t->blocks[i] = bench_must(malloc(size));
		bench_touch(t->blocks[i], size);
	}
	run(t, c, 4 * c->count);
	return t;
}

static void teardown(void *context, const struct bench_case *c)
{
	struct table *t = context;

	for (size_t i = 0; i < c->count; i++)
		free(t->blocks[i]);
}

static void add(size_t low, size_t high, size_t count)
{
	bench_add(&(struct bench_case){
		.label = bench_label("sizes=%zu..%zu live=%zu", low, high,
				     count),
		.operation = "pair",
		.setup = setup,
		.run = run,
		.teardown = teardown,
		.batch = high > BENCH_KIB ? 1024 : SCRIPT,
		.slow = high > BENCH_KIB,
		.low = low,
		.high = high,
		.count = count});
}

int main(int argc, char **argv)
{
	bench_begin("replace", argc, argv);
	add(64, 64, 20000);
	add(16, 128, 20000);
	add(16, 1024, 20000);
	add(4 * BENCH_KIB, 32 * BENCH_KIB, 16);
	add(4 * BENCH_KIB, 32 * BENCH_KIB, 1000);
	add(100 * BENCH_KIB, BENCH_MIB, 8);
	add(100 * BENCH_KIB, BENCH_MIB, 64);
	return bench_run();
}
