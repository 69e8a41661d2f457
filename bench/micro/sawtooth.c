/*
 * What does a heap cost that goes up and down?  From nothing to 512 MiB within
 * a second and back within the next, again and again, in slices of 20 ms that
 * sleep when they are done early.  Who gives memory back at once pays for it in
 * CPU time, who keeps it pays in memory: CPU time of a tooth and the mean
 * resident set are both answers.  With --quick: 128 MiB in half the time.
 */
#include "mixed.h"

#define SLICES 50

struct teeth {
	int count;
	double slice_s;
	size_t top;
	double rss_mib; /* sum over all slices */
};

/* Slice @i of all; half of them go up. */
static void slice(const struct teeth *t, struct mixed *m, int i)
{
	size_t step = (size_t)(i % (2 * SLICES));

	if (step < SLICES)
		mixed_grow(m, t->top / SLICES * (step + 1));
	else
		mixed_free(m, MIXED_LISTS / SLICES);
}

int main(int argc, char **argv)
{
	static struct mixed m;

	bench_begin("sawtooth", argc, argv);
	m.seed = bench_seed;
	struct teeth t = {
		.count = bench_quick ? 2 : 5,
		.slice_s = bench_quick ? 0.01 : 0.02,
		.top = (bench_quick ? 128 : 512) * BENCH_MIB,
	};
	int slices = t.count * 2 * SLICES;
	double start = bench_elapsed();

	for (int i = 0; i < slices; i++) {
		slice(&t, &m, i);
		mixed_idle_until(start + (i + 1) * t.slice_s);
		mixed_note(&m);
		t.rss_mib += (double)bench_resident() / (double)BENCH_MIB;
	}
	bench_value("teeth", "cpu_per_tooth",
		    (double)bench_cpu() / 1e6 / t.count, "ms", "less");
	bench_value("teeth", "mean_rss", t.rss_mib / slices, "MiB", "less");
	bench_detail("teeth", "rss_after", (double)bench_rss() / BENCH_MIB,
		     "MiB", "less");
	bench_detail("teeth", "late",
		     bench_elapsed() - start - slices * t.slice_s, "s", "less");
	mixed_print(&m, "teeth");
	return 0;
}
