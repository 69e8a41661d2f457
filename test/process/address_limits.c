/*
 * What a process gets that may not have much: under RLIMIT_AS and RLIMIT_DATA
 * of 64 MiB and up, in a process that starts under the limit, malloc returns
 * NULL with ENOMEM and never crashes, what it gave is whole, and what was
 * freed can be had again.
 *
 * Figures: the bytes had, of mixed sizes; and blocks of 10 000 bytes before
 * the first NULL.
 */
#include "check.h"

#include <pthread.h>
#include <sys/resource.h>

enum { SLOTS = 1 << 19, TRIES = 200 };

static struct {
	void *ptr;
	size_t size;
} slots[SLOTS];

/* Bytes had until TRIES requests in a row were refused. */
static size_t fill(uint64_t *state, size_t nr, unsigned max_shift)
{
	size_t got = 0;

	for (size_t i = 0, refused = 0; i < nr && refused < TRIES; i++) {
		if (slots[i].ptr)
			continue;
		slots[i].size = draw_size(state, max_shift);
		errno = 0;
		slots[i].ptr = malloc(slots[i].size);
		if (!slots[i].ptr) {
			CHECK(errno == ENOMEM);
			refused++;
			continue;
		}
		refused = 0;
		memset(slots[i].ptr, (int)i, slots[i].size);
		sign(slots[i].ptr, slots[i].size, i);
		got += slots[i].size;
	}
	return got;
}

static void release(size_t first, size_t step)
{
	for (size_t i = first; i < SLOTS; i += step) {
		if (!slots[i].ptr)
			continue;
		CHECK(is_signed(slots[i].ptr, slots[i].size, i));
		free(slots[i].ptr);
		slots[i].ptr = NULL;
	}
}

static void *in_thread(void *arg)
{
	for (int i = 0; i < 1000; i++) {
		void *p = malloc(1 + (size_t)i * 7 % 3000);

		free(p);
	}
	return arg;
}

/* Threads that meet the limit have the same rights. */
static void run_threads(void)
{
	pthread_t threads[8];
	pthread_attr_t attr;
	int nr = 0;

	CHECK(!pthread_attr_init(&attr));
	CHECK(!pthread_attr_setstacksize(&attr, 256 * KIB));
	while (nr < 8 && !pthread_create(&threads[nr], &attr, in_thread, NULL))
		nr++;
	for (int i = 0; i < nr; i++)
		CHECK(!pthread_join(threads[i], NULL));
}

static void mixed_sizes(const char *kind, size_t limit)
{
	uint64_t state = seed();
	char name[64];
	size_t got = fill(&state, SLOTS, 20), again;

	run_threads();
	release(0, 2);
	again = fill(&state, SLOTS, 16);
	release(0, 3);
	/* errno is set, but the caller's data is not touched */
	CHECK(!realloc(opaque(malloc(100)), 2 * limit) && errno == ENOMEM);
	release(0, 1);
	CHECK(again > 0);
	again = fill(&state, 2000, 10);
	release(0, 1);
	CHECK(again > 0);
	snprintf(name, sizeof(name), "mixed-sizes-under-%s-%zu", kind,
		 limit / MIB);
	figure_at_least(name, (double)got / MIB, "MiB",
			(double)limit / MIB * 0.5);
}

static void blocks(const char *kind, size_t limit)
{
	char name[64];
	size_t got = 0;
	void **p, **last = NULL;

	while ((p = malloc(10000))) {
		memset(p, 1, 10000);
		*p = last;
		last = p;
		got += 10000;
	}
	CHECK(errno == ENOMEM);
	while (last) {
		p = *last;
		free(last);
		last = p;
	}
	p = malloc(10000);
	CHECK(p);
	free(p);
	snprintf(name, sizeof(name), "10000-byte-blocks-under-%s-%zu", kind,
		 limit / MIB);
	figure_at_least(name, (double)got / MIB, "MiB",
			(double)limit / MIB * 160 / 256);
}

/* Start this program again under the limit. */
static void start(char *self, int resource, const char *kind, size_t mib,
		  const char *what)
{
	struct rlimit limit = {mib * MIB, mib * MIB};
	pid_t pid;
	int status;

	fflush(stdout);
	pid = fork();
	CHECK(pid >= 0);
	if (!pid) {
		char bytes[32], type[16], job[16];

		snprintf(bytes, sizeof(bytes), "%zu", mib * MIB);
		snprintf(type, sizeof(type), "%s", kind);
		snprintf(job, sizeof(job), "%s", what);
		CHECK(!setrlimit(resource, &limit));
		execv("/proc/self/exe",
		      (char *[]){self, type, bytes, job, NULL});
		_exit(126);
	}
	status = wait_status(pid);
	if (status) {
		printf("%s under %s of %zu MiB: status %d\n", what, kind, mib,
		       status);
		exit(1);
	}
}

int main(int argc, char **argv)
{
	static const size_t sizes[] = {64, 96, 128, 256, 1024};

	if (argc == 4) {
		size_t limit = strtoul(argv[2], NULL, 10);

		check_library();
		if (!strcmp(argv[3], "mixed"))
			mixed_sizes(argv[1], limit);
		else
			blocks(argv[1], limit);
		return 0;
	}
	if (available() < 768 * MIB)
		skip("less than 768 MiB of memory left");
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		start(argv[0], RLIMIT_AS, "as", sizes[i], "mixed");
		start(argv[0], RLIMIT_DATA, "data", sizes[i], "mixed");
	}
	start(argv[0], RLIMIT_AS, "as", 256, "blocks");
	start(argv[0], RLIMIT_DATA, "data", 256, "blocks");
	return 0;
}
