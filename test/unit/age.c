/*
 * Ageing, layer by layer: what nobody used for QR_WINDOW_TICKS goes down, what
 * somebody used stays.
 */
#include "slab.h"

#include "arena/large.h"
#include "base/window.h"

enum { OBJECTS = 3000 };

static void *objects[OBJECTS];

Test(window, extremes_are_those_of_the_last_ticks)
{
	struct qr_window least = {0}, most = {0};

	for (int i = 0; i < QR_WINDOW_TICKS; i++) {
		cr_assert_eq(qr_window_least(&least), 0, "tick %d", i);
		qr_window_turn(&least, 100);
		qr_window_turn(&most, 5);
	}
	cr_assert_eq(qr_window_least(&least), 100);
	qr_window_note_least(&least, 40);
	qr_window_note_least(&least, 70);
	qr_window_note_most(&most, 9);
	qr_window_note_most(&most, 7);
	for (int i = 0; i < QR_WINDOW_TICKS; i++) {
		cr_assert_eq(qr_window_least(&least), 40, "tick %d", i);
		cr_assert_eq(qr_window_most(&most), 9, "tick %d", i);
		qr_window_turn(&least, 100);
		qr_window_turn(&most, 5);
	}
	cr_assert_eq(qr_window_least(&least), 100);
	cr_assert_eq(qr_window_most(&most), 5);
}

static void free_run(struct qr_page *page)
{
	cr_assert(qr_run_free(page));
}

Test(age, a_zone_gives_back_what_nobody_took_and_no_more)
{
	struct qr_zone *zone = arena_init(256 * MIB);
	struct qr_page *runs[16];
	size_t idle = 0;

	for (int i = 0; i < 16; i++)
		runs[i] = qr_run_alloc(0, 1024, 0, NULL);
	for (int i = 0; i < 16; i++)
		free_run(runs[i]);
	cr_assert_eq(zone->nr_dirty, (size_t)16 * 1024);
	/* a quarter goes round all the time */
	for (int tick = 0; tick <= QR_WINDOW_TICKS; tick++) {
		for (int i = 0; i < 4; i++)
			runs[i] = qr_run_alloc(0, 1024, 0, NULL);
		for (int i = 0; i < 4; i++)
			free_run(runs[i]);
		idle += qr_zone_age(zone);
	}
	cr_assert_eq(idle, (size_t)12 * 1024);
	cr_assert_eq(zone->nr_dirty, (size_t)4 * 1024);
	check_zones();
	for (int tick = 0; tick <= QR_WINDOW_TICKS; tick++)
		idle += qr_zone_age(zone);
	cr_assert_eq(idle, (size_t)16 * 1024);
	cr_assert_eq(zone->nr_dirty, 0);
	check_zones();
}

Test(age, what_was_in_use_may_stay_free_for_a_while_but_not_more)
{
	struct qr_zone *zone = arena_init(256 * MIB);
	struct qr_page *runs[16];

	qr_zone_set_watermarks(zone, 1024, SIZE_MAX);
	for (int i = 0; i < 16; i++)
		runs[i] = qr_run_alloc(0, 1024, 0, NULL);
	qr_zone_age(zone);
	cr_assert_eq(zone->peak, (size_t)16 * 1024);
	for (int i = 0; i < 16; i++)
		free_run(runs[i]);
	cr_assert_eq(zone->nr_dirty, (size_t)16 * 1024, "it was needed lately");
	/* frames without memory, while so much has some, push it out */
	for (int i = 0; i < 16; i++)
		runs[i] = qr_block_alloc(0, UINT32_MAX, 3);
	for (int i = 0; i < 16; i++)
		qr_block_free(runs[i], UINT32_MAX, 3);
	for (int tick = 0; tick <= QR_WINDOW_TICKS; tick++)
		qr_zone_age(zone);
	cr_assert_eq(zone->peak, 0);
	cr_assert_eq(zone->nr_dirty, 0);
	check_zones();
}

Test(age, a_pcp_that_nobody_uses_is_emptied)
{
	struct qr_page *blocks[8];

	arena_init(256 * MIB);
	for (int i = 0; i < 8; i++)
		blocks[i] = qr_block_alloc(0, 1, 2);
	for (int i = 0; i < 8; i++)
		qr_block_free(blocks[i], 1, 2);
	cr_assert_gt(qr_pcps_count(), 0);
	qr_pcps_age();
	cr_assert_gt(qr_pcps_count(), 0, "it was used since the last tick");
	qr_pcps_age();
	cr_assert_eq(qr_pcps_count(), 0);
	check_zones();
}

static size_t cached(struct qr_cache *cache)
{
	struct qr_pcpu_counts counts;

	qr_pcpu_count(cache, &counts);
	return counts.in_arrays + counts.in_barns;
}

static void allocate(struct qr_cache *cache, int n)
{
	for (int i = 0; i < n; i++) {
		objects[i] = qr_pcpu_alloc(cache);
		cr_assert(objects[i]);
	}
}

static void release(struct qr_cache *cache, int n)
{
	for (int i = 0; i < n; i++)
		qr_pcpu_free(cache, objects[i]);
}

Test(age, arrays_and_barns_that_nobody_uses_are_emptied)
{
	struct qr_cache *idle, *busy;

	slab_init();
	qr_budget_add(256 * MIB); /* as if */
	idle = cache_of(64);
	busy = cache_of(256);
	allocate(idle, OBJECTS);
	release(idle, OBJECTS);
	cr_assert_gt(cached(idle), 100);
	for (int tick = 0; tick < QR_WINDOW_TICKS + 2; tick++) {
		qr_pcpu_age();
		/* never the same state twice */
		allocate(busy, 2 + tick % 2);
		release(busy, 1);
		cr_assert_gt(cached(busy), 0, "tick %d", tick);
	}
	cr_assert_eq(cached(idle), 0);
	cr_assert_eq(qr_cache_node(idle, 0)->nr_inuse, 0);
	cr_assert_null(qr_slab_check(idle, 0));
	cr_assert_null(qr_slab_check(busy, 0));
}

Test(age, of_a_barn_the_objects_freed_first_go_first)
{
	struct qr_cache *cache;
	struct qr_barn *barn;
	void *cold[10];

	slab_init();
	cache = cache_of(64);
	barn = &qr_cache_node(cache, 0)->barn;
	cr_assert_eq(qr_slab_refill(cache, 0, 0, objects, 30), 30);
	cr_assert_eq(qr_barn_put(cache, barn, objects, 30), 30);
	for (int tick = 0; tick < QR_WINDOW_TICKS; tick++)
		cr_assert_eq(qr_barn_turn(barn), 0, "tick %d", tick);
	cr_assert_eq(qr_barn_turn(barn), 30);
	cr_assert_eq(qr_barn_get(barn, cold, 5), 5);
	cr_assert_eq(cold[0], objects[29], "the hot end");
	cr_assert_eq(qr_barn_turn(barn), 25, "five were needed");
	cr_assert_eq(qr_barn_get_cold(barn, cold, 10), 10);
	for (int i = 0; i < 10; i++)
		cr_assert_eq(cold[i], objects[i]);
	cr_assert_eq(barn->nr_objects, 15);
	cr_assert_eq(barn->objects[0], objects[10]);
}

Test(age, a_lone_empty_slab_stays_only_while_its_cache_is_used)
{
	struct qr_cache_node *node;
	struct qr_cache *cache;

	slab_init();
	cache = cache_of(512);
	node = qr_cache_node(cache, 0);
	cr_assert_eq(qr_slab_refill(cache, 0, 0, objects, 1), 1);
	qr_slab_flush(cache, 0, objects, 1);
	cr_assert_eq(node->nr_slabs, 1);
	cr_assert_eq(qr_slab_age(cache, 0), 0);
	cr_assert_eq(node->nr_slabs, 1);
	cr_assert_gt(qr_slab_age(cache, 0), 0);
	cr_assert_eq(node->nr_slabs, 0);
}

Test(age, cached_mappings_that_nobody_takes_are_unmapped)
{
	struct qr_large_stats stats;
	size_t bytes = 0;
	void *p[4];

	arena_init(64 * MIB);
	for (int i = 0; i < 4; i++)
		p[i] = qr_large_alloc(5 * MIB, 1, NULL);
	for (int i = 0; i < 4; i++)
		qr_large_free(p[i]);
	for (int tick = 0; tick <= QR_WINDOW_TICKS; tick++) {
		p[0] = qr_large_alloc(5 * MIB, 1, NULL);
		qr_large_free(p[0]);
		bytes += qr_large_age();
	}
	cr_assert_eq(bytes, 15 * MIB);
	qr_large_read_stats(&stats);
	cr_assert_eq(stats.cached, 5 * MIB, "one is in use now and then");
	for (int tick = 0; tick <= QR_WINDOW_TICKS; tick++)
		bytes += qr_large_age();
	cr_assert_eq(bytes, 20 * MIB);
}
