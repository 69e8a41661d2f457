/*
 * Run twice: with the areas that libc registers, where it does, and with
 * GLIBC_TUNABLES=glibc.pthread.rseq=0, so that we register our own.  The
 * aborts inside of a sequence are the matter of rseq_abort.c.
 */
#include "sys/rseq.h"

#include "base/compiler.h"
#include "sys/map.h"
#include "sys/topology.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* glibc lacks the name that sigevent(7) gives it */
#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

enum {
	CID_FEATURE_SIZE = 28, /* of a kernel that fills in mm_cid */
	FEATURE_SIZE = 27,     /* AT_RSEQ_FEATURE_SIZE */
	KEPT = 4711,
};

static void init_or_skip(enum qr_rseq_mode wish, bool one_node)
{
	qr_rseq_init(wish, one_node);
	if (qr_rseq.mode == QR_RSEQ_OFF)
		cr_skip_test("no restartable sequences here");
}

static bool have_cid(void)
{
	return getauxval(FEATURE_SIZE) >= CID_FEATURE_SIZE;
}

/* Every thread does this first; the allocator does it at a miss. */
static int32_t my_id(void)
{
	if (qr_rseq_id() < 0)
		qr_rseq_register_thread();
	return qr_rseq_id();
}

/*
 * The choice of a mode
 */

Test(rseq, before_init_and_on_request_it_is_off)
{
	cr_assert_eq(qr_rseq.mode, QR_RSEQ_OFF);
	cr_assert_str_eq(qr_rseq_mode_name(), "locked");
	qr_rseq_init(QR_RSEQ_OFF, true);
	cr_assert_eq(qr_rseq.mode, QR_RSEQ_OFF);
	cr_assert_str_eq(qr_rseq_mode_name(), "locked");
	cr_assert_not(qr_rseq_register_thread());
}

Test(rseq, one_node_gets_concurrency_ids_where_the_kernel_has_them)
{
	init_or_skip(QR_RSEQ_AUTO, true);
	cr_assert_eq(qr_rseq.mode, have_cid() ? QR_RSEQ_CID : QR_RSEQ_CPU);
	cr_assert_eq(
		!strncmp(qr_rseq_mode_name(), "rseq by concurrency id", 22),
		have_cid());
}

Test(rseq, several_nodes_get_cpu_numbers)
{
	init_or_skip(QR_RSEQ_AUTO, false);
	cr_assert_eq(qr_rseq.mode, QR_RSEQ_CPU);
	cr_assert_eq(strncmp(qr_rseq_mode_name(), "rseq by CPU", 11), 0);
}

Test(rseq, a_wish_for_cpu_numbers_is_granted)
{
	init_or_skip(QR_RSEQ_CPU, true);
	cr_assert_eq(qr_rseq.mode, QR_RSEQ_CPU);
}

Test(rseq, a_wish_for_concurrency_ids_is_granted_whatever_the_nodes)
{
	init_or_skip(QR_RSEQ_CID, false);
	cr_assert_eq(qr_rseq.mode, have_cid() ? QR_RSEQ_CID : QR_RSEQ_CPU);
}

Test(rseq, the_name_tells_whose_area_it_is)
{
	init_or_skip(QR_RSEQ_AUTO, true);
	cr_assert_eq(strstr(qr_rseq_mode_name(), "own area") != NULL,
		     qr_rseq.own);
	if (getenv("QUARRY_TEST_OWN_AREA"))
		cr_assert(qr_rseq.own);
}

Test(rseq, init_keeps_errno)
{
	errno = KEPT;
	qr_rseq_init(QR_RSEQ_AUTO, true);
	cr_assert_eq(errno, KEPT);
	qr_rseq_register_thread();
	cr_assert_eq(errno, KEPT);
	qr_rseq_barrier();
	cr_assert_eq(errno, KEPT);
}

/* From now on @number fails with ENOSYS. */
static void refuse_call(int number)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)number, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {QR_ARRAY_SIZE(filter), filter};

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
		cr_skip_test("no seccomp here");
}

Test(rseq, where_nobody_may_register_it_is_off)
{
	if (!getenv("QUARRY_TEST_OWN_AREA"))
		cr_skip_test("libc has registered long ago");
	refuse_call(SYS_rseq);
	qr_rseq_init(QR_RSEQ_AUTO, true);
	cr_assert_eq(qr_rseq.mode, QR_RSEQ_OFF);
	cr_assert_not(qr_rseq.own);
	cr_assert_not(qr_rseq_register_thread());
}

static void *id_without_rseq(void *arg)
{
	int32_t *ret_id = arg;

	*ret_id = my_id();
	return NULL;
}

Test(rseq, a_thread_that_may_not_register_has_a_negative_id)
{
	pthread_t thread;
	int32_t id = 0;

	init_or_skip(QR_RSEQ_AUTO, true);
	if (!qr_rseq.own)
		cr_skip_test("libc registers");
	refuse_call(SYS_rseq);
	cr_assert_geq(my_id(), 0);
	pthread_create(&thread, NULL, id_without_rseq, &id);
	pthread_join(thread, NULL);
	cr_assert_lt(id, 0);
	cr_assert_geq(id, -2);
}

Test(rseq, the_barrier_works_without_being_asked_before_and_after_a_fork)
{
	int status;
	pid_t child;

	init_or_skip(QR_RSEQ_AUTO, true);
	if (!qr_rseq_barrier())
		cr_skip_test("a kernel older than 5.10");
	cr_assert(qr_rseq_barrier());
	child = fork();
	if (child == 0)
		_exit(qr_rseq_barrier() && qr_rseq_barrier() ? 0 : 1);
	cr_assert_eq(waitpid(child, &status, 0), child);
	cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	refuse_call(SYS_membarrier);
	cr_assert_not(qr_rseq_barrier());
}

/*
 * Ids
 */

Test(rseq, the_id_is_the_cpu_in_that_mode)
{
	cpu_set_t all, one;

	init_or_skip(QR_RSEQ_CPU, true);
	cr_assert_eq(sched_getaffinity(0, sizeof(all), &all), 0);
	for (int i = 0; i < CPU_SETSIZE; i++) {
		if (!CPU_ISSET(i, &all))
			continue;
		CPU_ZERO(&one);
		CPU_SET(i, &one);
		cr_assert_eq(sched_setaffinity(0, sizeof(one), &one), 0);
		cr_assert_eq(qr_rseq_id(), i);
	}
}

enum { MANY = 50 };

static pthread_barrier_t all_here;
static int32_t ids[MANY];

static void *tell_id(void *arg)
{
	int32_t *at = arg;

	*at = my_id();
	pthread_barrier_wait(&all_here);
	return NULL;
}

static void ids_in_mode(enum qr_rseq_mode mode)
{
	struct qr_topology t;
	pthread_t threads[MANY];

	qr_topology_read(&t);
	init_or_skip(mode, true);
	pthread_barrier_init(&all_here, NULL, MANY);
	for (int i = 0; i < MANY; i++)
		pthread_create(&threads[i], NULL, tell_id, &ids[i]);
	for (int i = 0; i < MANY; i++) {
		pthread_join(threads[i], NULL);
		cr_assert_geq(ids[i], 0);
		cr_assert_lt((unsigned)ids[i], t.nr_cpu_ids);
	}
}

Test(rseq, concurrency_ids_are_below_the_number_of_cpu_ids)
{
	ids_in_mode(QR_RSEQ_CID);
}

Test(rseq, cpu_numbers_are_below_the_number_of_cpu_ids)
{
	ids_in_mode(QR_RSEQ_CPU);
}

static pthread_key_t late_key;
static _Atomic int late_runs, late_bad;

/* Comes again, so that once at least it is after the area's own destructor. */
static void late_destructor(void *arg)
{
	char *rounds = arg;

	atomic_fetch_add(&late_runs, 1);
	if (--*rounds) {
		pthread_setspecific(late_key, rounds);
		return;
	}
	if (qr_rseq.own && (qr_rseq_register_thread() || qr_rseq_id() >= 0))
		atomic_fetch_add(&late_bad, 1);
}

static void *live_shortly(void *arg)
{
	static _Thread_local char rounds;

	rounds = 3;
	pthread_setspecific(late_key, &rounds);
	if (my_id() < 0)
		atomic_fetch_add(&late_bad, 1);
	return arg;
}

/* Stacks come back to new threads, with what the kernel wrote into them. */
Test(rseq, threads_come_and_go_and_end_unregistered)
{
	init_or_skip(QR_RSEQ_AUTO, true);
	cr_assert_eq(pthread_key_create(&late_key, late_destructor), 0);
	for (int i = 0; i < 200; i++) {
		pthread_t thread;

		cr_assert_eq(pthread_create(&thread, NULL, live_shortly, NULL),
			     0);
		pthread_join(thread, NULL);
	}
	cr_assert_eq(late_runs, 600);
	cr_assert_eq(late_bad, 0);
}

/*
 * change
 */

/* One that must not be MOVED by accident. */
static int change(struct qr_row *row, const struct qr_row *expect,
		  const struct qr_row *desired, void *dst, const void *src,
		  size_t n)
{
	int rc;

	do {
		rc = qr_rseq_change(my_id(), row, expect, desired, dst, src, n);
	} while (rc == QR_RSEQ_MOVED);
	return rc;
}

static bool same_row(const struct qr_row *a, const struct qr_row *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

static const struct qr_row old_row = {1, UINT32_MAX, 0, 4};
static const struct qr_row new_row = {5, 6, 1u << 31, 8};

Test(rseq, change_copies_and_writes_the_row)
{
	uint64_t src[8] = {1, 2, 3, 4, 5, 6, 7, 8};

	init_or_skip(QR_RSEQ_AUTO, true);
	for (size_t n = 0; n <= 8; n++) {
		uint64_t dst[8] = {0};
		struct qr_row row = old_row;

		cr_assert_eq(change(&row, &old_row, &new_row, dst, src, n), 0);
		cr_assert(same_row(&row, &new_row));
		for (size_t i = 0; i < 8; i++)
			cr_assert_eq(dst[i], i < n ? src[i] : 0);
	}
}

Test(rseq, change_leaves_a_row_of_which_one_bit_is_not_as_expected)
{
	uint64_t src = 1, dst = 2;
	struct qr_row row = old_row;

	init_or_skip(QR_RSEQ_AUTO, true);
	for (unsigned bit = 0; bit < 128; bit++) {
		struct qr_row expect = old_row;
		uint32_t fields[4];

		memcpy(fields, &expect, sizeof(fields));
		fields[bit / 32] ^= UINT32_C(1) << (bit % 32);
		memcpy(&expect, fields, sizeof(fields));
		cr_assert_eq(change(&row, &expect, &new_row, &dst, &src, 1),
			     QR_RSEQ_CHANGED, "bit %u", bit);
		cr_assert(same_row(&row, &old_row));
	}
	cr_assert_eq(dst, 2);
}

Test(rseq, change_does_nothing_for_an_id_that_is_not_ours)
{
	uint64_t src = 1, dst = 2;
	struct qr_row row = old_row;

	init_or_skip(QR_RSEQ_AUTO, true);
	cr_assert_eq(
		qr_rseq_change(-1, &row, &old_row, &new_row, &dst, &src, 1),
		QR_RSEQ_MOVED);
	cr_assert_eq(qr_rseq_change(1 << 30, &row, &old_row, &new_row, &dst,
				    &src, 1),
		     QR_RSEQ_MOVED);
	cr_assert(same_row(&row, &old_row));
	cr_assert_eq(dst, 2);
}

/*
 * Workers do something for a while, and do it again in the handler of a
 * signal that comes again and again: some sequences are interrupted by others
 * on the same data.  Luck decides which; rseq_abort.c leaves none out.
 */
#if defined(__SANITIZE_THREAD__)
#define UNDER_TSAN 1
#elif defined(__has_feature)
#define UNDER_TSAN __has_feature(thread_sanitizer)
#else
#define UNDER_TSAN 0
#endif

enum {
	WORKERS = 4,
	ROUNDS = UNDER_TSAN ? 10000 : 100000,
	INTERRUPTS = UNDER_TSAN ? 100 : 1000,
	PERIOD_US = UNDER_TSAN ? 1000 : 50, /* a signal costs it some 100 */
};

struct worker {
	pthread_t thread;
	void (*step)(struct worker *w);
	_Atomic size_t steps; /* of worker and handler */
	_Atomic size_t nr_turned;
	_Atomic int nr_interrupts;
	bool wrong;
};

static struct worker workers[WORKERS];
static _Thread_local struct worker *this_worker;

static void step_in_handler(int number)
{
	int saved = errno;

	(void)number;
	if (!this_worker)
		return;
	this_worker->step(this_worker);
	if (atomic_fetch_add(&this_worker->nr_interrupts, 1) % 64 == 0)
		sched_yield();
	errno = saved;
}

/* A timer that interrupts the calling thread alone, while it runs. */
static timer_t start_timer(void)
{
	struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID,
				 .sigev_signo = SIGUSR1};
	struct itimerspec often = {{0, PERIOD_US * 1000},
				   {0, PERIOD_US * 1000}};
	timer_t timer;

	event.sigev_notify_thread_id = (pid_t)syscall(SYS_gettid);
	cr_assert_eq(timer_create(CLOCK_MONOTONIC, &event, &timer), 0);
	cr_assert_eq(timer_settime(timer, 0, &often, NULL), 0);
	return timer;
}

static void *work(void *arg)
{
	timer_t timer = start_timer();

	this_worker = arg;
	my_id();
	for (int i = 0; i < ROUNDS || this_worker->nr_interrupts < INTERRUPTS;
	     i++)
		this_worker->step(this_worker);
	timer_delete(timer);
	return NULL;
}

/* Returns the number of steps. */
static size_t work_interrupted(void (*step)(struct worker *w))
{
	struct sigaction action = {.sa_handler = step_in_handler,
				   .sa_flags = SA_RESTART};
	size_t sum = 0;

	sigaction(SIGUSR1, &action, NULL);
	for (int i = 0; i < WORKERS; i++) {
		workers[i].step = step;
		pthread_create(&workers[i].thread, NULL, work, &workers[i]);
	}
	for (int i = 0; i < WORKERS; i++) {
		pthread_join(workers[i].thread, NULL);
		cr_assert_not(workers[i].wrong);
		sum += workers[i].steps;
	}
	return sum;
}

/*
 * A counter per id, in every field of a row, and beside it a copy that change
 * makes before it commits.
 */
enum { IDS = 8192 };

static struct {
	struct qr_row row;
	uint64_t copy;
} QR_ALIGNED(64) counters[IDS];

static struct qr_row counting(uint32_t n)
{
	return (struct qr_row){n, 3 * n, 5 * n, 7 * n};
}

static void increment(struct worker *w)
{
	int32_t id = qr_rseq_id();
	struct qr_row now, next;
	uint64_t copy;

	if (id < 0 || id >= IDS) {
		w->wrong = true;
		return;
	}
	copy = __atomic_load_n(&counters[id].row.at, __ATOMIC_RELAXED);
	now = counting((uint32_t)copy);
	next = counting((uint32_t)copy + 1);
	if (qr_rseq_change(id, &counters[id].row, &now, &next,
			   &counters[id].copy, &copy, 1) == 0)
		atomic_fetch_add(&w->steps, 1);
}

static void count_in_mode(enum qr_rseq_mode mode)
{
	size_t steps, sum = 0;

	init_or_skip(mode, true);
	steps = work_interrupted(increment);
	for (size_t i = 0; i < IDS; i++) {
		uint32_t n = counters[i].row.at;
		struct qr_row row = counting(n);

		cr_assert(same_row(&counters[i].row, &row));
		/* n, if the last that was tried was aborted */
		cr_assert(counters[i].copy + 1 == n || counters[i].copy == n);
		sum += n;
	}
	cr_assert_gt(steps, ROUNDS);
	cr_assert_eq(sum, steps);
}

Test(rseq, changes_by_concurrency_id_lose_nothing)
{
	count_in_mode(QR_RSEQ_CID);
}

Test(rseq, changes_by_cpu_lose_nothing)
{
	count_in_mode(QR_RSEQ_CPU);
}

Test(rseq, the_child_of_a_fork_goes_on)
{
	struct qr_row row = old_row;
	int status;
	pid_t child;

	init_or_skip(QR_RSEQ_AUTO, true);
	child = fork();
	if (child == 0)
		_exit(my_id() < 0 ||
		      change(&row, &old_row, &new_row, NULL, NULL, 0) ||
		      !same_row(&row, &new_row));
	cr_assert_eq(waitpid(child, &status, 0), child);
	cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/*
 * pop and push
 */

enum { ROW = 4, SLOT = 64, NR_REGIONS = 512 };

static char *map_regions(void)
{
	char *p = qr_map_map((size_t)(NR_REGIONS + 2) << QR_REGION_SHIFT,
			     qr_page_size());

	cr_assert(p);
	qr_rseq.regions = p + 2 * QR_REGION_SIZE;
	return qr_rseq.regions;
}

static uint64_t *region_no(size_t i)
{
	return (uint64_t *)(void *)(qr_rseq.regions + i * QR_REGION_SIZE);
}

/* On one CPU, so that the region stays the same. */
static uint64_t *my_region(void)
{
	unsigned node, cpu = qr_topology_cpu(&node);
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	sched_setaffinity(0, sizeof(one), &one);
	map_regions();
	return region_no((size_t)my_id());
}

static struct qr_row row_of(const uint64_t *region)
{
	struct qr_row row;

	memcpy(&row, &region[ROW], sizeof(row));
	return row;
}

static void set_row(uint64_t *region, struct qr_row row)
{
	memcpy(&region[ROW], &row, sizeof(row));
}

static void *object_no(size_t n)
{
	return (void *)(uintptr_t)(0x123456780000 + 16 * n);
}

#define ASSERT_ROW(region, ...) assert_row(region, (struct qr_row){__VA_ARGS__})

static void assert_row(const uint64_t *region, struct qr_row expected)
{
	struct qr_row row = row_of(region);

	cr_assert_eq(row.at, expected.at);
	cr_assert_eq(row.al, expected.al);
	cr_assert_eq(row.ft, expected.ft);
	cr_assert_eq(row.fl, expected.fl);
}

Test(rseq, a_row_of_zeros_and_a_stopped_row_miss)
{
	static const struct qr_row rows[] = {
		{0, 0, 0, 0},
		{SLOT, SLOT, SLOT, SLOT},
		{SLOT + 5, UINT32_MAX, SLOT, 0},
		{UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX},
		{0x7fffffff, 0x80000000, 0x80000000, 0x7fffffff}, /* unsigned */
	};
	uint64_t *region;

	init_or_skip(QR_RSEQ_AUTO, true);
	region = my_region();
	for (size_t i = 0; i < QR_ARRAY_SIZE(rows); i++) {
		set_row(region, rows[i]);
		cr_assert_null(qr_rseq_pop(ROW));
		cr_assert_not(qr_rseq_push(ROW, object_no(1)));
		cr_assert_eq(memcmp(&region[ROW], &rows[i], sizeof(rows[i])),
			     0);
	}
}

Test(rseq, pop_takes_from_the_top_to_the_bottom)
{
	uint64_t *region;

	init_or_skip(QR_RSEQ_AUTO, true);
	region = my_region();
	for (size_t i = 0; i < 10; i++)
		region[SLOT + i] = (uintptr_t)object_no(i);
	set_row(region, (struct qr_row){SLOT + 10, SLOT, 7, 9});
	for (size_t i = 10; i-- > 0;) {
		cr_assert_eq(qr_rseq_pop(ROW), object_no(i));
		ASSERT_ROW(region, (uint32_t)(SLOT + i), SLOT, 7, 9);
	}
	cr_assert_null(qr_rseq_pop(ROW));
	ASSERT_ROW(region, SLOT, SLOT, 7, 9);
}

Test(rseq, push_adds_at_the_top_up_to_the_limit)
{
	uint64_t *region;

	init_or_skip(QR_RSEQ_AUTO, true);
	region = my_region();
	set_row(region, (struct qr_row){9, 7, SLOT, SLOT + 10});
	for (size_t i = 0; i < 10; i++) {
		cr_assert(qr_rseq_push(ROW, object_no(i)));
		ASSERT_ROW(region, 9, 7, (uint32_t)(SLOT + i + 1), SLOT + 10);
		cr_assert_eq(region[SLOT + i], (uintptr_t)object_no(i));
	}
	cr_assert_not(qr_rseq_push(ROW, object_no(10)));
	cr_assert_eq(region[SLOT + 10], 0);
}

/* The slots of a region are numbered to its very end. */
Test(rseq, the_last_slot_of_a_region_can_be_used)
{
	enum { LAST = QR_REGION_SIZE / 8 - 1 };
	uint64_t *region;

	init_or_skip(QR_RSEQ_AUTO, true);
	region = my_region();
	set_row(region, (struct qr_row){0, 0, LAST, LAST + 1});
	cr_assert(qr_rseq_push(ROW, object_no(5)));
	cr_assert_eq(region[LAST], (uintptr_t)object_no(5));
	set_row(region, (struct qr_row){LAST + 1, LAST, 0, 0});
	cr_assert_eq(qr_rseq_pop(ROW), object_no(5));
}

static void *pop_unregistered(void *arg)
{
	bool *ok = arg;

	*ok = qr_rseq_id() < 0 && !qr_rseq_pop(ROW) &&
	      !qr_rseq_push(ROW, object_no(1)) && qr_rseq_id() < 0;
	return NULL;
}

Test(rseq, a_thread_without_an_area_reads_zeros_before_the_regions)
{
	pthread_t thread;
	bool ok = false;

	init_or_skip(QR_RSEQ_AUTO, true);
	if (!qr_rseq.own)
		cr_skip_test("libc registers every thread");
	map_regions();
	for (size_t i = 0; i < NR_REGIONS; i++)
		set_row(region_no(i),
			(struct qr_row){SLOT + 1, SLOT, SLOT, SLOT + 9});
	pthread_create(&thread, NULL, pop_unregistered, &ok);
	pthread_join(thread, NULL);
	cr_assert(ok);
}

Test(rseq, a_thread_that_left_misses_until_it_returns)
{
	uint64_t *region;

	init_or_skip(QR_RSEQ_CPU, true);
	map_regions();
	for (size_t i = 0; i < NR_REGIONS; i++) {
		region = region_no(i);
		region[SLOT] = (uintptr_t)object_no(1);
		set_row(region, (struct qr_row){SLOT + 1, SLOT, SLOT + 2,
						SLOT + 9});
	}
	for (int round = 0; round < 3; round++) {
		errno = KEPT;
		cr_assert(qr_rseq_leave());
		cr_assert(qr_rseq_leave());
		cr_assert_lt(qr_rseq_id(), 0);
		cr_assert_null(qr_rseq_pop(ROW));
		cr_assert_not(qr_rseq_push(ROW, object_no(2)));
		cr_assert_geq(sched_getcpu(), 0);
		qr_rseq_return();
		qr_rseq_return();
		cr_assert_eq(errno, KEPT);
		cr_assert_geq(my_id(), 0);
	}
	while (!qr_rseq_pop(ROW)) /* moved to another CPU */
		set_row(region_no((size_t)my_id()),
			(struct qr_row){SLOT + 1, SLOT, SLOT, SLOT + 9});
}

Test(rseq, by_concurrency_id_nobody_can_leave)
{
	init_or_skip(QR_RSEQ_CID, true);
	if (qr_rseq.mode != QR_RSEQ_CID)
		cr_skip_test("no concurrency ids here");
	cr_assert_not(qr_rseq_leave());
	cr_assert_geq(my_id(), 0);
}

/*
 * Workers pop and push for a while, and turn a row whose allocation array is
 * empty, as the slab layer does.  An object belongs to one worker at a time,
 * and at the end each is found once, in an array or with a worker.
 *
 *	row		SLOT ...	SLOT + CAPACITY ...
 *	al = SLOT	to allocate	freed
 *	al = other	freed		to allocate
 */
enum { CAPACITY = 32, OBJECTS = NR_REGIONS * CAPACITY };

static struct {
	_Atomic char in_use;
	_Atomic char kept; /* by a worker: there was no room for it */
	int found;
} objects[OBJECTS];

static size_t number_of(const void *object)
{
	return ((uintptr_t)object - (uintptr_t)object_no(0)) / 16;
}

static unsigned other_array(unsigned start)
{
	return start == SLOT ? SLOT + CAPACITY : SLOT;
}

static void turn(struct worker *w)
{
	int32_t id = qr_rseq_id();
	struct qr_row *at = (void *)(region_no((size_t)id) + ROW);
	struct qr_row row = *at, next;

	if (row.at != row.al)
		return;
	next.at = row.ft;
	next.al = (uint32_t)other_array(row.al);
	next.ft = row.al;
	next.fl = (uint32_t)(row.al + CAPACITY);
	if (qr_rseq_change(id, at, &row, &next, NULL, NULL, 0) == 0)
		atomic_fetch_add(&w->nr_turned, 1);
}

static void pop_and_push(struct worker *w)
{
	void *object = qr_rseq_pop(ROW);
	size_t n = number_of(object);

	if (!object) {
		turn(w);
		return;
	}
	atomic_fetch_add(&w->steps, 1);
	if (n >= OBJECTS || atomic_exchange(&objects[n].in_use, 1)) {
		w->wrong = true;
		return;
	}
	atomic_store(&objects[n].in_use, 0);
	if (!qr_rseq_push(ROW, object))
		objects[n].kept = 1;
}

static void find(uint64_t object)
{
	size_t n = (object - (uintptr_t)object_no(0)) / 16;

	cr_assert_lt(n, OBJECTS);
	objects[n].found++;
}

static void find_all_of(const uint64_t *region)
{
	struct qr_row row = row_of(region);

	for (unsigned i = row.al; i < row.at; i++)
		find(region[i]);
	for (unsigned i = other_array(row.al); i < row.ft; i++)
		find(region[i]);
}

static void pop_and_push_in_mode(enum qr_rseq_mode mode)
{
	size_t popped, turned = 0;

	init_or_skip(mode, true);
	map_regions();
	for (size_t i = 0; i < NR_REGIONS; i++) {
		for (size_t j = 0; j < CAPACITY; j++)
			region_no(i)[SLOT + j] =
				(uintptr_t)object_no(i * CAPACITY + j);
		set_row(region_no(i),
			(struct qr_row){SLOT + CAPACITY, SLOT, SLOT + CAPACITY,
					SLOT + 2 * CAPACITY});
	}
	popped = work_interrupted(pop_and_push);
	for (int i = 0; i < WORKERS; i++)
		turned += workers[i].nr_turned;
	for (size_t i = 0; i < NR_REGIONS; i++)
		find_all_of(region_no(i));
	for (size_t i = 0; i < OBJECTS; i++)
		cr_assert_eq(objects[i].found + objects[i].kept, 1,
			     "object %zu", i);
	cr_assert_gt(popped, ROUNDS);
	cr_assert_gt(turned, ROUNDS / CAPACITY);
}

Test(rseq, by_concurrency_id_no_object_is_popped_twice_and_none_is_lost)
{
	pop_and_push_in_mode(QR_RSEQ_CID);
}

Test(rseq, by_cpu_no_object_is_popped_twice_and_none_is_lost)
{
	pop_and_push_in_mode(QR_RSEQ_CPU);
}
