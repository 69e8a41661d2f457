/*
 * What does a heap that only grows cost per KiB?  8 MiB (64 without --quick) in
 * blocks of one size, each written as it comes, one byte per 64, none freed; by
 * malloc and by calloc.  Page faults are most of it: an allocator that faults
 * in batches, or uses huge pages, or knows that the kernel's pages are zero
 * already, wins. Each growth is a child of fork on a fresh heap.
 */
#include "bench.h"

#include <stdio.h>

struct growth {
	size_t size, total;
	bool zeroed;
};

static void grow(const void *argument, double *results)
{
	const struct growth *g = argument;
	uint64_t cpu = bench_cpu(), faults = bench_faults();

	for (size_t done = 0; done < g->total; done += g->size) {
		char *p = g->zeroed ? calloc(1, g->size) : malloc(g->size);

		bench_must(p);
		for (size_t at = 0; at < g->size; at += 64)
			((volatile char *)p)[at] = 1;
		BENCH_KEEP(p);
	}
	results[0] =
		(double)(bench_cpu() - cpu) / (double)(g->total / BENCH_KIB);
	results[1] = (double)(bench_faults() - faults) /
		     (double)(g->total / BENCH_MIB);
}

int main(int argc, char **argv)
{
	static const size_t sizes[] = {64, 1024, 65536, BENCH_MIB};

	bench_begin("fresh", argc, argv);
	for (size_t i = 0; i < 2 * BENCH_LENGTH(sizes); i++) {
		struct growth g = {sizes[i / 2],
				   (bench_quick ? 8 : 64) * BENCH_MIB, i % 2};
		double results[2];
		char label[64], metric[32];

		bench_in_children(bench_quick ? 1 : 9, grow, &g, results, 2);
		snprintf(label, sizeof(label), "%s size=%zu total=%zuMiB",
			 g.zeroed ? "calloc" : "malloc", g.size,
			 g.total / BENCH_MIB);
		bench_value(label, "cpu_ns_per_KiB", results[0], "ns", "less");
		snprintf(metric, sizeof(metric), "%s_per_MiB",
			 bench_faults_metric());
		bench_detail(label, metric, results[1], "faults", "less");
	}
	return 0;
}
