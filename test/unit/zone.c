#include "arena.h"

#include "sys/map.h"

#include <pthread.h>

static struct qr_page *alloc(struct qr_zone *zone, size_t nr_frames)
{
	struct qr_page *page =
		qr_zone_alloc(zone, nr_frames, 0, QR_MIGRATE_RUN, NULL);

	cr_assert(page, "%zu frames", nr_frames);
	return page;
}

static struct qr_page *alloc_type(struct qr_zone *zone, size_t nr_frames,
				  enum qr_migratetype type)
{
	struct qr_page *page = qr_zone_alloc(zone, nr_frames, 0, type, NULL);

	cr_assert(page, "%zu frames", nr_frames);
	return page;
}

Test(zone, a_run_has_exactly_its_frames_and_the_tail_stays_free)
{
	struct qr_zone *zone = arena_init(64 * MIB);
	struct qr_page *page = alloc(zone, 19);

	assert_picture(zone, "R------------------"
			     "02...3.......5...............................");
	cr_assert_eq(page->nr_pages, 19);
	check_zones();
	qr_zone_free(zone, page, 19);
	assert_picture(zone, "g::::::::::::::::::"
			     ".............................................");
	check_zones();
}

Test(zone, freed_buddies_merge_until_a_neighbour_is_in_use)
{
	struct qr_zone *zone = arena_init(64 * MIB);
	struct qr_page *pages[16];

	for (int i = 0; i < 16; i++)
		pages[i] = alloc(zone, 1);
	assert_picture(zone, "RRRRRRRRRRRRRRRR4...............");
	qr_zone_free(zone, pages[4], 1);
	assert_picture(zone, "RRRRaRRRRRRRRRRR4...............");
	qr_zone_free(zone, pages[6], 1);
	assert_picture(zone, "RRRRaRaRRRRRRRRR4...............");
	qr_zone_free(zone, pages[5], 1);
	assert_picture(zone, "RRRRb:aRRRRRRRRR4...............");
	qr_zone_free(zone, pages[3], 1);
	assert_picture(zone, "RRRab:aRRRRRRRRR4...............");
	qr_zone_free(zone, pages[7], 1);
	assert_picture(zone, "RRRac:::RRRRRRRR4...............");
	qr_zone_free(zone, pages[2], 1);
	qr_zone_free(zone, pages[0], 1);
	assert_picture(zone, "aRb:c:::RRRRRRRR4...............");
	check_zones();
	qr_zone_free(zone, pages[1], 1);
	assert_picture(zone, "d:::::::RRRRRRRR4...............");
	for (int i = 15; i >= 8; i--)
		qr_zone_free(zone, pages[i], 1);
	assert_picture(zone, "g:::::::::::::::................");
	check_zones();
}

Test(zone, the_middle_of_a_run_can_be_freed_from_its_end)
{
	struct qr_zone *zone = arena_init(64 * MIB);
	struct qr_page *page = alloc(zone, 32);

	qr_zone_free(zone, page + 21, 11);
	assert_picture(zone, "R--------------------ab:d:::::::5...");
	qr_zone_free(zone, page, 21);
	assert_picture(zone, "g:::::::::::::::::::::::::::::::....");
	check_zones();
}

Test(zone, resident_blocks_are_taken_before_clean_ones)
{
	struct qr_zone *zone = arena_init(64 * MIB);
	struct qr_page *a = alloc(zone, 8), *b = alloc(zone, 8), *c;
	bool clean;

	qr_zone_free(zone, b, 8);
	assert_picture(zone, "R-------d:::::::4...............5...");
	/* order 0 would fit exactly nowhere; the clean rest is larger */
	c = qr_zone_alloc(zone, 2, 0, QR_MIGRATE_RUN, &clean);
	cr_assert_eq(c, b);
	cr_assert_not(clean);
	assert_picture(zone, "R-------R-b:c:::4...............5...");
	c = qr_zone_alloc(zone, 16, 0, QR_MIGRATE_RUN, &clean);
	cr_assert(clean);
	assert_picture(zone, "R-------R-b:c:::R---------------5...");
	qr_zone_free(zone, a, 8);
	check_zones();
}

Test(zone, the_resident_half_of_a_block_is_taken)
{
	struct qr_zone *zone = arena_init(64 * MIB);
	struct qr_page *a = alloc(zone, 32), *b = alloc(zone, 8);
	bool clean;

	assert_picture(zone, "R-------------------------------R-------3...");
	qr_zone_purge(zone, 0);
	qr_zone_free(zone, a, 32);
	qr_zone_purge(zone, 0);
	qr_zone_free(zone, b, 8);
	assert_picture(zone, "6...............................::::::::....");
	b = qr_zone_alloc(zone, 16, 0, QR_MIGRATE_RUN, &clean);
	assert_picture(zone, "5...............................R-----------");
	cr_assert_not(clean);
	check_zones();
}

Test(zone, a_run_lies_where_its_alignment_asks)
{
	struct qr_zone *zone = arena_init(256 * MIB);
	struct draw draw = draw_init("alignment");
	struct qr_page *pages[33] = {NULL};
	size_t sizes[33];

	for (int i = 0; i < 33; i++) {
		unsigned align = (unsigned)i % QR_NR_ORDERS;

		sizes[i] = 1 + draw_below(&draw, 100);
		pages[i] = qr_zone_alloc(zone, sizes[i], align, QR_MIGRATE_RUN,
					 NULL);
		cr_assert(pages[i]);
		cr_assert_eq(qr_page_addr(pages[i]) %
				     ((uintptr_t)QR_FRAME_SIZE << align),
			     0, "order %u", align);
		touch(pages[i], sizes[i]);
		check_zones();
	}
	for (int i = 0; i < 33; i++)
		qr_zone_free(zone, pages[i], sizes[i]);
	cr_assert_eq(frames_in_use(), 0);
	check_zones();
}

Test(zone, runs_of_the_largest_order_can_be_used)
{
	struct qr_zone *zone = arena_init(64 * MIB);
	struct qr_page *small = alloc(zone, 1);

	for (int i = 0; i < 4; i++) {
		struct qr_page *page = alloc(zone, QR_MAX_BLOCK_FRAMES);

		cr_assert_eq(qr_page_addr(page) % QR_MAX_BLOCK_SIZE, 0);
		memset(run_bytes(page), 0xa5, QR_MAX_BLOCK_SIZE);
		check_zones();
	}
	qr_zone_free(zone, small, 1);
	check_zones();
}

Test(zone, a_run_grows_into_the_free_frames_behind_it_and_no_further)
{
	struct qr_zone *zone = arena_init(64 * MIB);
	struct qr_page *a = alloc(zone, 3), *b = alloc(zone, 8);

	assert_picture(zone, "R--02...R-------4...............5...");
	cr_assert(qr_zone_extend(zone, a, 2));
	assert_picture(zone, "R----01.R-------4...............5...");
	cr_assert_not(qr_zone_extend(zone, a, 4));
	assert_picture(zone, "R----01.R-------4...............5...");
	cr_assert(qr_zone_extend(zone, a, 3));
	assert_picture(zone, "R-------R-------4...............5...");
	cr_assert_eq(a->nr_pages, 8);
	check_zones();
	qr_zone_free(zone, b, 8);
	/* resident frames stay counted behind it */
	cr_assert(qr_zone_extend(zone, a, 3));
	assert_picture(zone, "R----------ac:::4...............5...");
	check_zones();
	/* not past the frontier */
	cr_assert_not(qr_zone_extend(zone, a, QR_STEP_FRAMES));
	cr_assert(qr_zone_extend(zone, a, QR_STEP_FRAMES - 11));
	check_zones();
	qr_zone_free(zone, a, QR_STEP_FRAMES);
	check_zones();
}

Test(zone, the_frontier_moves_by_a_page_of_descriptors_or_the_block_wanted)
{
	struct qr_zone *zone = arena_init(64 * MIB);

	cr_assert_eq(zone->frontier, zone->start);
	alloc(zone, 1);
	cr_assert_eq(zone->frontier - zone->start, 64);
	for (int i = 1; i < 64; i++)
		alloc(zone, 1);
	cr_assert_eq(zone->frontier - zone->start, 64);
	alloc(zone, 1);
	cr_assert_eq(zone->frontier - zone->start, 128);
	alloc(zone, 200);
	cr_assert_eq(zone->frontier - zone->start, 512);
	check_zones();
	alloc(zone, QR_MAX_BLOCK_FRAMES);
	cr_assert_eq(zone->frontier - zone->start, 2048);
	/* what was passed over is not lost */
	cr_assert_lt(qr_zone_frame(zone, alloc(zone, 100)) - zone->start, 1024);
	check_zones();
}

/* The last of the range counts, however far the frontier has come. */
Test(zone, the_last_block_may_lie_astride_the_frontier)
{
	struct qr_zone *zone = arena_init(16 * MIB);
	size_t last = zone->end - QR_MAX_BLOCK_FRAMES;
	struct qr_page *page;

	do
		page = alloc(zone, QR_STEP_FRAMES);
	while (qr_zone_frame(zone, page) < last);
	cr_assert_eq(qr_zone_frame(zone, page), last);
	/* below the frontier there is something in use */
	cr_assert_null(qr_zone_alloc(zone, QR_MAX_BLOCK_FRAMES, 0,
				     QR_MIGRATE_RUN, NULL));
	qr_zone_free(zone, page, QR_STEP_FRAMES);
	cr_assert_eq(zone->frontier, last + QR_STEP_FRAMES);
	cr_assert_eq(alloc(zone, QR_MAX_BLOCK_FRAMES), page);
	cr_assert_eq(zone->frontier, zone->end);
	check_zones();
}

static unsigned type_at(struct qr_zone *zone, struct qr_page *page)
{
	return qr_span_pageblock(zone->span, qr_zone_frame(zone, page))
		->migratetype;
}

Test(zone, slabs_keep_to_pageblocks_of_their_own_past_the_first)
{
	struct qr_zone *zone = arena_init(64 * MIB);
	struct draw draw = draw_init("pageblocks");
	size_t first = zone->start + QR_PAGEBLOCK_FRAMES;

	while (zone->frontier < zone->start + 6 * QR_PAGEBLOCK_FRAMES) {
		unsigned order = (unsigned)draw_below(&draw, 6);
		enum qr_migratetype type =
			draw_below(&draw, 2) ? QR_MIGRATE_RUN : QR_MIGRATE_SLAB;
		struct qr_page *page =
			alloc_type(zone, (size_t)1 << order, type);

		if (type == QR_MIGRATE_SLAB &&
		    qr_zone_frame(zone, page) >= first)
			cr_assert_eq(type_at(zone, page), QR_MIGRATE_SLAB);
	}
	check_zones();
}

Test(zone, a_run_takes_what_slabs_left_but_slabs_nothing_of_runs)
{
	struct qr_zone *zone = arena_init(64 * MIB);
	struct qr_page *slab, *run;

	alloc(zone, QR_PAGEBLOCK_FRAMES);
	slab = alloc_type(zone, 256, QR_MIGRATE_SLAB);
	alloc_type(zone, 256, QR_MIGRATE_SLAB);
	qr_zone_free(zone, slab, 256);
	run = alloc(zone, 200);
	cr_assert_eq(run, slab);
	qr_zone_free(zone, run, 200);

	run = alloc(zone, 256);
	alloc(zone, 256);
	cr_assert_eq(run, slab);
	run = alloc(zone, 256);
	alloc(zone, 256);
	cr_assert_eq(type_at(zone, run), QR_MIGRATE_RUN);
	qr_zone_free(zone, run, 256);
	slab = alloc_type(zone, 100, QR_MIGRATE_SLAB);
	cr_assert_eq(type_at(zone, slab), QR_MIGRATE_SLAB);
	check_zones();
}

/* Blocks of 16 frames do not make one of 64. */
Test(zone, growth_costs_the_free_memory_that_did_not_fit)
{
	enum { N = 64 };
	struct qr_zone *zone = arena_init(64 * MIB);
	struct qr_page *pages[N];
	size_t dirty;

	for (int i = 0; i < N; i++)
		pages[i] = alloc(zone, 16);
	for (int i = 0; i < N; i += 2)
		qr_zone_free(zone, pages[i], 16);
	dirty = zone->nr_dirty;
	cr_assert_eq(dirty, N / 2 * 16u);
	for (int i = 0; i < 2; i++)
		alloc(zone, 64);
	cr_assert_leq(zone->nr_dirty + 2 * 64u, dirty);
	cr_assert_geq(zone->nr_dirty, dirty / 4);
	/* and nothing where it fits */
	dirty = zone->nr_dirty;
	alloc(zone, 16);
	cr_assert_eq(zone->nr_dirty + 16, dirty);
	check_zones();
}

/*
 *	|  in use  |  16 free | 16 free  |  in use  |
 *	            <--- 25 --->
 */
Test(zone, a_run_is_made_of_blocks_that_touch_but_are_no_buddies)
{
	struct qr_zone *zone = arena_init(64 * MIB);
	struct qr_page *pages[4], *run;
	bool clean = true;

	for (int i = 0; i < 4; i++)
		pages[i] = alloc(zone, 16);
	qr_zone_free(zone, pages[1], 16);
	qr_zone_free(zone, pages[2], 16);
	check_zones();
	run = qr_zone_alloc(zone, 25, 0, QR_MIGRATE_RUN, &clean);
	cr_assert_eq(run, pages[1]);
	cr_assert_not(clean);
	cr_assert_eq(run->nr_pages, 25u);
	check_zones();
	cr_assert_eq(alloc(zone, 6), run + 26);
	check_zones();
}

Test(zone, an_aligned_run_is_one_block)
{
	struct qr_zone *zone = arena_init(64 * MIB);
	struct qr_page *pages[4], *run;

	for (int i = 0; i < 4; i++)
		pages[i] = alloc(zone, 16);
	qr_zone_free(zone, pages[1], 16);
	qr_zone_free(zone, pages[2], 16);
	run = qr_zone_alloc(zone, 25, 5, QR_MIGRATE_RUN, NULL);
	cr_assert_eq(qr_zone_frame(zone, run) % 32, 0u);
	check_zones();
}

Test(zone, a_whole_free_pageblock_changes_its_type_before_memory_is_touched)
{
	struct qr_zone *zone = arena_init(64 * MIB);
	struct qr_page *run, *slab;

	alloc(zone, QR_PAGEBLOCK_FRAMES);
	run = alloc(zone, QR_PAGEBLOCK_FRAMES);
	qr_zone_free(zone, run, QR_PAGEBLOCK_FRAMES);
	cr_assert_eq(type_at(zone, run), QR_MIGRATE_RUN);
	slab = alloc_type(zone, 8, QR_MIGRATE_SLAB);
	cr_assert_eq(slab, run);
	cr_assert_eq(type_at(zone, run), QR_MIGRATE_SLAB);
	check_zones();
}

Test(zone, what_is_told_clean_reads_as_zeros)
{
	struct qr_zone *zone = arena_init(32 * MIB);
	struct draw draw = draw_init("clean");
	struct {
		struct qr_page *page;
		size_t n;
	} runs[64] = {{NULL, 0}};
	unsigned nr_clean = 0;

	for (int step = 0; step < 20000; step++) {
		size_t i = draw_below(&draw, 64);
		bool clean;

		if (runs[i].page) {
			qr_zone_free(zone, runs[i].page, runs[i].n);
			runs[i].page = NULL;
			if (draw_below(&draw, 20) == 0)
				qr_zone_purge(zone, draw_below(&draw, 100));
			continue;
		}
		runs[i].n = 1 + draw_below(&draw, draw_below(&draw, 40) + 1);
		runs[i].page = qr_zone_alloc(zone, runs[i].n, 0, QR_MIGRATE_RUN,
					     &clean);
		cr_assert(runs[i].page);
		nr_clean += clean;
		for (size_t at = 0; clean && at < runs[i].n * QR_FRAME_SIZE;
		     at += 8)
			cr_assert_eq(
				*(uint64_t *)(void *)(run_bytes(runs[i].page) +
						      at),
				0, "step %d", step);
		touch(runs[i].page, runs[i].n);
	}
	check_zones();
	cr_assert_gt(nr_clean, 200);
	cr_assert_lt(nr_clean, 9000);
}

/* Requests of 10 KiB to 4 MiB: waste is what lies behind the last byte. */
Test(zone, the_waste_of_requests_of_any_size_is_below_a_page_each)
{
	enum { N = 2000 };
	struct qr_zone *zone = arena_init(16384 * MIB);
	struct draw draw = draw_init("waste");
	size_t asked = 0, worst = 0;
	double waste;

	for (int i = 0; i < N; i++) {
		size_t size = 10 * 1024 +
			      draw_below(&draw, (size_t)10 * 1024 << (i % 9)) %
				      (QR_MAX_BLOCK_SIZE - 10 * 1024);
		size_t n = (size + QR_FRAME_SIZE - 1) / QR_FRAME_SIZE;
		struct qr_page *page = alloc(zone, n);

		asked += size;
		worst = qr_max(worst, page->nr_pages * QR_FRAME_SIZE - size);
	}
	waste = (double)(frames_in_use() * QR_FRAME_SIZE - asked);
	fprintf(stderr,
		"waste: %.0f bytes a request, at most %zu; %.2f %% of %zu "
		"MiB\n",
		waste / N, worst, 100 * waste / (double)asked, asked / MIB);
	cr_assert_lt(worst, QR_FRAME_SIZE);
	cr_assert_lt(waste / N, QR_FRAME_SIZE);
	check_zones();
}

Test(zone, trim_gives_back_frames_and_metadata_and_the_frontier_retreats)
{
	struct qr_zone *zone = arena_init(1024 * MIB);
	struct qr_page *pages[64], *keep = alloc(zone, 1);
	size_t frontier = zone->frontier, before, after;

	need_counted_memory();
	touch(keep, 1);
	before = anonymous();
	for (int i = 0; i < 64; i++) {
		pages[i] = alloc(zone, 512);
		touch(pages[i], 512);
	}
	/* touch all the descriptors as well, as slabs would */
	for (int i = 0; i < 64; i++) {
		qr_zone_free(zone, pages[i], 512);
		for (int j = 0; j < 512; j++)
			alloc(zone, 1);
		for (size_t f = frontier; f < zone->frontier; f++) {
			struct qr_page *page = qr_zone_page(zone, f);

			if (qr_page_state(page) == QR_PAGE_RUN &&
			    page->nr_pages == 1)
				qr_zone_free(zone, page, 1);
		}
	}
	cr_assert_geq(anonymous(), before + 128 * MIB);
	for (size_t f = zone->start; f < frontier; f++) {
		struct qr_page *page = qr_zone_page(zone, f);

		if (qr_page_state(page) == QR_PAGE_RUN && page != keep)
			qr_zone_free(zone, page, page->nr_pages);
	}
	cr_assert_geq(qr_zone_trim(zone, 0), 64 * 512);
	check_zones();
	after = anonymous();
	cr_assert_leq(after, before + 64 * 1024, "%zu KiB before, %zu after",
		      before >> 10, after >> 10);
	cr_assert_eq(zone->frontier, frontier);
	/* and it grows again */
	touch(alloc(zone, QR_MAX_BLOCK_FRAMES), QR_MAX_BLOCK_FRAMES);
	check_zones();
}

Test(zone, trim_strips_the_descriptors_of_blocks_below_the_frontier)
{
	struct qr_zone *zone = arena_init(2048 * MIB);
	static struct qr_page *pages[128 * 1024];
	struct qr_page *last;
	size_t before, after;

	need_counted_memory();
	alloc(zone, 1);
	before = anonymous();
	for (size_t i = 0; i < 128 * 1024; i++)
		pages[i] = alloc(zone, 1);
	last = alloc(zone, QR_MAX_BLOCK_FRAMES);
	for (size_t i = 0; i < 128 * 1024; i++)
		qr_zone_free(zone, pages[i], 1);
	/* 8 MiB of descriptors of 512 MiB of frames that are free now */
	cr_assert_geq(anonymous(), before + 8 * MIB);
	qr_zone_trim(zone, 0);
	after = anonymous();
	cr_assert_leq(after, before + 2 * MIB, "%zu KiB before, %zu after",
		      before >> 10, after >> 10);
	check_zones();
	/* again: nothing more to do */
	qr_zone_trim(zone, 0);
	check_zones();
	qr_zone_free(zone, last, QR_MAX_BLOCK_FRAMES);
	for (size_t i = 0; i < 128 * 1024; i++)
		pages[i] = alloc(zone, 1);
	check_zones();
}

Test(zone, purge_keeps_what_it_is_told_to_and_takes_large_blocks_first)
{
	struct qr_zone *zone = arena_init(64 * MIB);
	struct qr_page *small = alloc(zone, 4), *wall = alloc(zone, 1);
	struct qr_page *large = alloc(zone, 64);
	size_t purged;

	assert_picture(zone, "R---R01.3.......4...");
	qr_zone_free(zone, small, 4);
	qr_zone_free(zone, large, 64);
	cr_assert_eq(zone->nr_dirty, 68);
	purged = qr_zone_purge(zone, 4);
	cr_assert_eq(purged, 64);
	assert_picture(zone, "c:::R01.3.......4...");
	cr_assert_eq(zone->nr_dirty, 4);
	cr_assert_eq(qr_zone_purge(zone, 4), 0);
	cr_assert_eq(qr_zone_purge(zone, 0), 4);
	assert_picture(zone, "2...R01.3.......4...");
	qr_zone_free(zone, wall, 1);
	check_zones();
}

Test(zone, who_frees_beyond_the_high_watermark_purges_down_to_low)
{
	enum { HIGH = 1024, N = 64, RUN = 64 };
	struct qr_zone *zone = arena_init(64 * MIB);
	struct qr_page *pages[N];
	uint64_t calls;
	size_t peak = 0;

	qr_zone_set_watermarks(zone, HIGH, SIZE_MAX);
	for (int i = 0; i < N; i++) {
		pages[i] = alloc(zone, RUN);
		touch(pages[i], RUN);
	}
	for (int i = 0; i < N; i++) {
		size_t live = (size_t)(N - i - 1) * RUN;

		qr_zone_free(zone, pages[i], RUN);
		cr_assert_leq(zone->nr_dirty, HIGH + live / 4);
		peak = qr_max(peak, zone->nr_dirty);
	}
	cr_assert_gt(peak, HIGH - RUN, "it was never let near high");
	cr_assert_gt(zone->counters.purge_calls, 0);
	check_zones();

	/* below high nothing is purged, however often it is used */
	calls = zone->counters.purge_calls;
	for (int i = 0; i < 1000; i++)
		qr_zone_free(zone, alloc(zone, RUN), RUN);
	cr_assert_eq(zone->counters.purge_calls, calls);
}

Test(zone, memory_that_is_locked_is_not_tried_on_every_free)
{
	enum { N = 512, RUN = 16 };
	struct qr_zone *zone = arena_init(64 * MIB);
	struct qr_page *pages[N];
	uint64_t calls;

	if (SANITIZED)
		cr_skip_test("a sanitizer lets nothing be locked");
	qr_zone_set_watermarks(zone, 64, SIZE_MAX);
	for (int i = 0; i < N; i++) {
		pages[i] = alloc(zone, RUN);
		touch(pages[i], RUN);
	}
	if (mlock((void *)qr_span_addr(zone->span, zone->start),
		  (zone->committed - zone->start) << QR_FRAME_SHIFT))
		cr_skip_test("no memory may be locked here");
	for (int i = 0; i < N; i++)
		qr_zone_free(zone, pages[i], RUN);
	check_zones();
	cr_assert_eq(zone->counters.purged, 0);
	calls = zone->counters.purge_calls;
	cr_assert_lt(calls, 32 * 16);
	munlockall();
	cr_assert_eq(qr_zone_purge(zone, 0), N * RUN);
	check_zones();
}

static atomic_bool stop;

static void *purge_until_stopped(void *zone)
{
	while (!atomic_load(&stop))
		qr_zone_purge(zone, 0);
	return NULL;
}

static size_t frames_purged(struct qr_zone *zone)
{
	size_t n;

	qr_lock_acquire(&zone->lock);
	n = zone->counters.purged;
	qr_lock_release(&zone->lock);
	return n;
}

/* A purge has blocks off the lists; nobody may take that for exhaustion. */
Test(zone, a_zone_that_is_being_purged_is_not_used_up)
{
	struct qr_zone *zone = arena_init(16 * MIB);
	size_t max = (zone->end - zone->start) / QR_MAX_BLOCK_FRAMES;
	struct qr_page *pages[4];
	pthread_t thread;

	cr_assert_leq(max, 4);
	cr_assert_eq(pthread_create(&thread, NULL, purge_until_stopped, zone),
		     0);
	while (frames_purged(zone) < 200 * QR_MAX_BLOCK_FRAMES) {
		for (size_t i = 0; i < max; i++)
			pages[i] = alloc(zone, QR_MAX_BLOCK_FRAMES);
		for (size_t i = 0; i < max; i++)
			qr_zone_free(zone, pages[i], QR_MAX_BLOCK_FRAMES);
	}
	atomic_store(&stop, true);
	pthread_join(thread, NULL);
	check_zones();
}

Test(zone, several_blocks_come_at_once_only_if_they_are_resident)
{
	struct qr_zone *zone = arena_init(64 * MIB);
	struct qr_list blocks = QR_LIST_INIT(blocks);
	size_t n = 0;

	cr_assert_eq(qr_zone_alloc_bulk(zone, 1, 4, &blocks), 1);
	assert_picture(zone, "P-1.2...3.......4...");
	qr_zone_free_bulk(zone, 1, &blocks);
	cr_assert(qr_list_empty(&blocks));
	assert_picture(zone, "g:..................");
	qr_zone_free(zone, alloc(zone, 6), 6);
	assert_picture(zone, "g:::::..............");
	cr_assert_eq(qr_zone_alloc_bulk(zone, 0, 4, &blocks), 4);
	assert_picture(zone, "PPPPc:..3.......4...");
	QR_LIST_FOR_EACH(node, safe, &blocks)
		n++;
	cr_assert_eq(n, 4);
	check_zones();
}
