/*
 * What stays resident after a burst?  The heap grows to 1 GiB of mixed sizes,
 * all of it is freed, and then the program does nothing for 5 s: no call gives
 * the allocator an occasion.  The whole resident set of the process answers,
 * code and all, since that is what a user sees.  With --quick it is 128 MiB and
 * 1.5 s, which is hard on those who give back by the clock.
 */
#include "mixed.h"

int main(int argc, char **argv)
{
	static struct mixed m;

	bench_begin("burst", argc, argv);
	m.seed = bench_seed;
	size_t top = (bench_quick ? 128 : 1024) * BENCH_MIB;
	double idle = bench_quick ? 1.5 : 5;

	for (int i = 1; i <= 32; i++) {
		mixed_grow(&m, top / 32 * (size_t)i);
		mixed_note(&m);
	}
	for (int i = 0; i < MIXED_LISTS; i += 50) {
		mixed_free(&m, 50);
		mixed_note(&m);
	}
	double cpu = (double)bench_cpu() / 1e6;
	double freed = (double)bench_rss() / (double)BENCH_MIB;

	mixed_idle_until(bench_elapsed() + idle);
	mixed_note(&m);
	bench_value("idle", "rss_after", (double)bench_rss() / BENCH_MIB, "MiB",
		    "less");
	bench_detail("idle", "rss_when_freed", freed, "MiB", "less");
	bench_detail("idle", "cpu_until_freed", cpu, "ms", "less");
	bench_detail("idle", "cpu_while_idle", (double)bench_cpu() / 1e6 - cpu,
		     "ms", "less");
	mixed_print(&m, "idle");
	return 0;
}
