#include "core/shrinker.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Bytes that somebody can do without, and the order of calls. */
struct stock {
	char name;
	size_t bytes;
};

static char calls[64];
static size_t asked;

static void note_call(char name)
{
	size_t n = strlen(calls);

	if (n < sizeof(calls) - 1)
		calls[n] = name;
}

static size_t sell(void *arg, size_t bytes)
{
	struct stock *stock = arg;
	size_t sold = bytes < stock->bytes ? bytes : stock->bytes;

	note_call(stock->name);
	asked = bytes;
	stock->bytes -= sold;
	errno = EDOM;
	return sold;
}

static uint64_t nr_registered(void)
{
	struct qr_shrinker_stats stats;

	qr_shrinkers_read_stats(&stats);
	return stats.registered;
}

Test(shrinker, they_are_called_oldest_first_until_enough_is_free)
{
	struct stock a = {'a', 100}, b = {'b', 100}, c = {'c', 100};

	cr_assert_eq(qr_shrinker_register(sell, &a), 0);
	cr_assert_eq(qr_shrinker_register(sell, &b), 0);
	cr_assert_eq(qr_shrinker_register(sell, &c), 0);
	errno = 0;
	cr_assert_eq(qr_shrinkers_run(150), 150u);
	cr_assert_eq(errno, 0);
	cr_assert_str_eq(calls, "ab");
	cr_assert_eq(asked, 50u);
	cr_assert_eq(qr_shrinkers_run(500), 150u);
	cr_assert_str_eq(calls, "ababc");
	cr_assert_eq(qr_shrinkers_run(1), 0u);
	cr_assert_eq(qr_shrinkers_run(0), 0u);
	cr_assert_str_eq(calls, "ababcabc");
}

Test(shrinker, a_pair_is_registered_once_and_called_no_more_when_unregistered)
{
	struct stock a = {'a', 100}, b = {'b', 100};

	cr_assert_eq(qr_shrinker_register(NULL, &a), -EINVAL);
	cr_assert_eq(qr_shrinker_register(sell, &a), 0);
	cr_assert_eq(qr_shrinker_register(sell, &a), -EEXIST);
	cr_assert_eq(qr_shrinker_register(sell, &b), 0);
	cr_assert_eq(nr_registered(), (uint64_t)2);
	cr_assert_eq(qr_shrinker_unregister(sell, &a), 0);
	cr_assert_eq(qr_shrinker_unregister(sell, &a), -ENOENT);
	cr_assert_eq(qr_shrinkers_run(500), 100u);
	cr_assert_str_eq(calls, "b");
	cr_assert_eq(qr_shrinker_unregister(sell, &b), 0);
	cr_assert_eq(nr_registered(), (uint64_t)0);
	cr_assert_eq(qr_shrinkers_run(500), 0u);
}

static size_t boast(void *arg, size_t bytes)
{
	(void)arg, (void)bytes;
	return SIZE_MAX;
}

Test(shrinker, more_than_was_asked_for_is_no_more_than_was_asked_for)
{
	cr_assert_eq(qr_shrinker_register(boast, NULL), 0);
	cr_assert_eq(qr_shrinkers_run(1000), 1000u);
}

static size_t recurse(void *arg, size_t bytes)
{
	note_call(*(char *)arg);
	cr_assert_not(qr_shrinkers_other_run(), "it is this thread");
	cr_assert_eq(qr_shrinkers_run(bytes), 0u);
	return 1;
}

Test(shrinker, a_run_within_a_run_calls_nothing)
{
	char name = 'r';

	cr_assert_eq(qr_shrinker_register(recurse, &name), 0);
	cr_assert_eq(qr_shrinkers_run(10), 1u);
	cr_assert_eq(qr_shrinkers_run(10), 1u);
	cr_assert_str_eq(calls, "rr");
}

static struct stock leaving = {'l', 100}, other = {'o', 100}, late = {'n', 100};

static size_t leave(void *arg, size_t bytes)
{
	cr_assert_eq(qr_shrinker_unregister(leave, arg), 0);
	cr_assert_eq(qr_shrinker_unregister(sell, &other), 0);
	cr_assert_eq(qr_shrinker_register(sell, &late), 0);
	return sell(arg, bytes);
}

Test(shrinker, one_that_runs_may_unregister_itself_and_others)
{
	cr_assert_eq(qr_shrinker_register(leave, &leaving), 0);
	cr_assert_eq(qr_shrinker_register(sell, &other), 0);
	cr_assert_eq(qr_shrinkers_run(150), 150u);
	cr_assert_str_eq(calls, "ln");
	cr_assert_eq(nr_registered(), (uint64_t)1);
}

/* One that runs in another thread until it is let go. */
static _Atomic int stage; /* 1: it runs, 2: it is let go, 3: it has ended */

static void wait_for(int wanted)
{
	while (atomic_load(&stage) < wanted)
		sched_yield();
}

static size_t linger(void *arg, size_t bytes)
{
	(void)arg;
	atomic_store(&stage, 1);
	wait_for(2);
	for (int i = 0; i < 20; i++)
		sched_yield();
	atomic_store(&stage, 3);
	return bytes;
}

static void *run_in_thread(void *arg)
{
	(void)arg;
	cr_assert_eq(qr_shrinkers_run(10), 10u);
	return NULL;
}

static pthread_t start_lingering(void)
{
	pthread_t thread;

	cr_assert_eq(qr_shrinker_register(linger, NULL), 0);
	cr_assert_eq(pthread_create(&thread, NULL, run_in_thread, NULL), 0);
	wait_for(1);
	return thread;
}

Test(shrinker, unregister_waits_for_one_that_runs, .timeout = 60)
{
	pthread_t thread = start_lingering();

	atomic_store(&stage, 2);
	cr_assert_eq(qr_shrinker_unregister(linger, NULL), 0);
	cr_assert_eq(atomic_load(&stage), 3);
	pthread_join(thread, NULL);
}

Test(shrinker, who_comes_while_another_thread_runs_goes_without, .timeout = 60)
{
	struct stock a = {'a', 100};
	pthread_t thread = start_lingering();

	cr_assert_eq(qr_shrinker_register(sell, &a), 0);
	cr_assert(qr_shrinkers_other_run());
	cr_assert_eq(qr_shrinkers_run(10), 0u);
	/* one that does not run is not waited for */
	cr_assert_eq(qr_shrinker_unregister(sell, &a), 0);
	atomic_store(&stage, 2);
	pthread_join(thread, NULL);
	cr_assert_not(qr_shrinkers_other_run());
	cr_assert_str_eq(calls, "");
}

Test(shrinker, a_forks_child_has_no_run_of_another_thread, .timeout = 60)
{
	struct stock a = {'a', 100};
	pthread_t thread = start_lingering();
	int status;
	pid_t pid;

	qr_shrinkers_lock_all();
	pid = fork();
	qr_shrinkers_unlock_all(pid == 0);
	if (pid == 0) {
		if (qr_shrinkers_other_run() ||
		    qr_shrinker_unregister(linger, NULL) ||
		    qr_shrinker_register(sell, &a) ||
		    qr_shrinkers_run(10) != 10)
			_exit(1);
		_exit(0);
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	atomic_store(&stage, 2);
	pthread_join(thread, NULL);
}
