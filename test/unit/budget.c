#include "arena.h"

#include "arena/budget.h"
#include "arena/large.h"
#include "arena/meta.h"
#include "sys/map.h"

static const size_t FRAME = QR_BUDGET_FRAME;
/* what a zone may not have told yet */
static const size_t UNTOLD = (size_t)QR_BUDGET_STEP * QR_BUDGET_FRAME;

static struct qr_page *alloc(struct qr_zone *zone, size_t nr_frames)
{
	return qr_zone_alloc(zone, nr_frames, 0, QR_MIGRATE_RUN, NULL);
}

static void assert_used(size_t expected)
{
	size_t used = qr_budget_used();

	cr_assert(used + UNTOLD >= expected && used <= expected + UNTOLD,
		  "used %zu, not %zu", used, expected);
}

Test(budget, frames_are_counted_until_the_kernel_has_them_back)
{
	struct qr_zone *zone = arena_init(64 * MIB);
	size_t before = qr_budget_used();
	struct qr_page *a = alloc(zone, 1000), *b = alloc(zone, 500);

	assert_used(before + 1500 * FRAME);
	qr_zone_free(zone, a, 1000);
	assert_used(before + 1500 * FRAME);
	qr_zone_purge(zone, 0);
	assert_used(before + 500 * FRAME);
	qr_zone_free(zone, b, 500);
	qr_zone_trim(zone, 0);
	assert_used(before);
}

Test(budget, single_frames_are_told_in_steps)
{
	struct qr_zone *zone = arena_init(64 * MIB);
	size_t before = qr_budget_used();

	for (size_t i = 1; i <= 300; i++) {
		alloc(zone, 1);
		assert_used(before + i * FRAME);
	}
	cr_assert_gt(qr_budget_used(), before);
}

Test(budget, beyond_the_bar_frames_with_memory_are_had_and_no_others)
{
	struct qr_zone *zone = arena_init(64 * MIB);
	struct qr_page *a = alloc(zone, 64), *b = alloc(zone, 60);
	size_t frontier;

	qr_zone_free(zone, a, 64);
	frontier = zone->frontier;
	qr_budget_set_bar(qr_budget_used());
	cr_assert_null(alloc(zone, 128));
	cr_assert_eq(alloc(zone, 64), a);
	cr_assert_null(alloc(zone, 1));
	cr_assert_not(qr_zone_extend(zone, b, 1));
	cr_assert_eq(zone->frontier, frontier);
	check_zones();

	qr_budget_set_bar(SIZE_MAX);
	cr_assert(qr_zone_extend(zone, b, 1));
	cr_assert(alloc(zone, 128));
	check_zones();
}

Test(budget, a_block_with_memory_in_part_is_not_split_beyond_the_bar)
{
	struct qr_zone *zone = arena_init(64 * MIB);
	struct qr_page *page = alloc(zone, 3);

	qr_zone_free(zone, page, 3);
	qr_budget_set_bar(0);
	cr_assert_null(alloc(zone, 64));
	check_zones();
}

Test(budget, the_bar_bounds_what_a_zone_hands_out)
{
	struct qr_zone *zone = arena_init(64 * MIB);
	size_t bar = qr_budget_used() + 16 * MIB, frames = 0;

	qr_budget_set_bar(bar);
	while (alloc(zone, 8))
		frames += 8;
	assert_used(bar);
	cr_assert_leq(frames * FRAME, 16 * MIB + UNTOLD);
	cr_assert_geq(frames * FRAME, 16 * MIB - UNTOLD);
	check_zones();
}

Test(budget, large_objects_are_counted_live_and_cached)
{
	size_t before, page = qr_page_size();
	char *a, *b;

	arena_init(64 * MIB);
	qr_large_set_limit(64 * MIB);
	a = qr_large_alloc(8 * MIB, 1, NULL);
	qr_large_free(a);
	qr_large_trim(0);
	before = qr_budget_used();

	a = qr_large_alloc(8 * MIB, 1, NULL);
	b = qr_large_alloc(5 * MIB + 1, 1, NULL);
	cr_assert_eq(qr_budget_used(), before + 13 * MIB + page);
	qr_large_free(a);
	cr_assert_eq(qr_budget_used(), before + 13 * MIB + page);
	a = qr_large_alloc(8 * MIB, 1, NULL);
	cr_assert_eq(qr_budget_used(), before + 13 * MIB + page);
	a = qr_large_realloc(a, 20 * MIB);
	cr_assert_eq(qr_budget_used(),
		     before + qr_large_size(a) + qr_large_size(b));
	a = qr_large_realloc(a, 6 * MIB);
	cr_assert_eq(qr_budget_used(),
		     before + qr_large_size(a) + qr_large_size(b));
	qr_large_free(a);
	qr_large_free(b);
	qr_large_trim(0);
	cr_assert_eq(qr_budget_used(), before);
	cr_assert(qr_large_check());
}

Test(budget, beyond_the_bar_no_large_object_is_made_or_grown)
{
	char *a, *b;

	arena_init(64 * MIB);
	qr_large_set_limit(64 * MIB);
	a = qr_large_alloc(8 * MIB, 1, NULL);
	b = qr_large_alloc(8 * MIB, 1, NULL);
	memset(a, 7, 8 * MIB);
	qr_budget_set_bar(qr_budget_used() + 2 * MIB);
	cr_assert_null(qr_large_alloc(5 * MIB, 1, NULL));
	cr_assert_null(qr_large_realloc(a, 11 * MIB));
	cr_assert_eq(qr_large_size(a), 8 * MIB);
	cr_assert_eq(a[8 * MIB - 1], 7);

	/* what the cache holds makes room */
	qr_large_free(b);
	b = qr_large_alloc(9 * MIB, 1, NULL);
	cr_assert(b);
	cr_assert(qr_large_check());
}

Test(budget, our_own_structures_are_counted_and_never_refused)
{
	size_t before = qr_budget_used();

	qr_budget_set_bar(0);
	cr_assert(qr_meta_alloc(MIB));
	cr_assert_geq(qr_budget_used(), before + MIB);
}
