#include "arena.h"

#include "sys/map.h"

#include <linux/perf_event.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static struct qr_page *grow_by(unsigned order)
{
	struct qr_page *page = qr_block_alloc(0, 0, order);

	cr_assert(page);
	touch(page, (size_t)1 << order);
	return page;
}

static size_t nr_faulted(void)
{
	return qr_zones[0].counters.faulted;
}

/* Had before it was touched, and not touched yet. */
static size_t nr_ahead(void)
{
	return qr_zones[0].nr_dirty + qr_pcps_count();
}

static void need_populate(void)
{
	size_t size = qr_page_size();
	void *p = qr_map_map(size, size);
	int rc = qr_map_populate(p, size);

	qr_map_unmap(p, size);
	if (rc)
		cr_skip_test("a kernel without MADV_POPULATE_WRITE");
}

Test(fault, a_small_heap_is_not_faulted_ahead)
{
	arena_init(64 * MIB);
	for (size_t n = 0; n < MIB >> QR_FRAME_SHIFT; n += 2)
		grow_by(1);
	cr_assert_eq(nr_faulted(), 0);
	cr_assert_eq(nr_ahead(), 0);
	check_zones();
}

Test(fault, what_a_growing_heap_has_ahead_is_a_small_share)
{
	struct draw draw = draw_init("share");
	size_t used = 0, worst = 0, steps = 0, before = 0;

	need_populate();
	arena_init(512 * MIB);
	while (used < 96 * MIB >> QR_FRAME_SHIFT) {
		struct qr_page *run;
		unsigned order;

		if (draw_below(&draw, 2)) {
			order = (unsigned)draw_below(&draw, 4);
			grow_by(order);
		} else {
			order = (unsigned)draw_below(&draw, 6);
			run = qr_run_alloc(0, (size_t)1 << order, 0, NULL);
			touch(run, (size_t)1 << order);
		}
		used += (size_t)1 << order;
		worst = qr_max(worst, nr_ahead() * 1000 / used);
		cr_assert_leq(nr_ahead(), used / 20);
		steps += nr_faulted() != before;
		before = nr_faulted();
	}
	fprintf(stderr, "at most %.1f %% ahead, %zu steps for %zu MiB\n",
		(double)worst / 10, steps, used >> 8);
	cr_assert_gt(nr_faulted(), used / 8 * 7);
	cr_assert_lt(steps, 600);
	check_zones();
}

Test(fault, steps_double_until_memory_is_given_back)
{
	struct qr_page *page, *last = NULL;
	size_t sizes[4];

	need_populate();
	arena_init(512 * MIB);
	for (size_t used = 0; used < 100 * MIB >> QR_FRAME_SHIFT; used++)
		last = grow_by(0);
	cr_assert_eq(qr_zones[0].fault_order, 8);
	for (int i = 0; i < 4; i++) {
		size_t before = nr_faulted();

		while (nr_faulted() == before)
			page = grow_by(0);
		sizes[i] = nr_faulted() - before;
	}
	cr_assert_eq(sizes[0], 256);
	cr_assert_eq(sizes[3], 256);
	qr_block_free(last, 0, 0);
	qr_block_free(page, 0, 0);
	qr_nodes_trim(0);
	for (int i = 0; i < 4; i++) {
		size_t before = nr_faulted();

		while (nr_faulted() == before)
			grow_by(0);
		sizes[i] = nr_faulted() - before;
	}
	for (int i = 0; i < 4; i++)
		cr_assert_eq(sizes[i], 4u << i, "step %d: %zu", i, sizes[i]);
	check_zones();
}

Test(fault, large_runs_are_left_to_who_touches_them)
{
	need_populate();
	arena_init(512 * MIB);
	for (int i = 0; i < 100; i++) {
		bool clean = false;

		cr_assert(qr_run_alloc(0, 256, 0, &clean));
		cr_assert(clean);
	}
	cr_assert_eq(nr_faulted(), 0);
}

Test(fault, under_a_limit_the_last_page_can_be_had)
{
	size_t used = 0;

	need_limit(RLIMIT_DATA);
	set_limit(RLIMIT_DATA,
		  proc_bytes("/proc/self/status", "VmData:") + 64 * MIB);
	arena_init(512 * MIB);
	for (; qr_block_alloc(0, 0, 0); used++)
		;
	cr_assert_gt(used, 60 * MIB >> QR_FRAME_SHIFT);
	cr_assert_eq(qr_zones[0].nr_free, 0);
	cr_assert_eq(qr_zones[0].frontier, qr_zones[0].committed);
	check_zones();
}

/* Exceptions, not what the kernel calls faults when it populates. */
static int count_faults(void)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_PAGE_FAULTS,
	};

	return (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0);
}

static double faults_per_page(int counter, size_t mib)
{
	size_t n = mib << 8;
	uint64_t before, after;

	cr_assert_eq(read(counter, &before, sizeof(before)), sizeof(before));
	for (size_t i = 0; i < n; i += 2)
		grow_by(1);
	cr_assert_eq(read(counter, &after, sizeof(after)), sizeof(after));
	return (double)(after - before) / (double)n;
}

Test(fault, a_growing_heap_faults_once_for_many_pages)
{
	int counter = count_faults();
	double first, second;

	if (counter < 0)
		cr_skip_test("page faults are not counted here");
	need_populate();
	arena_init(512 * MIB);
	first = faults_per_page(counter, 16);
	second = faults_per_page(counter, 64);
	fprintf(stderr, "faults a page: %.3f to 16 MiB, %.3f to 80 MiB\n",
		first, second);
	if (!SANITIZED)
		cr_assert_lt(second, 0.125);
}

/* In a child, where an assertion of the harness would wait for its parent. */
static void check_or_exit(int status)
{
	const char *wrong = qr_zone_check(&qr_zones[0]);

	if (!wrong)
		return;
	fprintf(stderr, "in the child: %s\n", wrong);
	_exit(status);
}

static atomic_bool stop;

static void *grow_until_stopped(void *arg)
{
	unsigned cpu = (unsigned)(uintptr_t)arg;

	while (!atomic_load(&stop)) {
		struct qr_page *page = qr_block_alloc(0, cpu, 2);

		if (page)
			touch(page, 4);
		else
			break;
	}
	return NULL;
}

Test(fault, threads_grow_side_by_side_and_fork)
{
	pthread_t threads[3];

	need_populate();
	arena_init(256 * MIB);
	for (uintptr_t i = 0; i < 3; i++)
		pthread_create(&threads[i], NULL, grow_until_stopped,
			       (void *)i);
	for (int round = 0; round < 20; round++) {
		int status;
		pid_t child;

		qr_lock_allow_same_rank(true);
		qr_nodes_lock_all();
		child = fork();
		qr_nodes_unlock_all(child == 0);
		qr_lock_allow_same_rank(false);
		if (child == 0) {
			alarm(20);
			check_or_exit(1);
			/* the threads may have used everything up */
			for (int i = 0; i < 200; i++) {
				struct qr_page *page = qr_block_alloc(0, 0, 1);

				if (page)
					touch(page, 2);
			}
			while (qr_run_alloc(0, QR_MAX_BLOCK_FRAMES, 0, NULL))
				;
			check_or_exit(2);
			_exit(0);
		}
		cr_assert_eq(waitpid(child, &status, 0), child);
		cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0,
			  "round %d: status %#x", round, (unsigned)status);
	}
	atomic_store(&stop, true);
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	check_zones();
}
