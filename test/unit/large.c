#include "emulator.h"

#include "arena/large.h"
#include "arena/meta.h"
#include "arena/vma.h"
#include "sys/map.h"
#include "sys/rcu.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static const size_t MIB = 1 << 20, GIB = 1 << 30;

static struct qr_large_stats stats(void)
{
	struct qr_large_stats s;

	qr_large_read_stats(&s);
	return s;
}

static void set_limit(int resource, size_t bytes)
{
	struct rlimit limit;

	getrlimit(resource, &limit);
	limit.rlim_cur = bytes;
	cr_assert_eq(setrlimit(resource, &limit), 0);
}

static size_t resident(const void *ptr, size_t size)
{
	size_t page = qr_page_size(), n = 0;
	unsigned char *in = malloc(size / page);

	cr_assert_eq(mincore((void *)(uintptr_t)ptr, size, in), 0);
	for (size_t i = 0; i < size / page; i++)
		n += in[i] & 1;
	free(in);
	return n * page;
}

static bool is_mapped(const void *ptr)
{
	unsigned char in;

	return mincore((void *)(uintptr_t)ptr, 1, &in) == 0;
}

Test(large, an_object_is_zero_writable_to_its_end_and_known)
{
	bool zero = false;
	size_t size = 5 * MIB + 1, found;
	uintptr_t start;
	char *p = qr_large_alloc(size, 16, &zero);

	cr_assert_not_null(p);
	cr_assert(zero);
	cr_assert_eq(qr_large_size(p), 5 * MIB + qr_page_size());
	cr_assert_eq(p[0], 0);
	memset(p, 1, qr_large_size(p));
	cr_assert_eq(qr_large_size(p + 16), 0);
	cr_assert_eq(qr_large_size(p + qr_page_size()), 0);
	cr_assert(qr_large_find((uintptr_t)p + 4 * MIB, &start, &found));
	cr_assert_eq(start, (uintptr_t)p);
	cr_assert_eq(found, qr_large_size(p));
	cr_assert_not(qr_large_find((uintptr_t)p + found, &start, &found));
	cr_assert(qr_large_check());
	cr_assert(qr_large_free(p));
	cr_assert_eq(qr_large_size(p), 0);
}

Test(large, what_is_no_live_object_is_not_freed_nor_touched)
{
	int local = 1;
	char *p = qr_large_alloc(4 * MIB, 16, NULL);
	char *own = mmap(NULL, 4 * MIB, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
			 -1, 0);

	if (!is_mapped(own))
		cr_skip_test("an emulated kernel");
	cr_assert_not(qr_large_free(&local));
	cr_assert_not(qr_large_free(NULL));
	cr_assert_not(qr_large_free(own));
	cr_assert_not(qr_large_free((void *)(UINTPTR_MAX - 4095)));
	cr_assert_not(qr_large_free(p + 4096));
	cr_assert_not(qr_large_free(p + 1));
	cr_assert_eq(stats().nr_live, 1);
	cr_assert_null(qr_large_realloc(p + 4096, 5 * MIB));
	cr_assert_null(qr_large_realloc(own, 5 * MIB));
	cr_assert(qr_large_free(p));
	/* again: cached now, then unmapped */
	cr_assert_not(qr_large_free(p));
	qr_large_trim(0);
	cr_assert_not(qr_large_free(p));
	cr_assert_eq(stats().nr_live, 0);
	cr_assert(is_mapped(own));
}

Test(large, any_power_of_two_is_an_alignment)
{
	need_cheap_addresses();
	for (size_t align = 1; align <= 4 * GIB; align *= 2) {
		char *p = qr_large_alloc(4 * MIB, align, NULL);

		cr_assert_not_null(p, "align %zu", align);
		cr_assert_eq((uintptr_t)p % align, 0);
		p[0] = p[4 * MIB - 1] = 1;
		cr_assert(qr_large_free(p));
	}
	cr_assert(qr_large_check());
}

Test(large, impossible_sizes_are_null_and_leave_no_trace)
{
	struct qr_large_stats before = stats(), after;
	void *p = qr_large_alloc(4 * MIB, 16, NULL);

	need_cheap_addresses();
	for (unsigned shift = 0; shift < 16; shift++) {
		cr_assert_null(qr_large_alloc(SIZE_MAX >> shift, 16, NULL));
		cr_assert_null(
			qr_large_alloc(SIZE_MAX - 4096 * shift, 16, NULL));
		cr_assert_null(qr_large_realloc(p, SIZE_MAX >> shift));
		cr_assert_null(qr_large_realloc(p, PTRDIFF_MAX - 4096 * shift));
	}
	cr_assert_null(qr_large_alloc(1, (size_t)1 << 63, NULL));
	cr_assert_null(qr_large_alloc(1, (size_t)1 << 62, NULL));
	cr_assert_null(qr_large_alloc(1, (size_t)1 << 50, NULL));
	cr_assert_eq(qr_large_size(p), 4 * MIB);
	cr_assert(qr_large_free(p));
	after = stats();
	cr_assert_eq(after.live, before.live);
	cr_assert_eq(after.nr_live, before.nr_live);
	cr_assert(qr_large_check());
}

Test(large, a_freed_mapping_serves_again_if_it_is_at_most_an_eighth_too_large)
{
	bool zero = true;
	char *p, *q;

	qr_large_set_limit(64 * MIB);
	p = qr_large_alloc(16 * MIB, 16, NULL);
	memset(p, 7, 16 * MIB);
	cr_assert(qr_large_free(p));
	cr_assert_eq(stats().cached, 16 * MIB);
	cr_assert_eq(stats().nr_cached, 1);

	q = qr_large_alloc(14 * MIB, 16, NULL); /* 16 > 14 * 9 / 8 */
	cr_assert_neq(q, p);
	cr_assert_eq(stats().cache_hits, 0);
	q = qr_large_alloc(15 * MIB, 16, &zero);
	cr_assert_eq(q, p);
	cr_assert_not(zero);
	cr_assert_eq(qr_large_size(q), 16 * MIB);
	cr_assert_eq(stats().cache_hits, 1);
	cr_assert_eq(stats().cached, 0);
	cr_assert_eq(stats().live, 30 * MIB);
	cr_assert(qr_large_check());
}

Test(large, the_smallest_mapping_that_fits_is_taken)
{
	static const size_t sizes[] = {88, 81, 84, 82, 80, 86};
	char *p[6];

	qr_large_set_limit(1024 * MIB);
	for (int i = 0; i < 6; i++)
		p[i] = qr_large_alloc(sizes[i] * MIB, 16, NULL);
	for (int i = 0; i < 6; i++)
		cr_assert(qr_large_free(p[i]));
	cr_assert_eq(qr_large_alloc(81 * MIB, 16, NULL), p[1]);
	cr_assert_eq(qr_large_alloc(81 * MIB, 16, NULL), p[3]);
	cr_assert_eq(qr_large_alloc(79 * MIB, 16, NULL), p[4]);
	cr_assert_eq(stats().cache_hits, 3);
}

Test(large, the_cache_holds_no_more_than_its_limit_and_drops_the_oldest)
{
	char *p[5];

	qr_large_set_limit(40 * MIB);
	for (int i = 0; i < 5; i++)
		p[i] = qr_large_alloc(10 * MIB, 16, NULL);
	for (int i = 0; i < 5; i++)
		cr_assert(qr_large_free(p[i]));
	cr_assert_eq(stats().cached, 40 * MIB);
	cr_assert_not(is_mapped(p[0]));
	cr_assert(is_mapped(p[1]));

	char *big = qr_large_alloc(41 * MIB, 16, NULL);

	cr_assert(qr_large_free(big));
	cr_assert_eq(stats().cached, 40 * MIB);
	cr_assert_eq(qr_large_trim(15 * MIB), 30 * MIB);
	cr_assert(is_mapped(p[4]));
	cr_assert_not(is_mapped(p[3]));
	cr_assert_eq(qr_large_trim(0), 10 * MIB);
	cr_assert_eq(stats().nr_cached, 0);
	cr_assert(qr_large_check());
}

Test(large, growth_keeps_the_contents_and_copies_no_memory)
{
	size_t size = 64 * MIB;
	size_t *p = qr_large_alloc(size, 16, NULL);

	for (size_t i = 0; i < size / sizeof(*p); i += 512)
		p[i] = i;

	size_t had = resident(p, size);

	for (; size <= 8 * GIB; size *= 2) {
		p = qr_large_realloc(p, size);
		cr_assert_not_null(p);
		cr_assert_geq(qr_large_size(p), size);
		cr_assert_leq(qr_large_size(p), size + size / 16 + 4096);
	}
	for (size_t i = 0; i < 64 * MIB / sizeof(*p); i += 512)
		cr_assert_eq(p[i], i);
	cr_assert_eq(resident(p, 64 * MIB), had);
	cr_assert_eq(stats().live, qr_large_size(p));
	cr_assert(qr_large_free(p));
	cr_assert_eq(stats().live, 0);
	cr_assert(qr_large_check());
}

Test(large, growth_in_small_steps_asks_the_kernel_seldom)
{
	size_t size = 4 * MIB;
	char *p = qr_large_alloc(size, 16, NULL);
	uint64_t before = stats().remaps;

	for (; size < 64 * MIB; size += 1000) {
		if (size > qr_large_size(p))
			p = qr_large_realloc(p, size);
		cr_assert_not_null(p);
		p[size - 1] = 1;
	}
	/* log(16) / log(17/16) = 46 */
	cr_assert_leq(stats().remaps - before, 50);
	cr_assert(qr_large_free(p));
}

Test(large, shrinking_gives_the_tail_back)
{
	char *p = qr_large_alloc(64 * MIB, 16, NULL);

	memset(p, 3, 64 * MIB);
	cr_assert_eq(qr_large_realloc(p, 10 * MIB), p);
	cr_assert_eq(qr_large_size(p), 10 * MIB);
	cr_assert_not(is_mapped(p + 10 * MIB));
	cr_assert_not(is_mapped(p + 64 * MIB - 4096));
	cr_assert_eq(p[10 * MIB - 1], 3);
	cr_assert_eq(stats().live, 10 * MIB);
	/* what is not worth a call stays */
	cr_assert_eq(qr_large_realloc(p, 10 * MIB - 4096), p);
	cr_assert_eq(qr_large_size(p), 10 * MIB);
	cr_assert(qr_large_free(p));
	cr_assert(qr_large_check());
}

Test(large, an_object_that_the_program_partly_changed_can_still_grow)
{
	char *p = qr_large_alloc(16 * MIB, 16, NULL);

	memset(p, 5, 16 * MIB);
	/* two mappings now: mremap refuses */
	cr_assert_eq(madvise(p + 4 * MIB, 4 * MIB, MADV_DONTDUMP), 0);

	char *q = qr_large_realloc(p, 32 * MIB);

	cr_assert_not_null(q);
	for (size_t i = 0; i < 16 * MIB; i += 4096)
		cr_assert_eq(q[i], 5);
	cr_assert_eq(stats().nr_live, 1);
	cr_assert_eq(stats().live, qr_large_size(q));
	cr_assert(qr_large_free(q));
	cr_assert(qr_large_check());
}

Test(large, a_limit_empties_the_cache_before_it_is_told_to_the_caller)
{
	char *p[4], *q;

	need_cheap_addresses(); /* who emulates keeps no limits */
	qr_large_set_limit(GIB);
	for (int i = 0; i < 4; i++)
		p[i] = qr_large_alloc(100 * MIB, 16, NULL);
	for (int i = 0; i < 4; i++)
		cr_assert(qr_large_free(p[i]));

	char *grows = qr_large_alloc(100 * MIB, 16, NULL);

	set_limit(RLIMIT_AS, 64 * MIB); /* past it already */
	cr_assert_null(qr_large_alloc(GIB, 16, NULL));
	cr_assert_eq(stats().cached, 0);
	cr_assert_null(qr_large_alloc(100 * MIB, 16, NULL));
	cr_assert_null(qr_large_realloc(grows, 300 * MIB));
	cr_assert_eq(qr_large_size(grows), 100 * MIB);
	cr_assert(qr_large_free(grows));
	/* the cache serves where the kernel does not */
	q = qr_large_alloc(100 * MIB, 16, NULL);
	cr_assert_eq(q, grows);
	cr_assert_eq(stats().nr_live, 1);
	cr_assert(qr_large_check());
	set_limit(RLIMIT_AS, RLIM_INFINITY);
}

/* Every second of many neighbours is freed: each would split a mapping. */
Test(large, when_mappings_run_out_freed_ones_are_parked_and_reused)
{
	enum { N = 400 };
	static char *p[N];
	struct qr_vma_stats v;
	bool zero = false;

	qr_large_set_limit(0);
	qr_vma_set_limit(64);
	for (int i = 0; i < N; i++) {
		cr_assert_not_null(p[i] = qr_large_alloc(4 * MIB, 16, NULL));
		p[i][0] = p[i][4 * MIB - 1] = 9;
	}
	for (int i = 0; i < N; i += 2)
		cr_assert(qr_large_free(p[i]));
	cr_assert(qr_large_check());
	qr_vma_read_stats(&v);
	cr_assert_leq(v.runs, 50);
	cr_assert_gt(stats().nr_parked, 100);

	/* no memory is behind them, and they serve before new mappings */
	size_t parked = stats().parked;

	cr_assert_eq(parked % (4 * MIB), 0);
	for (size_t i = 0; i < parked / (4 * MIB); i++) {
		char *q = qr_large_alloc(4 * MIB, 16, &zero);

		cr_assert_not_null(q);
		cr_assert(zero);
		cr_assert_eq(q[0], 0);
		cr_assert_eq(q[4 * MIB - 1], 0);
	}
	cr_assert_eq(stats().parked, 0);
	for (int i = 1; i < N; i += 2)
		cr_assert_eq(p[i][0], 9);
	cr_assert(qr_large_check());
}

Test(large, parked_neighbours_become_one_and_are_cut_again)
{
	enum { N = 200 };
	static char *p[N];

	qr_large_set_limit(0);
	qr_vma_set_limit(16);
	for (int i = 0; i < N; i++)
		cr_assert_not_null(p[i] = qr_large_alloc(4 * MIB, 16, NULL));
	for (int i = 0; i < N - 1; i++) {
		if (i % 8)
			cr_assert(qr_large_free(p[i]));
	}
	cr_assert(qr_large_check());

	size_t parked = stats().parked, nr = stats().nr_parked;

	cr_assert_gt(nr, 1);
	cr_assert_gt(parked / nr, 20 * MIB);

	char *q = qr_large_alloc(9 * MIB, 2 * MIB, NULL);

	cr_assert_not_null(q);
	cr_assert_eq((uintptr_t)q % (2 * MIB), 0);
	cr_assert_eq(stats().parked, parked - 9 * MIB);
	cr_assert(qr_large_check());
	/* all of it comes back once nothing is in between */
	cr_assert(qr_large_free(q));
	for (int i = 0; i < N; i++) {
		if (i % 8 == 0 || i == N - 1)
			cr_assert(qr_large_free(p[i]));
	}
	qr_large_trim(0);
	cr_assert_eq(stats().live, 0);
	cr_assert_leq(stats().parked, 4 * MIB);
	cr_assert(qr_large_check());
}

struct worker {
	pthread_t thread;
	unsigned seed;
	const char *complaint;
};

enum { SLOTS = 64 };
static _Atomic(char *) shared[SLOTS];

/* Objects wander between threads by way of the shared slots. */
static void *work(void *arg)
{
	struct worker *w = arg;

	for (int i = 0; i < 4000; i++) {
		unsigned slot = (unsigned)rand_r(&w->seed) % SLOTS;
		size_t size = MIB + (size_t)rand_r(&w->seed) % (8 * MIB);
		char *new = qr_large_alloc(size, 16, NULL), *old;

		if (!new || qr_large_size(new) < size)
			w->complaint = "no object of the size";
		if (new &&i % 4 == 0)
			new = qr_large_realloc(new, size * 2);
		if (new)
			new[0] = 1;
		old = atomic_exchange(&shared[slot], new);
		if (old && !qr_large_free(old))
			w->complaint = "not freed";
	}
	return NULL;
}

Test(large, figures_are_exact_after_frees_across_threads)
{
	struct worker w[4];
	size_t live = 0, nr = 0;

	printf("seeds 1 to 4\n");
	for (unsigned i = 0; i < 4; i++) {
		w[i] = (struct worker){.seed = i + 1};
		pthread_create(&w[i].thread, NULL, work, &w[i]);
	}
	for (int i = 0; i < 4; i++) {
		pthread_join(w[i].thread, NULL);
		cr_assert_null(w[i].complaint, "%s", w[i].complaint);
	}
	for (int i = 0; i < SLOTS; i++) {
		if (shared[i]) {
			live += qr_large_size(shared[i]);
			nr++;
		}
	}
	cr_assert_eq(stats().live, live);
	cr_assert_eq(stats().nr_live, nr);
	cr_assert(qr_large_check());
	for (int i = 0; i < SLOTS; i++) {
		if (shared[i])
			cr_assert(qr_large_free(shared[i]));
	}
	qr_large_trim(0);
	cr_assert_eq(stats().live, 0);
	cr_assert_eq(stats().cached, 0);
	cr_assert(qr_large_check());
}

static pthread_barrier_t together;
static char *contested;
static _Atomic int freed;

static void *free_once(void *arg)
{
	for (int i = 0; i < 500; i++) {
		pthread_barrier_wait(&together);
		if (qr_large_free(contested))
			freed++;
		pthread_barrier_wait(&together);
		if (arg && freed != i + 1)
			return "freed twice, or not at all";
		if (arg)
			contested = qr_large_alloc(2 * MIB, 16, NULL);
	}
	return NULL;
}

Test(large, of_two_threads_that_free_one_object_one_succeeds)
{
	pthread_t other;
	void *complaint;

	pthread_barrier_init(&together, NULL, 2);
	contested = qr_large_alloc(2 * MIB, 16, NULL);
	pthread_create(&other, NULL, free_once, NULL);
	complaint = free_once(&other);
	cr_assert_null(complaint, "%s", (char *)complaint);
	pthread_join(other, NULL);
}

static _Atomic bool stop;

static void *churn(void *arg)
{
	while (!stop) {
		char *p = qr_large_alloc(2 * MIB, 16, NULL);

		p = qr_large_realloc(p, 5 * MIB);
		qr_large_free(p);
	}
	return arg;
}

static int child(char *inherited)
{
	char *p;

	if (!qr_large_check() || !qr_large_free(inherited))
		return 1;
	for (int i = 0; i < 20; i++) {
		p = qr_large_alloc(3 * MIB, 16, NULL);
		if (!p || !(p = qr_large_realloc(p, 9 * MIB)))
			return 2;
		p[9 * MIB - 1] = 1;
		if (!qr_large_free(p))
			return 3;
	}
	return qr_large_check() ? 0 : 4;
}

Test(large, a_child_forked_while_others_work_can_work)
{
	pthread_t thread[2];
	char *mine = qr_large_alloc(4 * MIB, 16, NULL);

	qr_large_set_limit(16 * MIB);
	for (int i = 0; i < 2; i++)
		pthread_create(&thread[i], NULL, churn, NULL);
	for (int i = 0; i < 50; i++) {
		int status;

		qr_rcu_before_fork();
		qr_large_lock_all();
		qr_meta_lock_all();

		pid_t pid = fork();

		qr_meta_unlock_all(pid == 0);
		qr_large_unlock_all(pid == 0);
		qr_rcu_after_fork(pid == 0);
		if (pid == 0)
			_exit(child(mine));
		cr_assert_eq(waitpid(pid, &status, 0), pid);
		cr_assert_eq(status, 0, "round %d: status %x", i, status);
	}
	stop = true;
	for (int i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
	cr_assert_eq(qr_large_size(mine), 4 * MIB);
}
