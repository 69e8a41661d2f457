#include "sys/lock.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static struct qr_lock lock = QR_LOCK_INIT(QR_RANK_BARN);

static uint32_t word_of(struct qr_lock *l)
{
	return atomic_load_explicit(&l->word, memory_order_relaxed);
}

Test(lock, try_takes_a_free_lock_and_no_other)
{
	struct qr_lock other;

	qr_lock_init(&other, QR_RANK_ZONE);
	cr_assert_eq(word_of(&other), 0);
	cr_assert_eq(other.rank, QR_RANK_ZONE);
	qr_lock_acquire(&lock);
	cr_assert_eq(word_of(&lock), 1);
	cr_assert(qr_lock_try(&other));
	qr_lock_release(&other);
	qr_lock_release(&lock);
	cr_assert_eq(word_of(&lock), 0);
	cr_assert_eq(word_of(&other), 0);
}

static void *try_once(void *arg)
{
	bool *got = arg;

	*got = qr_lock_try(&lock);
	if (*got)
		qr_lock_release(&lock);
	return NULL;
}

static bool other_thread_gets_it(void)
{
	pthread_t thread;
	bool got;

	cr_assert_eq(pthread_create(&thread, NULL, try_once, &got), 0);
	pthread_join(thread, NULL);
	return got;
}

Test(lock, a_held_lock_is_refused_to_another_thread)
{
	qr_lock_acquire(&lock);
	cr_assert_not(other_thread_gets_it());
	qr_lock_release(&lock);
	cr_assert(other_thread_gets_it());
}

enum { THREADS = 4, ROUNDS = 20000 };

/* Plain, so that it goes wrong where two threads are inside at once. */
static struct {
	unsigned long a, b;
} guarded;

static void *count(void *arg)
{
	(void)arg;
	for (int i = 0; i < ROUNDS; i++) {
		qr_lock_acquire(&lock);
		guarded.a++;
		if (i % 1000 == 0)
			sched_yield(); /* preempted while it holds the lock */
		guarded.b++;
		cr_assert_eq(guarded.a, guarded.b);
		qr_lock_release(&lock);
	}
	return NULL;
}

Test(lock, one_thread_at_a_time_is_inside)
{
	pthread_t threads[THREADS];

	for (int i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, count, NULL);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	cr_assert_eq(guarded.a, THREADS * ROUNDS);
	cr_assert_eq(guarded.b, THREADS * ROUNDS);
	cr_assert_eq(word_of(&lock), 0);
}

struct sleeper {
	pthread_t thread;
	_Atomic pid_t tid;
	int error;
	unsigned long seen;
};

static void *wait_for_lock(void *arg)
{
	struct sleeper *s = arg;

	atomic_store(&s->tid, (pid_t)syscall(SYS_gettid));
	errno = 4711;
	qr_lock_acquire(&lock);
	s->seen = guarded.a++;
	qr_lock_release(&lock);
	s->error = errno;
	return NULL;
}

/* 'S' while the thread sleeps in the kernel. */
static char thread_state(pid_t tid)
{
	char path[64], line[256] = "", *state;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", (int)tid);
	file = fopen(path, "r");
	if (!file)
		return '?';
	if (!fgets(line, sizeof(line), file))
		line[0] = '\0';
	fclose(file);
	state = strrchr(line, ')');
	return state ? state[2] : '?';
}

static void start_sleeper(struct sleeper *s)
{
	cr_assert_eq(pthread_create(&s->thread, NULL, wait_for_lock, s), 0);
	while (!atomic_load(&s->tid) || word_of(&lock) != 2 ||
	       thread_state(s->tid) != 'S')
		sched_yield();
}

Test(lock, whoever_waits_long_sleeps_and_is_woken)
{
	static struct sleeper sleepers[THREADS];

	qr_lock_acquire(&lock);
	for (int i = 0; i < THREADS; i++)
		start_sleeper(&sleepers[i]);
	guarded.a = 1;
	errno = 1234;
	qr_lock_release(&lock);
	cr_assert_eq(errno, 1234);
	for (int i = 0; i < THREADS; i++) {
		pthread_join(sleepers[i].thread, NULL);
		cr_assert_eq(sleepers[i].error, 4711);
		cr_assert_geq(sleepers[i].seen, 1);
	}
	cr_assert_eq(guarded.a, THREADS + 1);
	cr_assert_eq(word_of(&lock), 0);
}

static int exit_status_of(pid_t child)
{
	int status;

	cr_assert_eq(waitpid(child, &status, 0), child);
	cr_assert(WIFEXITED(status), "status %#x", status);
	return WEXITSTATUS(status);
}

/* The child has neither the sleeper nor anybody else who would release. */
Test(lock, the_child_of_a_fork_resets_a_lock_that_others_sleep_on)
{
	static struct sleeper sleeper;
	pid_t child;

	qr_lock_acquire(&lock);
	start_sleeper(&sleeper);
	child = fork();
	if (child == 0) {
		bool was_2 = word_of(&lock) == 2;

		qr_lock_reset(&lock);
		if (!was_2 || word_of(&lock) != 0)
			_exit(1);
		qr_lock_acquire(&lock);
		if (word_of(&lock) != 1)
			_exit(2);
		qr_lock_release(&lock);
		_exit(word_of(&lock) ? 3 : 0);
	}
	cr_assert_eq(exit_status_of(child), 0);
	cr_assert_eq(word_of(&lock), 2);
	qr_lock_release(&lock);
	pthread_join(sleeper.thread, NULL);
	cr_assert_eq(word_of(&lock), 0);
}

#ifdef QR_LOCK_DEBUG

static struct qr_lock low = QR_LOCK_INIT(QR_RANK_BARN);
static struct qr_lock high = QR_LOCK_INIT(QR_RANK_ZONE);
static struct qr_lock high_too = QR_LOCK_INIT(QR_RANK_ZONE);

static void descend(void)
{
	qr_lock_acquire(&high);
	qr_lock_acquire(&low);
}

static void try_to_descend(void)
{
	qr_lock_acquire(&high);
	qr_lock_try(&low);
}

static void take_two_of_a_rank(void)
{
	qr_lock_acquire(&high);
	qr_lock_acquire(&high_too);
}

static void take_one_twice(void)
{
	qr_lock_acquire(&low);
	qr_lock_acquire(&low);
}

static void release_what_is_free(void)
{
	qr_lock_acquire(&high);
	qr_lock_release(&low);
}

static void assert_what_is_free(void)
{
	qr_lock_assert_held(&low);
}

static void *hold_low(void *arg)
{
	qr_lock_acquire(&low);
	return arg;
}

static void assert_what_another_holds(void)
{
	pthread_t thread;

	pthread_create(&thread, NULL, hold_low, NULL);
	pthread_join(thread, NULL);
	qr_lock_assert_held(&low);
}

static void ascend(void)
{
	qr_lock_acquire(&low);
	qr_lock_assert_held(&low);
	qr_lock_acquire(&high);
	qr_lock_assert_held(&low);
	qr_lock_release(&low);
	qr_lock_assert_held(&high);
	qr_lock_release(&high);
	qr_lock_acquire(&low);
	qr_lock_release(&low);
}

/* As fork does it, with more locks of a rank than a byte can count. */
static void take_a_rank_as_fork(void)
{
	static struct qr_lock many[300];

	qr_lock_allow_same_rank(true);
	for (int i = 0; i < 300; i++) {
		qr_lock_init(&many[i], QR_RANK_ZONE);
		qr_lock_acquire(&many[i]);
	}
	for (int i = 0; i < 300; i++)
		qr_lock_reset(&many[i]);
	qr_lock_allow_same_rank(false);
	ascend();
}

static void descend_as_fork(void)
{
	qr_lock_allow_same_rank(true);
	descend();
}

static bool traps(void (*act)(void))
{
	int status;
	pid_t child = fork();

	if (child == 0) {
		signal(SIGILL, SIG_DFL);
		signal(SIGTRAP, SIG_DFL);
		alarm(30); /* rather than to wait for ever for itself */
		act();
		_exit(0);
	}
	cr_assert_eq(waitpid(child, &status, 0), child);
	if (WIFEXITED(status))
		return false;
	cr_assert(WTERMSIG(status) == SIGILL || WTERMSIG(status) == SIGTRAP,
		  "signal %d", WTERMSIG(status));
	return true;
}

Test(lock, the_checks_trap_what_breaks_the_order)
{
	cr_assert(traps(descend));
	cr_assert(traps(try_to_descend));
	cr_assert(traps(take_two_of_a_rank));
	cr_assert(traps(take_one_twice));
	cr_assert(traps(descend_as_fork));
	cr_assert(traps(release_what_is_free));
	cr_assert(traps(assert_what_is_free));
	cr_assert(traps(assert_what_another_holds));
}

Test(lock, the_checks_pass_what_keeps_the_order)
{
	cr_assert_not(traps(ascend));
	cr_assert_not(traps(take_a_rank_as_fork));
}

#else

Test(lock, the_checks_trap_what_breaks_the_order)
{
	cr_skip_test("needs a build with -Dlock_debug=true");
}

#endif
