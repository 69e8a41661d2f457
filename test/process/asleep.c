/*
 * A program that sleeps gives back what it does not need, with no call of
 * malloc or free: after 1 GiB of mixed sizes all of it, of scattered objects
 * all but their slabs, in a child of fork as well.  And nobody has a thread of
 * ours who has no use for one.
 *
 * It takes 5 seconds; a busy machine may take longer to schedule us, so the
 * program waits up to 30 and prints how long it took.
 */
#include "check.h"

#include <dirent.h>
#include <sys/mman.h>
#include <time.h>

enum { SLOTS = 1 << 20, MOST_SECONDS = 30 };

struct slot {
	void *ptr;
	size_t size;
};

/* Outside of malloc. */
static struct slot *slots;
static size_t nr;

static unsigned nr_threads(void)
{
	DIR *dir = opendir("/proc/self/task");
	unsigned n = 0;

	CHECK(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n - 2;
}

static void burst(size_t goal)
{
	uint64_t state = 1;
	size_t got = 0;

	for (nr = 0; got < goal && nr < SLOTS; nr++) {
		slots[nr].size = draw_size(&state, nr % 64 ? 15 : 22);
		slots[nr].ptr = malloc(slots[nr].size);
		CHECK(slots[nr].ptr);
		memset(slots[nr].ptr, 1, slots[nr].size);
		got += slots[nr].size;
	}
}

/* Seconds until at most @bar bytes are left; more than 30: never. */
static double wait_for(size_t bar)
{
	struct timespec step = {.tv_nsec = 100 * 1000 * 1000};
	int n = 0;

	while (anonymous() > bar && n++ <= 10 * MOST_SECONDS)
		nanosleep(&step, NULL);
	return n / 10.0;
}

static void everything(const char *who)
{
	size_t before = anonymous();
	char name[64];

	burst(GIB);
	for (size_t i = 0; i < nr; i++)
		free(slots[i].ptr);
	snprintf(name, sizeof(name), "seconds-until-16-MiB%s", who);
	figure_at_most(name, wait_for(before + 16 * MIB), "s", MOST_SECONDS);
	nanosleep(&(struct timespec){.tv_sec = 2}, NULL);
	printf("figure: kept-asleep%s %.3g MiB\n", who,
	       ((double)anonymous() - (double)before) / MIB);
}

/* One object in ten stays; what its page needs is what its slab occupies. */
static void scattered(void)
{
	size_t before = anonymous(), live = 0;
	enum { N = 1 << 20, SIZE = 400 };

	for (size_t i = 0; i < N; i++) {
		slots[i].ptr = malloc(SIZE);
		memset(slots[i].ptr, 1, SIZE);
	}
	/* in runs, so that slabs do get empty */
	for (size_t i = 0; i < N; i++) {
		if (i / 500 % 10)
			free(slots[i].ptr);
		else
			live += SIZE;
	}
	figure_at_most("seconds-until-scattered-objects-are-alone",
		       wait_for(before + live + live / 4 + 4 * MIB), "s",
		       MOST_SECONDS);
	nanosleep(&(struct timespec){.tv_sec = 2}, NULL);
	printf("figure: kept-asleep-against-live %.3g\n",
	       ((double)anonymous() - (double)before) / (double)live);
	for (size_t i = 0; i < N; i++) {
		if (i / 500 % 10 == 0)
			free(slots[i].ptr);
	}
}

static void in_child(void)
{
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (!pid) {
		CHECK(nr_threads() == 1);
		everything("-in-a-child");
		CHECK(!library() || nr_threads() == 2);
		exit(0);
	}
	CHECK(!wait_status(pid));
}

int main(void)
{
	struct timespec moment = {.tv_nsec = 300 * 1000 * 1000};

	check_library();
	if (available() < 2 * GIB)
		skip("less than 2 GiB of memory left");
	slots = mmap(NULL, SLOTS * sizeof(*slots), PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(slots != MAP_FAILED);
	memset(slots, 1, SLOTS * sizeof(*slots));
	burst(8 * MIB);
	nanosleep(&moment, NULL);
	CHECK(nr_threads() == 1);
	for (size_t i = 0; i < nr; i++)
		free(slots[i].ptr);
	if (!library())
		skip("libc keeps what it has");
	everything("");
	CHECK(nr_threads() == 2);
	scattered();
	in_child();
	return 0;
}
