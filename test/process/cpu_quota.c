/*
 * A container with the time of one CPU on a machine with many: its threads
 * run now here, now there, and might leave free objects behind on every CPU.
 * Six of them keep 120 MiB of small objects of all classes, which they free
 * and allocate anew, those of the others too.  Resident memory by active
 * memory, that is pages with an object in use or in a CPU's hands, is what
 * jemalloc's users measure; by live memory it includes what is between them.
 */
#include "group.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <time.h>

enum { WORKERS = 6, SLOTS = 1 << 18, SECONDS = 12 };
static const size_t live_bar = 192 * MIB;

static _Atomic(void *) slots[SLOTS];
static _Atomic size_t live;
static _Atomic bool done;

static void replace(uint64_t *state)
{
	size_t i = draw(state) % SLOTS, size = draw_size(state, 13);
	void *old, *p = NULL;

	if (live < live_bar) {
		p = malloc(size);
		CHECK(p);
		memset(p, 1, size);
		live += malloc_usable_size(p);
	}
	old = atomic_exchange(&slots[i], p);
	if (old)
		live -= malloc_usable_size(old);
	free(old);
}

static void *work(void *arg)
{
	uint64_t state = (uintptr_t)arg;

	while (!done)
		replace(&state);
	return NULL;
}

/* Bytes of pages in use; 0 on libc. */
static size_t active(void)
{
	static const char *const names[] = {"slab_pages\": ", "run_pages\": "};
	static char text[1 << 16];
	int (*write_report)(int fd, int format, unsigned sections);
	int fd = memfd_create("report", MFD_CLOEXEC);
	size_t pages = 0;

	*(void **)&write_report = dlsym(RTLD_DEFAULT, "quarry_report");
	CHECK(fd >= 0);
	if (!write_report || !library())
		return 0;
	CHECK(!write_report(fd, 1, 1 << 4));
	CHECK(pread(fd, text, sizeof(text) - 1, 0) > 0);
	close(fd);
	for (int i = 0; i < 2; i++) {
		const char *at = strstr(text, names[i]);

		CHECK(at);
		pages += strtoul(at + strlen(names[i]), NULL, 10);
	}
	return pages * 4 * KIB;
}

static int in_group(void)
{
	pthread_t threads[WORKERS];
	size_t before = anonymous(), resident = 0, in_pages;

	for (uintptr_t i = 0; i < WORKERS; i++)
		CHECK(!pthread_create(&threads[i], NULL, work,
				      as_pointer(i + 1)));
	nanosleep(&(struct timespec){.tv_sec = SECONDS}, NULL);
	in_pages = active();
	resident = anonymous() - before;
	done = true;
	for (int i = 0; i < WORKERS; i++)
		pthread_join(threads[i], NULL);
	printf("figure: live %.4g MiB, active %.4g MiB, resident %.4g MiB\n",
	       (double)live / MIB, (double)in_pages / MIB,
	       (double)resident / MIB);
	figure_at_most("resident-by-live-with-one-cpu-of-many",
		       (double)resident / (double)live, "", 1.4);
	if (in_pages)
		figure_at_most("resident-by-active-with-one-cpu-of-many",
			       (double)resident / (double)in_pages, "", 1.15);
	return 0;
}

int main(int argc, char **argv)
{
	int status;
	pid_t pid;

	check_library();
	if (argc == 2 && !strcmp(argv[1], "work"))
		return in_group();
	if (available() < 512 * MIB)
		skip("less than 512 MiB of memory left");
	if (!group_make_with_a_cpu())
		skip("no cgroup with a CPU quota can be made here");
	pid = group_start("work", NULL);
	status = pid ? wait_status(pid) : 0;
	group_remove();
	if (!pid)
		skip("no process can be moved to a cgroup here");
	return status;
}
