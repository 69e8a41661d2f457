/*
 * What does a pair cost when blocks come and go in batches?  24 fit in every
 * cache; 1000 and 20 000 do not, so refill and flush are paid.  Freed in the
 * order of allocation (fifo), in reverse (lifo), or shuffled.  Each block is
 * written once.
 */
#include "shim.h"

#define BATCH_MAX 20000

enum order { FIFO, LIFO, SHUFFLED };

struct batch {
	uint32_t order[BATCH_MAX];
	void *blocks[BATCH_MAX];
};

static void *setup(const struct bench_case *c, int thread)
{
	static struct batch *b;
	uint64_t seed = bench_seed;
	uint32_t count = (uint32_t)c->count;

	(void)thread;
	if (!b)
		b = bench_own(sizeof(*b));
	for (uint32_t i = 0; i < count; i++)
		b->order[i] = c->high == LIFO ? count - 1 - i : i;
	for (uint32_t i = count; c->high == SHUFFLED && i > 1; i--) {
		uint32_t j = bench_below(&seed, i), old = b->order[i - 1];

		b->order[i - 1] = b->order[j];
		b->order[j] = old;
	}
	return b;
}

static void run(void *context, const struct bench_case *c, uint64_t operations)
{
	struct batch *b = context;
	size_t count = c->count;

	for (uint64_t done = 0; done < operations; done += count) {
		for (size_t i = 0; i < count; i++) {
			b->blocks[i] = malloc(c->low);
			*(volatile char *)b->blocks[i] = 1;
		}
		for (size_t i = 0; i < count; i++)
			free(b->blocks[b->order[i]]);
	}
}

static void add(size_t size, uint32_t count, enum order order)
{
	static const char *const names[] = {"fifo", "lifo", "shuffled"};
	uint64_t rounds = count < 4000 ? 4000 / count : 1;

	bench_add(&(struct bench_case){
		.label = bench_label("size=%zu count=%u %s", size, count,
				     names[order]),
		.operation = "pair",
		.setup = setup,
		.run = run,
		.batch = rounds * count,
		.low = size,
		.high = order,
		.count = count});
}

int main(int argc, char **argv)
{
	bench_begin("batch", argc, argv);
	add(64, 24, FIFO);
	add(64, 24, LIFO);
	add(64, 24, SHUFFLED);
	add(64, 1000, FIFO);
	add(64, 1000, LIFO);
	add(64, 1000, SHUFFLED);
	add(400, 1000, FIFO);
	add(64, 20000, FIFO);
	add(64, 20000, SHUFFLED);
	return bench_run();
}
