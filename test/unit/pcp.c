#include "arena.h"

#include "arena/budget.h"

#include <pthread.h>

enum { CPU = 1 };

static struct qr_page *block(unsigned order)
{
	struct qr_page *page = qr_block_alloc(0, CPU, order);

	cr_assert(page);
	return page;
}

Test(pcp, the_block_freed_last_is_had_first)
{
	struct qr_page *a, *b, *c;

	arena_init(64 * MIB);
	a = block(1);
	b = block(1);
	c = block(1);
	qr_block_free(b, CPU, 1);
	qr_block_free(a, CPU, 1);
	qr_block_free(c, CPU, 1);
	cr_assert_eq(block(1), c);
	cr_assert_eq(block(1), a);
	cr_assert_eq(block(1), b);
	check_zones();
}

Test(pcp, a_block_of_another_order_is_not_handed_out)
{
	struct qr_page *a;

	arena_init(64 * MIB);
	a = block(1);
	qr_block_free(a, CPU, 1);
	cr_assert_neq(block(0), a);
	cr_assert_neq(block(2), a);
	cr_assert_eq(block(1), a);
	check_zones();
}

Test(pcp, another_cpu_does_not_see_the_block)
{
	struct qr_page *a, *b;

	arena_init(64 * MIB);
	a = block(0);
	qr_block_free(a, CPU, 0);
	b = qr_block_alloc(0, CPU + 1, 0);
	cr_assert_neq(b, a);
	qr_block_free(b, CPU + 1, 0);
	cr_assert_eq(block(0), a);
}

Test(pcp, a_full_pcp_gives_its_cold_half_to_the_zone)
{
	struct qr_page *pages[QR_PCP_FRAMES + 1];

	arena_init(64 * MIB);
	qr_budget_add(64 * MIB); /* as if */
	for (int i = 0; i <= QR_PCP_FRAMES; i++)
		pages[i] = block(0);
	cr_assert_eq(qr_pcps_count(), 0);
	for (int i = 0; i < QR_PCP_FRAMES; i++)
		qr_block_free(pages[i], CPU, 0);
	cr_assert_eq(qr_pcps_count(), QR_PCP_FRAMES);
	qr_block_free(pages[QR_PCP_FRAMES], CPU, 0);
	cr_assert_eq(qr_pcps_count(), QR_PCP_FRAMES / 2);
	/* what was freed first is what left */
	for (int i = 0; i <= QR_PCP_FRAMES; i++)
		cr_assert_eq(qr_page_state(pages[i]) == QR_PAGE_PCP,
			     i > QR_PCP_FRAMES / 2, "block %d", i);
	check_zones();
}

Test(pcp, in_a_small_heap_little_is_kept_but_the_run_freed_last)
{
	struct qr_page *a, *b;

	arena_init(64 * MIB);
	a = qr_run_alloc(0, 25, 0, NULL);
	b = qr_run_alloc(0, 26, 0, NULL);
	cr_assert(qr_run_free(a));
	cr_assert_eq(qr_pcps_count(), 25u);
	cr_assert(qr_run_free(b));
	cr_assert_eq(qr_pcps_count(), 26u);
	check_zones();
}

Test(pcp, large_orders_go_straight_to_the_zone)
{
	struct qr_page *page;

	arena_init(64 * MIB);
	page = block(QR_PCP_ORDERS);
	qr_block_free(page, CPU, QR_PCP_ORDERS);
	cr_assert_eq(qr_pcps_count(), 0);
	cr_assert_eq(frames_in_use(), 0);
	check_zones();
}

Test(pcp, a_cpu_beyond_the_last_has_none)
{
	struct qr_page *page;

	arena_init(64 * MIB);
	page = qr_block_alloc(0, 4, 0);
	qr_block_free(page, 4, 0);
	page = qr_block_alloc(0, UINT32_MAX, 0);
	qr_block_free(page, UINT32_MAX, 0);
	cr_assert_eq(qr_pcps_count(), 0);
	cr_assert_eq(frames_in_use(), 0);
	check_zones();
}

Test(pcp, what_is_resident_comes_in_batches)
{
	struct qr_page *pages[64];

	arena_init(64 * MIB);
	for (int i = 0; i < 64; i++)
		pages[i] = block(0);
	for (int i = 0; i < 64; i++)
		qr_block_free(pages[i], CPU, 0);
	qr_pcps_drain();
	cr_assert_eq(qr_pcps_count(), 0);
	cr_assert_eq(frames_in_use(), 0);
	block(0);
	cr_assert_eq(qr_pcps_count(), 7);
	cr_assert_eq(qr_pcps[CPU].refills, 1);
	for (int i = 0; i < 7; i++)
		block(0);
	cr_assert_eq(qr_pcps_count(), 0);
	check_zones();
}

Test(pcp, a_run_of_the_same_size_is_had_again)
{
	struct qr_page *a, *b;
	bool clean = true;

	arena_init(64 * MIB);
	qr_budget_add(64 * MIB); /* as if */
	a = qr_run_alloc(0, 25, 0, NULL);
	b = qr_run_alloc(0, 26, 0, NULL);
	cr_assert(qr_run_free(a));
	cr_assert(qr_run_free(b));
	cr_assert_eq(qr_pcps_count(), 51);
	cr_assert_neq(qr_run_alloc(0, 24, 0, NULL), a);
	cr_assert_eq(qr_run_alloc(0, 25, 0, &clean), a);
	cr_assert_not(clean);
	cr_assert_eq(a->nr_pages, 25);
	cr_assert_eq(qr_run_alloc(0, 26, 0, NULL), b);
	cr_assert_eq(qr_pcps_count(), 0);
	check_zones();
}

Test(pcp, a_run_that_is_not_aligned_as_asked_stays)
{
	struct qr_page *a, *b;

	arena_init(64 * MIB);
	qr_run_alloc(0, 16, 0, NULL);
	a = qr_run_alloc(0, 16, 0, NULL);
	cr_assert_neq(qr_page_addr(a) % (32 * QR_FRAME_SIZE), 0);
	cr_assert(qr_run_free(a));
	b = qr_run_alloc(0, 16, 5, NULL);
	cr_assert_neq(b, a);
	cr_assert_eq(qr_page_addr(b) % (32 * QR_FRAME_SIZE), 0);
	cr_assert_eq(qr_run_alloc(0, 16, 4, NULL), a);
}

Test(pcp, runs_are_bounded_in_number_and_frames)
{
	struct qr_page *pages[3 * QR_PCP_RUNS];
	struct draw draw = draw_init("runs_are_bounded");

	arena_init(256 * MIB);
	for (int round = 0; round < 1000; round++) {
		unsigned n = 1 + (unsigned)draw_below(&draw, 3 * QR_PCP_RUNS);
		size_t most = 1 + draw_below(&draw, 600);

		for (unsigned i = 0; i < n; i++)
			pages[i] = qr_run_alloc(0, 1 + draw_below(&draw, most),
						0, NULL);
		for (unsigned i = 0; i < n; i++)
			cr_assert(qr_run_free(pages[i]));
		/* 4 CPUs share 8 MiB; this thread may have used all four */
		cr_assert_leq(qr_pcps_count(), 4 * 512);
		check_zones();
	}
	qr_pcps_drain();
	cr_assert_eq(frames_in_use(), 0);
	check_zones();
}

Test(pcp, a_run_that_is_freed_twice_is_told)
{
	struct qr_page *page, *huge;

	arena_init(64 * MIB);
	page = qr_run_alloc(0, 10, 0, NULL);
	huge = qr_run_alloc(0, QR_MAX_BLOCK_FRAMES, 0, NULL);
	cr_assert(qr_run_free(page));
	cr_assert_not(qr_run_free(page));
	cr_assert(qr_run_free(huge));
	cr_assert_not(qr_run_free(huge));
	qr_pcps_drain();
	cr_assert_not(qr_run_free(page));
	check_zones();
	cr_assert_eq(frames_in_use(), 0);
}

enum { FREERS = 4 };
static struct qr_page *shared_run;
static pthread_barrier_t barrier;

static void *free_shared(void *arg)
{
	bool *freed = arg;

	pthread_barrier_wait(&barrier);
	*freed = qr_run_free(shared_run);
	return NULL;
}

Test(pcp, of_threads_that_free_one_run_at_once_one_does)
{
	arena_init(64 * MIB);
	pthread_barrier_init(&barrier, NULL, FREERS);
	for (int round = 0; round < 200; round++) {
		pthread_t threads[FREERS];
		bool freed[FREERS];
		int sum = 0;

		shared_run = qr_run_alloc(0, 10, 0, NULL);
		for (int i = 0; i < FREERS; i++)
			pthread_create(&threads[i], NULL, free_shared,
				       &freed[i]);
		for (int i = 0; i < FREERS; i++) {
			pthread_join(threads[i], NULL);
			sum += freed[i];
		}
		cr_assert_eq(sum, 1);
	}
	check_zones();
}

/* Two nodes: a pcp has pages of one of them. */
Test(pcp, pages_of_another_node_go_home)
{
	struct qr_nodes_config config = arena_config(256 * MIB);
	struct qr_page *here, *there, *run;

	config.nodes = 3;
	cr_assert_eq(qr_nodes_init(&config), 0);
	here = qr_block_alloc(0, CPU, 0);
	there = qr_block_alloc(1, CPU + 1, 0);
	cr_assert_eq(qr_page_zone(here)->node, 0);
	cr_assert_eq(qr_page_zone(there)->node, 1);
	qr_block_free(here, CPU, 0);
	qr_block_free(there, CPU, 0);
	cr_assert_eq(qr_pcps_count(), 1);
	cr_assert_eq(qr_page_state(there), QR_PAGE_FREE);
	/* nor is what it has handed out for another node */
	cr_assert_neq(qr_block_alloc(1, CPU, 0), here);
	cr_assert_eq(qr_block_alloc(0, CPU, 0), here);
	run = qr_run_alloc(0, 10, 0, NULL);
	cr_assert(qr_run_free(run));
	cr_assert_neq(qr_run_alloc(1, 10, 0, NULL), run);
	check_zones();
}
