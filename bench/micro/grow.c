/*
 * What does a growing array cost per realloc?  By small steps, by a page, by
 * half of itself; alone and with three others growing beside it, which stand in
 * each other's way.  The new part is written, one byte per 64.
 */
#include "shim.h"

#define ARRAYS_MAX 4

/* One operation is one realloc; an array that is full starts again. */
static void run(void *context, const struct bench_case *c, uint64_t operations)
{
	char *arrays[ARRAYS_MAX] = {NULL};
	size_t sizes[ARRAYS_MAX] = {0};

	(void)context;
	for (uint64_t i = 0; i < operations; i++) {
		size_t a = i % c->count, old = sizes[a];
		size_t new = c->low ? old + c->low : 64 + old + old / 2;

		if (new > c->high) {
			free(arrays[a]);
			arrays[a] = NULL;
			old = 0;
			new = c->low ? c->low : 64;
		}
		arrays[a] = realloc(arrays[a], new);
		for (size_t at = old; at < new; at += 64)
			((volatile char *)arrays[a])[at] = 1;
		sizes[a] = new;
	}
	for (size_t a = 0; a < c->count; a++)
		free(arrays[a]);
}

static void add(const char *label, size_t step, size_t limit, size_t arrays)
{
	bench_add(&(struct bench_case){.label = label,
				       .operation = "realloc",
				       .run = run,
				       .batch = limit > 64 * BENCH_KIB ? 64
								       : 1024,
				       .slow = limit > 64 * BENCH_KIB,
				       .low = step,
				       .high = limit,
				       .count = arrays});
}

int main(int argc, char **argv)
{
	bench_begin("grow", argc, argv);
	add("by 16 to 4KiB", 16, 4 * BENCH_KIB, 1);
	add("by 16 to 4KiB, 4 arrays", 16, 4 * BENCH_KIB, 4);
	add("by 4KiB to 1MiB", 4 * BENCH_KIB, BENCH_MIB, 1);
	add("by 4KiB to 1MiB, 4 arrays", 4 * BENCH_KIB, BENCH_MIB, 4);
	add("by half to 64KiB", 0, 64 * BENCH_KIB, 1);
	add("by half to 4MiB", 0, 4 * BENCH_MIB, 1);
	add("by half to 4MiB, 4 arrays", 0, 4 * BENCH_MIB, 4);
	add("by 64KiB to 4MiB", 64 * BENCH_KIB, 4 * BENCH_MIB, 1);
	return bench_run();
}
