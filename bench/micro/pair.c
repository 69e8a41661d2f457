/*
 * What does a lone pair cost: malloc, then free of that very block, nothing
 * else alive?  Each malloc waits for the free before it; an allocator that
 * retires an empty page at once pays here.
 */
#include "shim.h"

static void run(void *context, const struct bench_case *c, uint64_t operations)
{
	(void)context;
	for (uint64_t i = 0; i < operations; i++) {
		void *p = malloc(c->low);

		BENCH_KEEP(p);
		free(p);
	}
}

int main(int argc, char **argv)
{
	static const size_t sizes[] = {16, 64, 256, 1024, 4096, 16384};

	bench_begin("pair", argc, argv);
	for (size_t i = 0; i < BENCH_LENGTH(sizes); i++)
		bench_add(&(struct bench_case){
			.label = bench_label("size=%zu", sizes[i]),
			.operation = "pair",
			.run = run,
			.low = sizes[i]});
	return bench_run();
}
