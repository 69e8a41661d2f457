/*
 * What does one block too large for any cache cost: 1 to 64 MiB, malloc, write,
 * free?  Once untouched but for its first line, once with each page written,
 * where an allocator that keeps the memory saves the page faults.
 */
#include "shim.h"

static void run_bare(void *context, const struct bench_case *c,
		     uint64_t operations)
{
	(void)context;
	for (uint64_t i = 0; i < operations; i++) {
		void *p = bench_must(malloc(c->low));

		bench_touch(p, c->low);
		free(p);
	}
}

static void run_written(void *context, const struct bench_case *c,
			uint64_t operations)
{
	(void)context;
	for (uint64_t i = 0; i < operations; i++) {
		void *p = bench_must(malloc(c->low));

		bench_touch_pages(p, c->low);
		free(p);
	}
}

int main(int argc, char **argv)
{
	static const size_t sizes[] = {1, 4, 16, 64};

	bench_begin("huge", argc, argv);
	for (size_t i = 0; i < BENCH_LENGTH(sizes) - bench_quick; i++) {
		struct bench_case c = {.operation = "pair",
				       .batch = 1,
				       .slow = true,
				       .low = sizes[i] * BENCH_MIB};

		c.label = bench_label("size=%zuMiB bare", sizes[i]);
		c.run = run_bare;
		bench_add(&c);
		c.label = bench_label("size=%zuMiB written", sizes[i]);
		c.run = run_written;
		bench_add(&c);
	}
	return bench_run();
}
