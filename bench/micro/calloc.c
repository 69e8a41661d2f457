/*
 * What does zeroed memory cost that has been used before?  A block that was
 * written and freed comes again and has to be cleared, or is handed back to the
 * kernel and faulted in again.  One byte per 64 is written after calloc.
 * bench-fresh asks the same about memory that is new.
 */
#include "shim.h"

static void run(void *context, const struct bench_case *c, uint64_t operations)
{
	(void)context;
	for (uint64_t i = 0; i < operations; i++) {
		char *p = calloc(1, c->low);

		for (size_t at = 0; at < c->low; at += 64)
			((volatile char *)p)[at] = 1;
		BENCH_KEEP(p);
		free(p);
	}
}

int main(int argc, char **argv)
{
	static const size_t sizes[] = {64,    256,    1024,	4096,
				       16384, 131072, BENCH_MIB};

	bench_begin("calloc", argc, argv);
	for (size_t i = 0; i < BENCH_LENGTH(sizes); i++)
		bench_add(&(struct bench_case){
			.label = bench_label("size=%zu", sizes[i]),
			.operation = "pair",
			.run = run,
			.batch = sizes[i] < 65536 ? 256 : 1,
			.slow = sizes[i] >= 65536,
			.low = sizes[i]});
	return bench_run();
}
