#include "arena/meta.h"
#include "arena/vma.h"
#include "sys/rcu.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static const uintptr_t BASE = UINT64_C(1) << 40;
enum { PAGE = 4096 };

static struct qr_vma range(uintptr_t first_page, uintptr_t end_page)
{
	return (struct qr_vma){.start = BASE + first_page * PAGE,
			       .end = BASE + end_page * PAGE,
			       .kind = QR_VMA_LARGE,
			       .node = QR_VMA_ANY_NODE};
}

static struct qr_vma *put(uintptr_t first_page, uintptr_t end_page)
{
	struct qr_vma new = range(first_page, end_page), *vma = NULL;

	cr_assert_eq(qr_vma_insert(&new, &vma), 0);
	return vma;
}

static struct qr_vma *at(uintptr_t page)
{
	unsigned token = qr_vma_read_begin();
	struct qr_vma *vma = qr_vma_find(BASE + page * PAGE);

	qr_vma_read_end(token);
	return vma;
}

static struct qr_vma_stats stats(void)
{
	struct qr_vma_stats s;

	qr_vma_read_stats(&s);
	return s;
}

/*
 *	page  0    10   20   30
 *	      |----|    |----|
 */
Test(vma, an_address_is_found_in_its_interval_only)
{
	struct qr_vma *low = put(0, 10), *high = put(20, 30);

	cr_assert_eq(at(0), low);
	cr_assert_eq(at(9), low);
	cr_assert_null(at(10));
	cr_assert_null(at(19));
	cr_assert_eq(at(29), high);
	cr_assert_null(at(30));
	cr_assert(qr_vma_check());
}

Test(vma, what_overlaps_is_refused_and_changes_nothing)
{
	struct qr_vma wrong[] = {range(5, 6), range(0, 10), range(9, 11),
				 range(8, 25), range(15, 21)};
	struct qr_vma empty = range(15, 15), past_end = range(15, 16);
	struct qr_vma *low = put(0, 10), *high = put(20, 30);
	size_t nr = stats().nr;

	for (unsigned i = 0; i < 5; i++)
		cr_assert_eq(qr_vma_insert(&wrong[i], NULL), -EEXIST);
	past_end.end = 5;
	cr_assert_eq(qr_vma_insert(&empty, NULL), -EINVAL);
	cr_assert_eq(qr_vma_insert(&past_end, NULL), -EINVAL);
	cr_assert_eq(qr_vma_resize(low, 21 * PAGE, NULL), -EEXIST);
	cr_assert_eq(qr_vma_resize(low, SIZE_MAX, NULL), -EINVAL);
	cr_assert_eq(qr_vma_move(high, BASE + 9 * PAGE, PAGE, NULL), -EEXIST);
	cr_assert_eq(at(0), low);
	cr_assert_eq(at(20), high);
	cr_assert_eq(stats().nr, nr);
	cr_assert(qr_vma_check());
}

Test(vma, an_interval_may_move_onto_its_own_old_place)
{
	struct qr_vma *vma = put(0, 10);

	cr_assert_eq(qr_vma_move(vma, BASE + 5 * PAGE, 10 * PAGE, &vma), 0);
	cr_assert_null(at(4));
	cr_assert_eq(at(5), vma);
	cr_assert_eq(at(14), vma);
	cr_assert_eq(qr_vma_resize(vma, 3 * PAGE, &vma), 0);
	cr_assert_null(at(8));
	cr_assert(qr_vma_check());
}

Test(vma, registered_neighbours_of_one_kind_become_one)
{
	char *base = (char *)BASE;
	size_t nr;

	cr_assert_eq(qr_vma_register(base, 4 * PAGE, QR_VMA_OTHER), 0);
	nr = stats().nr;
	cr_assert_eq(qr_vma_register(base + 8 * PAGE, PAGE, QR_VMA_OTHER), 0);
	cr_assert_eq(qr_vma_register(base + 9 * PAGE, PAGE, QR_VMA_SPAN), 0);
	cr_assert_eq(stats().nr, nr + 2);
	cr_assert_eq(qr_vma_register(base + 4 * PAGE, 4 * PAGE, QR_VMA_OTHER),
		     0);
	cr_assert_eq(stats().nr, nr + 1);
	cr_assert_eq(at(0)->end, BASE + 9 * PAGE);
	cr_assert_eq(qr_vma_register(base + 2 * PAGE, PAGE, QR_VMA_OTHER),
		     -EEXIST);

	cr_assert_eq(qr_vma_unregister(base + 3 * PAGE, 2 * PAGE), 0);
	cr_assert_eq(stats().nr, nr + 2);
	cr_assert_eq(at(0)->end, BASE + 3 * PAGE);
	cr_assert_null(at(4));
	cr_assert_eq(at(5)->end, BASE + 9 * PAGE);
	cr_assert_eq(at(9)->kind, QR_VMA_SPAN);
	cr_assert_eq(qr_vma_unregister(base, 100 * PAGE), 0);
	cr_assert_eq(stats().nr, nr - 1);
	cr_assert(qr_vma_check());
}

Test(vma, chunks_of_metadata_are_in_it)
{
	struct qr_vma_info info = {0};
	size_t bytes = 0;

	for (int i = 0; i < 100; i++)
		cr_assert_not_null(qr_meta_alloc(60000));
	put(0, 10);
	while (qr_vma_next(info.end, &info)) {
		if (info.kind == QR_VMA_META)
			bytes += info.end - info.start;
	}
	cr_assert_eq(bytes, qr_meta_bytes());
}

Test(vma, runs_count_what_the_kernel_would_not_merge)
{
	size_t runs;

	put(500, 501);
	runs = stats().runs;
	put(0, 10);
	cr_assert_eq(stats().runs, runs + 1);
	put(20, 30);
	cr_assert_eq(stats().runs, runs + 2);
	put(10, 20);
	cr_assert_eq(stats().runs, runs + 1);
	cr_assert(qr_vma_unmap_splits(at(10)));
	cr_assert_not(qr_vma_unmap_splits(at(0)));
	cr_assert_eq(qr_vma_remove(at(10)), 0);
	cr_assert_eq(stats().runs, runs + 2);
	cr_assert_not(qr_vma_unmap_splits(at(0)));
}

Test(vma, the_budget_is_tight_past_three_quarters_of_the_limit)
{
	uintptr_t i;

	cr_assert_not(qr_vma_tight());
	cr_assert_eq(stats().limit, 65530);
	qr_vma_set_limit(100);
	for (i = 0; stats().runs < 74; i++)
		put(2 * i, 2 * i + 1);
	cr_assert_not(qr_vma_tight());
	put(2 * i, 2 * i + 1);
	cr_assert(qr_vma_tight());
	cr_assert_eq(qr_vma_remove(at(0)), 0);
	cr_assert_not(qr_vma_tight());
}

/*
 *	page   10  12    20   29     40
 *	       |---|......|----|......|--|
 */
Test(vma, a_hole_is_found_from_above_and_from_below)
{
	struct qr_vma_gap wish = {.low = BASE + 10 * PAGE,
				  .high = BASE + 41 * PAGE,
				  .size = 8 * PAGE,
				  .align = PAGE};

	put(10, 12);
	put(20, 29);
	put(40, 41);
	cr_assert_eq(qr_vma_find_gap(&wish), BASE + 32 * PAGE);
	wish.lowest = true;
	cr_assert_eq(qr_vma_find_gap(&wish), BASE + 12 * PAGE);
	wish.size = 11 * PAGE;
	cr_assert_eq(qr_vma_find_gap(&wish), BASE + 29 * PAGE);
	wish.size = 12 * PAGE;
	cr_assert_eq(qr_vma_find_gap(&wish), 0);
	wish.size = 8 * PAGE;
	wish.align = 16 * PAGE; /* 16 is taken from 20 on, 32 is free */
	cr_assert_eq(qr_vma_find_gap(&wish), BASE + 32 * PAGE);
	wish.align = 64 * PAGE;
	cr_assert_eq(qr_vma_find_gap(&wish), 0);
}

/* Everything that is free is used up, and the kernel gives no more. */
static void exhaust(void)
{
	struct rlimit limit;

	getrlimit(RLIMIT_AS, &limit);
	limit.rlim_cur = 1 << 20;
	cr_assert_eq(setrlimit(RLIMIT_AS, &limit), 0);
	while (qr_meta_alloc(64))
		;
}

Test(vma, without_memory_a_change_fails_as_a_whole)
{
	struct qr_vma new, *vma, *parts[2];
	uintptr_t i;
	int rc = 0;

	for (i = 0; i < 100; i++)
		put(4 * i, 4 * i + 2);
	exhaust();
	/* spare nodes still serve for some time */
	for (; !rc && i < 100000; i++) {
		new = range(4 * i, 4 * i + 2);
		rc = qr_vma_insert(&new, NULL);
	}
	cr_assert_eq(rc, -ENOMEM);
	cr_assert_null(at(4 * (i - 1)));
	vma = at(4);
	cr_assert_eq(qr_vma_split(vma, BASE + 5 * PAGE, parts), -ENOMEM);
	cr_assert_eq(at(4), vma);
	cr_assert_eq(at(5), vma);
	cr_assert_null(qr_vma_unlink(vma));
	cr_assert_eq(at(5), vma);
	cr_assert(qr_vma_check());
}

Test(vma, what_was_unlinked_is_linked_again_without_memory)
{
	enum { OUT = 20 };
	struct qr_vma *out[OUT];
	uintptr_t i;

	for (i = 0; i < 500; i++)
		put(4 * i, 4 * i + 2);
	for (uintptr_t k = 0; k < OUT; k++)
		cr_assert_not_null(out[k] = qr_vma_unlink(at(16 * k)));
	exhaust();

	/* a reader keeps all that is retired */
	unsigned token = qr_rcu_read_lock();

	i = 4 * OUT;
	while (i < 500 && !qr_vma_remove(at(4 * i)))
		i++;
	cr_assert_lt(i, 500);
	for (uintptr_t k = 0; k < OUT; k++)
		qr_vma_link(out[k], BASE + (16 * k + 2) * PAGE, PAGE);
	qr_rcu_read_unlock(token);
	for (uintptr_t k = 0; k < OUT; k++) {
		cr_assert_null(at(16 * k));
		cr_assert_eq(at(16 * k + 2), out[k]);
	}
	cr_assert(qr_vma_check());
}

Test(vma, retired_nodes_are_used_again)
{
	struct qr_vma *vma = put(0, 10);
	size_t bytes = 0;

	for (uintptr_t i = 1; i < 500; i++)
		put(20 * i, 20 * i + 1);
	for (int i = 0; i < 200000; i++) {
		cr_assert_eq(qr_vma_resize(vma, (1 + i % 10) * PAGE, &vma), 0);
		qr_vma_quiesce();
		if (i == 20000)
			bytes = qr_meta_bytes();
	}
	cr_assert_eq(qr_meta_bytes(), bytes);
	cr_assert(qr_vma_check());
}

/*
 * One thread splits and merges [0, 64), another inserts and removes around
 * it, and readers always find every page of it.
 */
enum { COVERED = 64, ROUNDS = 20000 };
static _Atomic int writers;

static void *split_and_merge(void *arg)
{
	unsigned seed = 1;
	struct qr_vma *vma = arg;

	for (int i = 0; i < ROUNDS; i++) {
		uintptr_t cut = 1 + (uintptr_t)rand_r(&seed) % (COVERED - 1);
		struct qr_vma *parts[2];

		if (qr_vma_split(vma, BASE + cut * PAGE, parts) ||
		    qr_vma_merge(parts[0], parts[1], &vma))
			return "no split or no merge";
		qr_vma_quiesce();
	}
	writers--;
	return NULL;
}

static void *insert_and_remove(void *arg)
{
	unsigned seed = 2;
	struct qr_vma *there[200] = {arg};

	there[0] = NULL;
	for (int i = 0; i < ROUNDS; i++) {
		unsigned k = (unsigned)rand_r(&seed) % 200;
		struct qr_vma new = range(100 + 2 * k, 101 + 2 * k);

		if (there[k] ? qr_vma_remove(there[k])
			     : qr_vma_insert(&new, &there[k]))
			return "no insertion or no removal";
		if (there[k] && !(i & 1))
			qr_vma_quiesce();
		/* a removal leaves it out */
		if (!at(100 + 2 * k))
			there[k] = NULL;
	}
	writers--;
	return NULL;
}

static void *read_all(void *arg)
{
	unsigned seed = (unsigned)(uintptr_t)arg;
	const char *complaint = NULL;

	for (int i = 0; writers > 0 && !complaint; i++) {
		uintptr_t addr =
			BASE + (uintptr_t)rand_r(&seed) % COVERED * PAGE;
		unsigned token = qr_vma_read_begin();
		struct qr_vma *vma = qr_vma_find(addr);
		uintptr_t start = vma ? vma->start : 0;
		uintptr_t end = vma ? vma->end : 0;

		if (i % 16 == 0)
			sched_yield();
		if (!vma)
			complaint = "a covered page was not found";
		else if (start > addr || end <= addr ||
			 end > BASE + COVERED * PAGE)
			complaint = "the wrong interval was found";
		else if (vma->start != start || vma->end != end)
			complaint = "it was reused while it was read";
		for (uintptr_t from = BASE; !complaint; from = end) {
			vma = qr_vma_find_from(from);
			if (!vma || vma->start >= BASE + 1000 * PAGE)
				break;
			end = vma->end;
			if (end <= from)
				complaint = "out of order";
		}
		qr_vma_read_end(token);
	}
	return (void *)(uintptr_t)complaint;
}

Test(vma, readers_see_whole_versions_while_writers_write)
{
	pthread_t thread[5];
	struct qr_vma *vma = put(0, COVERED);

	writers = 2;
	pthread_create(&thread[0], NULL, split_and_merge, vma);
	pthread_create(&thread[1], NULL, insert_and_remove, NULL);
	for (uintptr_t i = 2; i < 5; i++)
		pthread_create(&thread[i], NULL, read_all, (void *)i);
	for (int i = 0; i < 5; i++) {
		void *complaint;

		pthread_join(thread[i], &complaint);
		cr_assert_null(complaint, "%s", (char *)complaint);
	}
	cr_assert(qr_vma_check());
}

Test(vma, a_cookie_passes_only_after_the_readers_of_its_time)
{
	unsigned token = qr_rcu_read_lock();
	unsigned long cookie = qr_rcu_cookie();

	for (int i = 0; i < 10; i++)
		qr_rcu_poll();
	cr_assert_not(qr_rcu_passed(cookie));
	qr_rcu_read_unlock(token);
	qr_rcu_poll();
	qr_rcu_hurry();
	cr_assert(qr_rcu_passed(cookie));
}

/* The program may use the same liburcu and free inside its read sections. */
Test(vma, nobody_waits_for_readers_from_within_a_read_section)
{
	unsigned token = qr_rcu_read_lock();
	unsigned long cookie = qr_rcu_cookie();

	qr_rcu_hurry();
	cr_assert_not(qr_rcu_passed(cookie));
	qr_rcu_read_unlock(token);
}

static _Atomic bool stop;

static void *churn(void *arg)
{
	uintptr_t k = (uintptr_t)arg;

	while (!stop) {
		struct qr_vma *vma = put(k, k + 5);

		if (!at(k + 1) || qr_vma_remove(vma))
			return "lost";
		qr_vma_quiesce();
	}
	return NULL;
}

static int child(void)
{
	struct qr_vma new = range(0, 5), *vma;

	for (int i = 0; i < 2000; i++) {
		if (qr_vma_insert(&new, &vma) || at(2) != vma ||
		    qr_vma_remove(vma))
			return 1;
		qr_vma_quiesce();
	}
	return qr_vma_check() ? 0 : 2;
}

Test(vma, a_child_forked_while_others_read_and_write_can_do_both)
{
	pthread_t thread[3];

	for (uintptr_t i = 0; i < 3; i++)
		pthread_create(&thread[i], NULL, churn, (void *)(100 + 10 * i));
	for (int i = 0; i < 25; i++) {
		int status;

		qr_rcu_before_fork();
		qr_vma_lock_all();
		qr_meta_lock_all();

		pid_t pid = fork();

		qr_meta_unlock_all(pid == 0);
		qr_vma_unlock_all(pid == 0);
		qr_rcu_after_fork(pid == 0);
		if (pid == 0)
			_exit(child());
		cr_assert_eq(waitpid(pid, &status, 0), pid);
		cr_assert_eq(status, 0, "round %d: status %x", i, status);
	}
	stop = true;
	for (int i = 0; i < 3; i++) {
		void *complaint;

		pthread_join(thread[i], &complaint);
		cr_assert_null(complaint, "%s", (char *)complaint);
	}
}
