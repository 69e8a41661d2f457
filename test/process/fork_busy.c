/*
 * fork every few milliseconds while 8 threads allocate and free: the child can
 * do everything, start threads and fork again, and frees what the parent's
 * threads had allocated.  Children of children count too, and vfork and
 * posix_spawn between them.
 */
#include "check.h"

#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <sys/prctl.h>
#include <time.h>

enum { THREADS = 8, FORKS = 100, SHARED = 1000 };

extern char **environ;

static _Atomic bool stop;
static struct {
	void *ptr;
	size_t size;
} inherited[SHARED];

static void *work(void *arg)
{
	enum { SLOTS = 200 };
	struct {
		void *ptr;
		size_t size;
	} slots[SLOTS] = {0};
	uint64_t state = (uintptr_t)arg;

	while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
		size_t i = draw(&state) % SLOTS;

		if (slots[i].ptr)
			CHECK(is_signed(slots[i].ptr, slots[i].size, i));
		free(slots[i].ptr);
		slots[i].size = draw_size(&state, draw(&state) % 256 ? 12 : 23);
		CHECK(slots[i].ptr = malloc(slots[i].size));
		sign(slots[i].ptr, slots[i].size, i);
	}
	for (size_t i = 0; i < SLOTS; i++)
		free(slots[i].ptr);
	return NULL;
}

static void *work_briefly(void *arg)
{
	for (size_t i = 1; i < 2000; i++)
		free(opaque(malloc(i)));
	free(arg);
	return malloc(500);
}

static void use_everything(uint64_t key)
{
	uint64_t state = key;
	pthread_t thread;
	void *p[300], *result;

	for (size_t i = 0; i < SHARED; i++) {
		CHECK(is_signed(inherited[i].ptr, inherited[i].size, i));
		if (i % 2)
			free(inherited[i].ptr);
	}
	for (int i = 0; i < 300; i++)
		CHECK(p[i] = malloc(draw_size(&state, i % 50 ? 15 : 23)));
	CHECK(p[0] = realloc(p[0], 3 * MIB));
	for (int i = 0; i < 300; i++)
		free(p[i]);
	CHECK(!pthread_create(&thread, NULL, work_briefly, malloc(99)));
	CHECK(!pthread_join(thread, &result));
	free(result);
	malloc_trim(0);
}

/* A child that hangs is killed by its alarm: status 128 + SIGALRM. */
static void child(uint64_t key)
{
	alarm(20);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	use_everything(key);
	if (key % 10 == 0) {
		pid_t pid = fork();

		CHECK(pid >= 0);
		if (!pid) {
			alarm(20);
			free(opaque(malloc(100000)));
			work_briefly(malloc(10));
			_exit(0);
		}
		CHECK(wait_status(pid) == 0);
	}
	/* exit handlers of the library, too */
	if (key % 2)
		exit(0);
	_exit(0);
}

static void spawn_others(void)
{
	char *const argv[] = {(char[]){"true"}, NULL};
	pid_t pid;

	if (posix_spawnp(&pid, "true", NULL, NULL, argv, environ) == 0)
		CHECK(wait_status(pid) == 0);
	pid = vfork();
	CHECK(pid >= 0);
	if (!pid) {
		execvp("true", argv);
		_exit(0);
	}
	CHECK(wait_status(pid) == 0);
}

int main(void)
{
	uint64_t key = seed(), state = key;
	pthread_t threads[THREADS];
	struct timespec pause = {0, 3000000};

	check_library();
	for (size_t i = 0; i < SHARED; i++) {
		inherited[i].size = draw_size(&state, 13);
		CHECK(inherited[i].ptr = malloc(inherited[i].size));
		sign(inherited[i].ptr, inherited[i].size, i);
	}
	for (size_t t = 0; t < THREADS; t++)
		CHECK(!pthread_create(&threads[t], NULL, work,
				      as_pointer(key << 8 | (t + 1))));
	for (uint64_t i = 0; i < FORKS; i++) {
		pid_t pid;

		fflush(stdout);
		pid = fork();
		CHECK(pid >= 0);
		if (!pid)
			child(i);
		/* the distance between forks, not a wait for something */
		nanosleep(&pause, NULL);
		if (i % 16 == 0)
			spawn_others();
		CHECK(wait_status(pid) == 0);
	}
	atomic_store_explicit(&stop, true, memory_order_relaxed);
	for (size_t t = 0; t < THREADS; t++)
		CHECK(!pthread_join(threads[t], NULL));
	use_everything(key);
	printf("%d forks\n", FORKS);
	return 0;
}
