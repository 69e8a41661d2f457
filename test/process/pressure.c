/*
 * Where memory is scarce the program is told, and what it does not need goes
 * back at once, even while it sleeps:
 *
 *	watch	a service manager says so (MEMORY_PRESSURE_WATCH, here a FIFO)
 *	group	another process fills the control group to its memory.high
 *
 * In a process of its own for each, because the environment is read at start.
 */
#include "group.h"

#include <sys/mman.h>
#include <time.h>

enum { OBJECTS = 200, CACHED = 64, SIZE = 1 << 20 };
enum { PATIENCE = 60 }; /* seconds */
static const size_t high = 256 * MIB, neighbour = 280 * MIB;

typedef int report_fn(int fd, int format, unsigned sections);

/* vmstat, as JSON; allocates nothing, for that would keep the thread awake. */
static const char *report(void)
{
	static char text[1 << 16];
	static report_fn *write_report;
	static int fd = -1;
	ssize_t n;

	if (fd < 0) {
		fd = memfd_create("report", MFD_CLOEXEC);
		*(void **)&write_report = dlsym(RTLD_DEFAULT, "quarry_report");
	}
	CHECK(fd >= 0 && write_report);
	CHECK(!ftruncate(fd, 0) && !lseek(fd, 0, SEEK_SET));
	CHECK(!write_report(fd, 1, 1 << 4));
	n = pread(fd, text, sizeof(text) - 1, 0);
	CHECK(n > 0);
	text[n] = 0;
	return text;
}

static unsigned long reported(const char *name)
{
	const char *at = strstr(report(), name);

	CHECK(at);
	return strtoul(at + strlen(name) + 2, NULL, 10);
}

static bool is_parked(void)
{
	return strstr(report(), "\"reclaim\": \"parked\"");
}

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void pause_ms(long ms)
{
	nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
}

/* A heap that is large enough for a thread, and free. */
static void use_and_free(void)
{
	static void *objects[OBJECTS];

	for (size_t i = 0; i < OBJECTS; i++) {
		objects[i] = malloc(SIZE);
		CHECK(objects[i]);
		memset(objects[i], 1, SIZE);
	}
	for (size_t i = 0; i < OBJECTS; i++)
		free(objects[i]);
}

static void wait_until_parked(void)
{
	for (int i = 0; !is_parked(); i++) {
		CHECK(i < 300);
		pause_ms(100);
	}
}

static void wait_for_news(unsigned long before)
{
	double start = now();

	while (reported("reclaim_news") == before) {
		CHECK(now() - start < PATIENCE);
		pause_ms(10);
	}
}

/* As little as a program that sleeps may keep (asleep.c). */
static double seconds_until_empty(size_t before)
{
	double start = now();

	while (anonymous() > before + 16 * MIB && now() - start < PATIENCE)
		pause_ms(20);
	printf("figure: kept-after-news %.3g MiB, %lu ticks\n",
	       ((double)anonymous() - (double)before) / MIB,
	       reported("reclaim_ticks"));
	return now() - start;
}

/* What a program keeps for speed alone. */
static void *cache[CACHED];
static _Atomic bool is_shrunk;

static size_t shrink(void *arg, size_t bytes)
{
	(void)arg, (void)bytes;
	for (int i = 0; i < CACHED; i++) {
		free(cache[i]);
		cache[i] = NULL;
	}
	is_shrunk = true;
	return (size_t)CACHED * SIZE;
}

static void fill_cache(void)
{
	int (*add)(size_t (*shrinker)(void *arg, size_t bytes), void *arg);

	*(void **)&add = dlsym(RTLD_DEFAULT, "quarry_shrinker_register");
	CHECK(add && !add(shrink, NULL));
	for (int i = 0; i < CACHED; i++) {
		cache[i] = malloc(SIZE);
		CHECK(cache[i]);
		memset(cache[i], 1, SIZE);
	}
	CHECK(anonymous() > (size_t)CACHED * SIZE);
}

/* What it freed has left the process too. */
static void wait_for_shrinker(void)
{
	double start = now();

	while (!is_shrunk || anonymous() > (size_t)CACHED * SIZE / 2) {
		CHECK(now() - start < PATIENCE);
		pause_ms(10);
	}
	printf("figure: seconds-until-a-sleeper's-cache-is-gone %.3g s\n",
	       now() - start);
}

static int watch(const char *path)
{
	size_t before = anonymous();
	int fd = open(path, O_RDWR | O_CLOEXEC);
	unsigned long had;

	CHECK(fd >= 0);
	use_and_free();
	had = reported("reclaim_news");
	printf("figure: kept-until-news %.3g MiB\n",
	       ((double)anonymous() - (double)before) / MIB);
	CHECK(write(fd, "x", 1) == 1);
	figure_at_most("seconds-from-news-until-memory-is-back",
		       seconds_until_empty(before), "s", PATIENCE);
	wait_for_news(had);
	CHECK(reported("reclaim_pressure_bytes"));
	wait_until_parked();
	had = reported("reclaim_news");
	CHECK(write(fd, "x", 1) == 1);
	wait_for_news(had);
	CHECK(is_parked());
	/* and it is not deaf to the program */
	use_and_free();
	CHECK(!is_parked());
	CHECK(!reported("reclaim_request_bytes"));
	malloc_trim(0);
	CHECK(reported("reclaim_request_bytes"));
	fill_cache();
	wait_until_parked();
	CHECK(write(fd, "x", 1) == 1);
	wait_for_shrinker();
	return 0;
}

static int test_watch(void)
{
	char dir[] = "/tmp/quarry-pressure-XXXXXX", path[64];
	int status;
	pid_t pid;

	CHECK(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/fifo", dir);
	CHECK(!mkfifo(path, 0600));
	fflush(stdout);
	pid = fork();
	CHECK(pid >= 0);
	if (!pid) {
		setenv("MEMORY_PRESSURE_WATCH", path, 1);
		execl("/proc/self/exe", "pressure", "watch", path, NULL);
		_exit(126);
	}
	status = wait_status(pid);
	unlink(path);
	rmdir(dir);
	return status;
}

/*
 * Says so when it sleeps, then waits for news from the group; its cache is to
 * go to the kernel then.
 */
static int sleeper(const char *fd)
{
	unsigned long had;

	use_and_free();
	fill_cache();
	wait_until_parked();
	had = reported("reclaim_news");
	CHECK(write(atoi(fd), "p", 1) == 1);
	/* what shrink() frees may have woken the clock before we look */
	wait_for_news(had);
	wait_for_shrinker();
	return 0;
}

/* Outside of malloc: more than the group may have, until it is killed. */
static int fill(void)
{
	char *p = mmap(NULL, neighbour, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(p != MAP_FAILED);
	for (size_t i = 0; i < neighbour; i += 4096)
		p[i] = 1;
	pause();
	return 0;
}

static int test_group(void)
{
	int ready[2], status;
	char text[16], byte;
	pid_t pid, other;

	if (available() < 2 * high || !group_make(2 * high)) {
		printf("left out: no cgroup of 512 MiB can be made here\n");
		return 0;
	}
	if (!group_is_v2) {
		group_remove();
		printf("left out: cgroups of version 1 have no news\n");
		return 0;
	}
	snprintf(text, sizeof(text), "%zu", high);
	CHECK(group_write("memory.high", text));
	CHECK(!pipe(ready));
	snprintf(text, sizeof(text), "%d", ready[1]);
	pid = group_start("sleeper", text);
	close(ready[1]);
	if (pid && read(ready[0], &byte, 1) == 1) {
		other = group_start("fill", NULL);
		CHECK(other);
		status = wait_status(pid);
		kill(other, SIGKILL);
		wait_status(other);
	} else {
		status = pid ? wait_status(pid) : 0;
	}
	group_remove();
	return status;
}

int main(int argc, char **argv)
{
	int status;

	check_library();
	if (argc == 3 && !strcmp(argv[1], "watch"))
		return watch(argv[2]);
	if (argc == 3 && !strcmp(argv[1], "sleeper"))
		return sleeper(argv[2]);
	if (argc == 2)
		return fill();
	if (!library())
		skip("libc hears no news");
	status = test_watch();
	return status ? status : test_group();
}
