/*
 * What stays resident when nine blocks in ten are freed at random?  The heap
 * grows to 512 MiB of mixed sizes, a random tenth of the blocks stays, and the
 * program does nothing for 5 s.  The resident set of the whole process, per
 * live byte.  With --quick it is 64 MiB and 1.5 s.
 */
#include "mixed.h"

int main(int argc, char **argv)
{
	static struct mixed m;

	bench_begin("scatter", argc, argv);
	m.seed = bench_seed;
	size_t top = (bench_quick ? 64 : 512) * BENCH_MIB;

	for (int i = 1; i <= 32; i++) {
		mixed_grow(&m, top / 32 * (size_t)i);
		mixed_note(&m);
	}
	for (int i = 0; i < MIXED_LISTS * 9 / 10; i += 50) {
		mixed_free(&m, 50);
		mixed_note(&m);
	}
	double freed = (double)bench_rss() / (double)m.live;
	double cpu = (double)bench_cpu() / 1e6;

	mixed_idle_until(bench_elapsed() + (bench_quick ? 1.5 : 5));
	mixed_note(&m);
	bench_value("idle", "rss_per_live",
		    (double)bench_rss() / (double)m.live, "ratio", "less");
	bench_detail("idle", "rss_per_live_when_freed", freed, "ratio", "less");
	bench_detail("idle", "cpu_until_freed", cpu, "ms", "less");
	bench_detail("idle", "cpu_while_idle", (double)bench_cpu() / 1e6 - cpu,
		     "ms", "less");
	mixed_print(&m, "idle");
	return 0;
}
