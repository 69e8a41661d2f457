/*
 * How many page faults does a MiB cost that is touched for the first time, and
 * how much more becomes resident than is touched?  A heap grows steadily by
 * blocks of one size, each written whole: to 1 MiB, where faulting ahead costs
 * memory, and to 16
 * and 64 MiB, where it pays.  Without any help a MiB is 256 faults.
 * Each growth is a child of fork on a fresh heap.
 */
#include "bench.h"

#include <stdio.h>

struct growth {
	size_t size, total;
};

static void grow(const void *argument, double *results)
{
	const struct growth *g = argument;
	size_t before = bench_anonymous();
	uint64_t faults = bench_faults(), cpu = bench_cpu();

	for (size_t done = 0; done < g->total; done += g->size) {
		void *p = bench_must(malloc(g->size));

		memset(p, 1, g->size);
		BENCH_KEEP(p);
	}
	results[2] = (double)(bench_cpu() - cpu);
	results[0] = (double)(bench_faults() - faults);
	results[1] = (double)(bench_anonymous() - before);
}

int main(int argc, char **argv)
{
	static const size_t sizes[] = {16, 64, 512, 4096, 40000, 500000};
	static const size_t totals[] = {1, 16, 64};

	bench_begin("faults", argc, argv);
	size_t lengths = BENCH_LENGTH(totals) - bench_quick;

	for (size_t i = 0; i < BENCH_LENGTH(sizes) * lengths; i++) {
		struct growth g = {sizes[i / lengths],
				   totals[i % lengths] * BENCH_MIB};
		size_t blocks = (g.total + g.size - 1) / g.size;
		double touched = (double)(blocks * g.size);
		double results[3], mib = touched / (double)BENCH_MIB;
		char label[64], metric[32];

		bench_in_children(bench_quick ? 1 : 5, grow, &g, results, 3);
		snprintf(label, sizeof(label), "size=%zu total=%zuMiB", g.size,
			 g.total / BENCH_MIB);
		snprintf(metric, sizeof(metric), "%s_per_MiB",
			 bench_faults_metric());
		bench_value(label, metric, results[0] / mib, "faults", "less");
		bench_value(label, "resident_per_touched", results[1] / touched,
			    "ratio", "less");
		bench_detail(label, "cpu_us_per_MiB", results[2] / mib / 1000,
			     "us", "less");
	}
	return 0;
}
