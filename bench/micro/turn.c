/*
 * What does a lone pair cost when each one has another size?  8, 16, ... 512 in
 * turn, then up to 4096 in steps of 64: as many size classes as there are take
 * part, and none keeps a block alive.
 */
#include "shim.h"

static void run(void *context, const struct bench_case *c, uint64_t operations)
{
	size_t size = c->low;

	(void)context;
	for (uint64_t i = 0; i < operations; i++) {
		void *p = malloc(size);

		BENCH_KEEP(p);
		free(p);
		size = size < c->high ? size + c->low : c->low;
	}
}

int main(int argc, char **argv)
{
	bench_begin("turn", argc, argv);
	bench_add(&(struct bench_case){.label = "sizes=8..512",
				       .operation = "pair",
				       .run = run,
				       .low = 8,
				       .high = 512});
	bench_add(&(struct bench_case){.label = "sizes=64..4096",
				       .operation = "pair",
				       .run = run,
				       .low = 64,
				       .high = 4096});
	return bench_run();
}
