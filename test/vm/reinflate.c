/*
 * reinflate: what was given back of huge pages stays so, where the system
 * gives huge pages to everybody and khugepaged is quick; and a small heap has
 * none to begin with.  It changes the system's settings, so it wants a machine
 * of its own, and says so by an argument: tools/vm reinflate own.
 *
 * A mapping that khugepaged has to fill shows that it was at work.
 */
#include "../process/check.h"

#include <sys/mman.h>
#include <time.h>

#define DIRECTORY "/sys/kernel/mm/transparent_hugepage/"

enum {
	SIZE = 1000,
	GROUP = 32, /* objects that are freed together: most of 32 KiB */
	KEEP = 10,  /* of so many groups one stays */
	SMALL = 32 << 10,
	LARGE = 256 << 10, /* objects */
	HUGE = 2 << 20,
	NR_PROBES = 4,
	PATIENCE = 120, /* seconds */
};

static void *objects[LARGE];

static void put(const char *file, const char *text)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), DIRECTORY "%s", file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		skip("no huge pages here, or no right to change them");
	CHECK(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
}

static unsigned long full_scans(void)
{
	FILE *file = fopen(DIRECTORY "khugepaged/full_scans", "re");
	unsigned long n = 0;

	CHECK(file && fscanf(file, "%lu", &n) == 1);
	fclose(file);
	return n;
}

/* One page in each of some huge pages' worth that khugepaged may fill. */
static char *map_probe(void)
{
	const size_t size = (size_t)(NR_PROBES + 1) * HUGE;
	char *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(p != MAP_FAILED);
	p += -(uintptr_t)p & (HUGE - 1);
	CHECK(!madvise(p, (size_t)NR_PROBES * HUGE, MADV_NOHUGEPAGE));
	for (size_t i = 0; i < NR_PROBES; i++)
		p[i * HUGE] = 1;
	CHECK(!madvise(p, (size_t)NR_PROBES * HUGE, MADV_HUGEPAGE));
	return p;
}

static size_t resident(char *p, size_t size)
{
	static unsigned char pages[NR_PROBES * HUGE / 4096];
	size_t n = 0;

	CHECK(!mincore(p, size, pages));
	for (size_t i = 0; i < size / 4096; i++)
		n += pages[i] & 1;
	return n * 4096;
}

/* Until khugepaged has filled a mapping, and looked at everything again. */
static void wait_for_khugepaged(void)
{
	const size_t size = (size_t)NR_PROBES * HUGE;
	const struct timespec nap = {.tv_nsec = 100000000};
	time_t end = time(NULL) + PATIENCE;
	char *probe = map_probe();
	unsigned long scans;

	while (resident(probe, size) < size) {
		if (time(NULL) > end)
			skip("khugepaged fills nothing here");
		nanosleep(&nap, NULL);
	}
	for (scans = full_scans(); full_scans() < scans + 2;) {
		if (time(NULL) > end)
			skip("khugepaged is too slow here");
		nanosleep(&nap, NULL);
	}
	CHECK(!munmap(probe, size));
}

static void allocate(size_t from, size_t to)
{
	for (size_t i = from; i < to; i++) {
		objects[i] = malloc(SIZE);
		CHECK(objects[i]);
		memset(objects[i], 1, SIZE);
	}
}

int main(int argc, char **argv)
{
	const double mib = MIB;
	size_t start, before;

	check_library();
	if (argc < 2 || strcmp(argv[1], "own"))
		skip("not a machine of its own");
	put("enabled", "always");
	put("khugepaged/scan_sleep_millisecs", "10");
	put("khugepaged/alloc_sleep_millisecs", "10");
	put("khugepaged/pages_to_scan", "65536");
	memset(objects, 0, sizeof(objects));

	start = anonymous();
	allocate(0, SMALL);
	wait_for_khugepaged();
	figure_at_most("small-heap", (double)(anonymous() - start) / mib,
		       "MiB for 32", 32 * 1.1);

	allocate(SMALL, LARGE);
	figure_at_most("large-heap", (double)(anonymous() - start) / mib,
		       "MiB for 256", 256 * 1.1);
	figure_at_least("huge-pages",
			(double)proc_bytes("/proc/self/smaps_rollup",
					   "\nAnonHugePages:") / mib,
			"MiB of it", 2);

	for (size_t i = 0; i < LARGE; i++) {
		if (i / GROUP % KEEP)
			free(objects[i]);
	}
	malloc_trim(0);
	before = anonymous();
	figure_at_most("a-tenth-is-left", (double)(before - start) / mib, "MiB",
		       64);
	wait_for_khugepaged();
	figure_at_most("filled-again",
		       ((double)anonymous() - (double)before) / mib, "MiB", 4);
	return 0;
}
