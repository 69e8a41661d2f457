/*
 * The first and the last use in a process: before main, in handlers of exit,
 * in destructors of libraries.
 */
#include "api.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

static void *early;

__attribute__((constructor(101))) static void allocate_early(void)
{
	early = malloc(1234);
	if (early)
		memset(early, 0x42, 1234);
	free(calloc(3, KiB(50)));
}

Test(exit, objects_from_before_main_are_whole)
{
	cr_assert(early && all_bytes(early, 1234, 0x42));
	early = realloc(early, KiB(70));
	cr_assert(all_bytes(early, 1234, 0x42));
	free(early);
}

/* In the child only: says by the exit status that it has been here. */
static int status_pipe[2];
static bool in_child;

static void report(const char *where)
{
	void *ptr = malloc(500), *large = malloc(MiB(5));

	if (!ptr || !large)
		_exit(1);
	memset(ptr, 1, 500);
	memset(large, 1, MiB(5));
	ptr = realloc(ptr, 5000);
	free(ptr);
	free(large);
	if (write(status_pipe[1], where, 1) != 1)
		_exit(2);
}

static void *kept[100];

static void at_exit(void)
{
	for (size_t i = 0; i < NR(kept); i++)
		free(kept[i]);
	report("a");
}

__attribute__((destructor)) static void at_end(void)
{
	if (in_child)
		report("d");
}

static pthread_key_t key;

static void at_thread_end(void *value)
{
	free(value);
	report("t");
}

static void *end_thread(void *arg)
{
	pthread_setspecific(key, malloc(10));
	return arg;
}

static void leave(void)
{
	pthread_t thread;

	in_child = true;
	for (size_t i = 0; i < NR(kept); i++)
		kept[i] = malloc(i * 37);
	atexit(at_exit);
	pthread_key_create(&key, at_thread_end);
	pthread_create(&thread, NULL, end_thread, NULL);
	pthread_join(thread, NULL);
	exit(0);
}

Test(exit, handlers_and_destructors_allocate_and_free)
{
	char order[4] = "";
	int status;
	pid_t child;

	cr_assert_eq(pipe(status_pipe), 0);
	child = fork();
	if (!child)
		leave();
	cr_assert_eq(waitpid(child, &status, 0), child);
	cr_assert_eq(status, 0, "the child ended with status %#x", status);
	cr_assert_eq(read(status_pipe[0], order, 3), 3);
	cr_assert_str_eq(order, "tad");
}

static void *go_on(void *arg)
{
	/* until the process is gone */
	for (;;)
		free(malloc((size_t)(uintptr_t)arg));
	return NULL;
}

Test(exit, a_process_ends_while_its_threads_allocate, .timeout = 60)
{
	for (unsigned i = 0; i < 30; i++) {
		pid_t child = fork();
		int status;

		if (!child) {
			for (uintptr_t k = 1; k <= 3; k++) {
				pthread_t thread;

				pthread_create(&thread, NULL, go_on,
					       (void *)(k * 3000));
			}
			exit(0);
		}
		cr_assert_eq(waitpid(child, &status, 0), child);
		cr_assert_eq(status, 0);
	}
}
