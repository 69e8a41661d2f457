/*
 * Does memory that was given back return through huge pages?  For systems where
 * transparent huge pages are "always" on.  The heap grows to 64 MiB of mixed
 * sizes, nine blocks in ten are freed, and the program does nothing until
 * khugepaged has seen all memory twice, or for 60 s.  The resident set at the
 * end against the one after freeing: above 1 it has climbed again.
 *
 * To see more scans: /sys/kernel/mm/transparent_hugepage/khugepaged, where
 * scan_sleep_millisecs is 10 000 by default.
 */
#include "mixed.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#define THP "/sys/kernel/mm/transparent_hugepage/"

/* By system calls, because stdio would call malloc. */
static const char *read_text(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, text, size - 1);

	text[n > 0 ? n : 0] = '\0';
	if (fd >= 0)
		close(fd);
	return text;
}

static bool always(void)
{
	char text[64];

	return strstr(read_text(THP "enabled", text, sizeof(text)), "[always]");
}

static long full_scans(void)
{
	char text[32];

	return strtol(
		read_text(THP "khugepaged/full_scans", text, sizeof(text)),
		NULL, 10);
}

int main(int argc, char **argv)
{
	static struct mixed m;

	bench_begin("khugepaged", argc, argv);
	if (!always()) {
		fputs("bench-khugepaged: needs huge pages to be \"always\"\n",
		      stderr);
		return 2;
	}
	m.seed = bench_seed;
	mixed_grow(&m, 64 * BENCH_MIB);
	mixed_note(&m);
	mixed_free(&m, MIXED_LISTS * 9 / 10);
	mixed_note(&m);
	double freed = (double)bench_rss(), start = bench_elapsed();
	long scans = full_scans();

	while (bench_elapsed() - start < 60 && full_scans() < scans + 2)
		mixed_idle_until(bench_elapsed() + 0.5);
	mixed_note(&m);
	bench_value("wait", "rss_against_freed", (double)bench_rss() / freed,
		    "ratio", "less");
	bench_detail("wait", "rss_per_live",
		     (double)bench_rss() / (double)m.live, "ratio", "less");
	bench_detail("wait", "scans", (double)(full_scans() - scans), "scans",
		     "more");
	mixed_print(&m, "wait");
	return 0;
}
