/*
 * fork: the child of a threaded process has the whole allocator.
 */
#include "api.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <spawn.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

static _Atomic bool stop;

static void *hammer(void *arg)
{
	uint64_t random = (uint64_t)(uintptr_t)arg;
	void *ptrs[64] = {NULL};

	while (!stop) {
		size_t i = random_below(&random, NR(ptrs));

		free(ptrs[i]);
		ptrs[i] = malloc(random_size(&random, 18));
	}
	for (size_t i = 0; i < NR(ptrs); i++)
		free(ptrs[i]);
	return NULL;
}

static bool use(uint64_t random)
{
	void *ptrs[200];
	size_t sizes[200];
	bool good = true;

	for (size_t i = 0; i < NR(ptrs); i++) {
		sizes[i] = random_size(&random, 14);
		ptrs[i] = malloc(sizes[i]);
		if (!ptrs[i])
			return false;
		pattern_fill(ptrs[i], sizes[i], i);
	}
	for (size_t i = 0; i < NR(ptrs); i++) {
		good &= pattern_check(ptrs[i], sizes[i], i) == sizes[i];
		free(ptrs[i]);
	}
	return good;
}

static void *use_in_thread(void *arg)
{
	return use((uintptr_t)arg) ? arg : NULL;
}

static bool use_in_threads(uint64_t seed)
{
	pthread_t threads[3];
	bool good = true;

	for (size_t i = 0; i < NR(threads); i++)
		if (pthread_create(&threads[i], NULL, use_in_thread,
				   (void *)(uintptr_t)(seed + 1)))
			return false;
	for (size_t i = 0; i < NR(threads); i++) {
		void *result;

		pthread_join(threads[i], &result);
		good &= !!result;
	}
	return good;
}

static void expect_success(pid_t child)
{
	int status;

	cr_assert_gt(child, 0);
	cr_assert_eq(waitpid(child, &status, 0), child);
	cr_assert_eq(status, 0, "the child ended with status %#x", status);
}

Test(fork, the_child_frees_what_the_parent_allocated)
{
	void *small = malloc(100), *run = malloc(KiB(100));
	void *large = malloc(MiB(6));
	pid_t child;

	memset(large, 1, MiB(6));
	child = fork();
	if (!child) {
		large = realloc(large, MiB(9));
		free(small);
		free(run);
		_exit(!all_bytes(large, MiB(6), 1) || !use(1));
	}
	expect_success(child);
	/* and the parent still has them */
	cr_assert(all_bytes(large, MiB(6), 1));
	free(small);
	free(run);
	free(large);
}

Test(fork, children_of_a_busy_process_are_fully_usable, .timeout = 120)
{
	pthread_t threads[4];
	uint64_t seed = test_seed();

	for (size_t i = 0; i < NR(threads); i++)
		cr_assert_eq(pthread_create(&threads[i], NULL, hammer,
					    (void *)(uintptr_t)(seed + i)),
			     0);
	for (unsigned i = 0; i < 80; i++) {
		pid_t child = fork();

		if (!child)
			_exit(!use(seed + i) ||
			      (i % 10 == 0 && !use_in_threads(seed + i)));
		expect_success(child);
	}
	stop = true;
	for (size_t i = 0; i < NR(threads); i++)
		pthread_join(threads[i], NULL);
}

static void *fork_often(void *arg)
{
	uint64_t seed = (uintptr_t)arg;

	for (unsigned i = 0; i < 20; i++) {
		pid_t child = fork();

		if (!child)
			_exit(!use(seed + i));
		expect_success(child);
	}
	return NULL;
}

Test(fork, several_threads_fork_at_once, .timeout = 120)
{
	pthread_t threads[4];
	uint64_t seed = test_seed();

	for (size_t i = 0; i < NR(threads); i++)
		cr_assert_eq(pthread_create(&threads[i], NULL, fork_often,
					    (void *)(uintptr_t)(seed + i)),
			     0);
	for (size_t i = 0; i < NR(threads); i++)
		pthread_join(threads[i], NULL);
}

Test(fork, children_have_children)
{
	pid_t child = fork();

	for (unsigned depth = 0; !child && depth < 5; depth++) {
		if (!use(depth))
			_exit(1);
		child = fork();
		if (child > 0) {
			int status;

			waitpid(child, &status, 0);
			_exit(status || !use(depth));
		}
	}
	if (!child)
		_exit(!use_in_threads(9));
	expect_success(child);
}

static void *volatile in_handler;

static void before(void)
{
	in_handler = malloc(3000);
}

static void after(void)
{
	free(in_handler);
	in_handler = realloc(malloc(10), 1000);
	free(in_handler);
}

/* They run while the allocator is getting ready to fork, or is not yet back. */
Test(fork, handlers_of_the_program_allocate)
{
	pid_t child;

	cr_assert_eq(pthread_atfork(before, after, after), 0);
	child = fork();
	if (!child)
		_exit(!use(3));
	expect_success(child);
	cr_assert(use(4));
}

Test(fork, vfork_and_spawn_leave_the_parent_whole)
{
	/* no LD_PRELOAD: it may be of another libc */
	char *argv[] = {"true", NULL}, *no_environment[] = {NULL};

	for (unsigned i = 0; i < 20; i++) {
		pid_t child = vfork();

		if (!child) {
			execve("/bin/true", argv, no_environment);
			_exit(1);
		}
		expect_success(child);
		cr_assert_eq(posix_spawn(&child, "/bin/true", NULL, NULL, argv,
					 no_environment),
			     0);
		expect_success(child);
		cr_assert(use(i));
	}
}
