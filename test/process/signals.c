/*
 * Signals every 100 microseconds, to every one of 4 threads that allocate and
 * free: a sequence that is interrupted has changed nothing.  The handler does
 * not allocate; it writes on its stack and yields now and then, so that
 * threads change their CPU in the middle of things.
 */
#include "check.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <time.h>

enum { THREADS = 4, SLOTS = 2000, SECONDS = 2, MOST_SECONDS = 30 };
enum { SIGNALS = 1000 };

static _Atomic unsigned long nr_signals;
static _Atomic bool stop;

/* A slot belongs to whoever exchanged it last: objects change threads. */
static void *_Atomic slots[SLOTS];

static void on_signal(int number)
{
	unsigned long n =
		atomic_fetch_add_explicit(&nr_signals, 1, memory_order_relaxed);
	int saved = errno;

	(void)number;
	if (n % 8 == 0)
		sched_yield();
	errno = saved;
}

static void start_timer(timer_t *ret_timer)
{
	struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID,
				 .sigev_signo = SIGRTMIN};
	const struct itimerspec every = {{0, 100000}, {0, 100000}};

#ifdef sigev_notify_thread_id
	event.sigev_notify_thread_id = (pid_t)syscall(SYS_gettid);
#else
	event._sigev_un._tid = (pid_t)syscall(SYS_gettid);
#endif
	CHECK(!timer_create(CLOCK_MONOTONIC, &event, ret_timer));
	CHECK(!timer_settime(*ret_timer, 0, &every, NULL));
}

/* The object says its size, so that any thread can check it. */
static void *make(uint64_t *state)
{
	size_t size = 32 + draw_size(state, 11);
	unsigned char *p = malloc(size);

	CHECK(p);
	memcpy(p, &size, sizeof(size));
	memset(p + 8, (int)size, size - 8);
	return p;
}

static void check_and_free(void *object)
{
	unsigned char *p = object;
	size_t size;

	if (!p)
		return;
	memcpy(&size, p, sizeof(size));
	CHECK(size >= 32 && size < 4096);
	for (size_t i = 8; i < size; i++)
		CHECK(p[i] == (unsigned char)size);
	free(p);
}

static void *work(void *arg)
{
	uint64_t state = (uintptr_t)arg;
	timer_t timer;

	start_timer(&timer);
	while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
		size_t i = draw(&state) % SLOTS;
		void *mine[8];

		check_and_free(atomic_exchange(&slots[i], make(&state)));
		for (int k = 0; k < 8; k++)
			mine[k] = make(&state);
		for (int k = 0; k < 8; k++)
			check_and_free(mine[k]);
	}
	CHECK(!timer_delete(timer));
	return NULL;
}

/* A machine that is busy, or emulated, sends fewer. */
static void wait_for_signals(void)
{
	struct timespec second = {.tv_sec = 1};

	for (int i = 0; i < MOST_SECONDS; i++) {
		if (i >= SECONDS && nr_signals >= SIGNALS)
			return;
		nanosleep(&second, NULL);
	}
}

int main(void)
{
	struct sigaction action = {.sa_handler = on_signal};
	uintptr_t key = (uintptr_t)seed();
	pthread_t threads[THREADS];

	check_library();
	CHECK(!sigaction(SIGRTMIN, &action, NULL));
	for (size_t t = 0; t < THREADS; t++)
		CHECK(!pthread_create(&threads[t], NULL, work,
				      as_pointer(key << 8 | (t + 1))));
	wait_for_signals();
	atomic_store_explicit(&stop, true, memory_order_relaxed);
	for (size_t t = 0; t < THREADS; t++)
		CHECK(!pthread_join(threads[t], NULL));
	for (size_t i = 0; i < SLOTS; i++)
		check_and_free(slots[i]);
	printf("%lu signals\n", nr_signals);
	if (nr_signals < SIGNALS)
		skip("timers hardly run here");
	return 0;
}
