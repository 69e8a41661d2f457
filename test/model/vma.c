/*
 * The VMA tree against a sorted array.
 *
 * The universe is PAGES pages, most of them in small intervals, so that
 * neighbours, splits and collisions are frequent.  After every step the tree
 * is checked and compared with the array, interval by interval.
 * QUARRY_TEST_SEED repeats a run.
 */
#include "arena/vma.h"
#include "base/bits.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	STEPS = 100000,
	PAGES = 1 << 10,
	PAGE = 4096,
	MOST = PAGES,
	MAX_OUT = 3,
};

static const uintptr_t BASE = UINT64_C(1) << 40;

struct twin {
	uintptr_t start, end;
	uint8_t kind;
	uint32_t state;
};

static struct twin twins[MOST];
static unsigned nr;
/* unlinked, to be linked again */
static struct {
	struct qr_vma *vma;
	struct twin twin;
} out[MAX_OUT];

static unsigned seed;
static unsigned step;

static unsigned pick(unsigned below)
{
	return (unsigned)rand_r(&seed) % below;
}

/* ---- the naive side ---- */

static bool twin_free(uintptr_t start, uintptr_t end)
{
	for (unsigned i = 0; i < nr; i++) {
		if (twins[i].start < end && twins[i].end > start)
			return false;
	}
	return true;
}

static void twin_add(struct twin twin)
{
	unsigned at = nr++;

	for (; at && twins[at - 1].start > twin.start; at--)
		twins[at] = twins[at - 1];
	twins[at] = twin;
}

static void twin_del(unsigned at)
{
	memmove(&twins[at], &twins[at + 1], (--nr - at) * sizeof(twins[0]));
}

static bool twin_touches(unsigned low)
{
	return low + 1 < nr && twins[low].end == twins[low + 1].start;
}

static void twin_register(const struct twin new)
{
	struct twin twin = new;

	for (unsigned i = 0; i < nr;) {
		if (twins[i].kind == twin.kind &&
		    (twins[i].end == new.start || twins[i].start == new.end)) {
			twin.start = qr_min(twin.start, twins[i].start);
			twin.end = qr_max(twin.end, twins[i].end);
			twin_del(i);
		} else {
			i++;
		}
	}
	twin_add(twin);
}

static void twin_unregister(uintptr_t start, uintptr_t end)
{
	struct twin was[MOST];
	unsigned n = nr;

	memcpy(was, twins, sizeof(was));
	nr = 0;
	for (unsigned i = 0; i < n; i++) {
		struct twin low = was[i], high = was[i];

		low.end = qr_min(low.end, start);
		high.start = qr_max(high.start, end);
		if (low.start < low.end)
			twin_add(low);
		if (high.start < high.end)
			twin_add(high);
	}
}

static size_t twin_runs(void)
{
	size_t runs = 0;

	for (unsigned i = 0; i < nr; i++) {
		bool plain = twins[i].kind == QR_VMA_LARGE ||
			     twins[i].kind == QR_VMA_META;
		bool before = i && (twins[i - 1].kind == QR_VMA_LARGE ||
				    twins[i - 1].kind == QR_VMA_META);

		if (twins[i].kind == QR_VMA_SPAN)
			runs += 4;
		else if (!(plain && before && twin_touches(i - 1)))
			runs++;
	}
	return runs;
}

static uintptr_t twin_gap(const struct qr_vma_gap *wish)
{
	uintptr_t low = qr_round_up(wish->low, wish->align);

	if (wish->lowest) {
		for (; low + wish->size <= wish->high; low += wish->align) {
			if (twin_free(low, low + wish->size))
				return low;
		}
		return 0;
	}
	if (wish->high < wish->low + wish->size)
		return 0;

	uintptr_t at = qr_round_down(wish->high - wish->size, wish->align);

	for (; at >= low; at -= wish->align) {
		if (twin_free(at, at + wish->size))
			return at;
	}
	return 0;
}

/* ---- one step on both sides ---- */

static struct qr_vma *real_of(unsigned at)
{
	unsigned token = qr_vma_read_begin();
	struct qr_vma *vma = qr_vma_find(twins[at].start);

	qr_vma_read_end(token);
	cr_assert(vma && vma->start == twins[at].start, "step %u", step);
	return vma;
}

static struct twin random_range(unsigned most_pages)
{
	struct twin twin;

	twin.start = BASE + (uintptr_t)pick(PAGES) * PAGE;
	twin.end = twin.start + (1 + (uintptr_t)pick(most_pages)) * PAGE;
	twin.kind = (uint8_t)pick(QR_NR_VMA_KINDS);
	twin.state = 0;
	return twin;
}

static void insert(void)
{
	struct twin twin = random_range(8);
	struct qr_vma new = {.start = twin.start,
			     .end = twin.end,
			     .kind = twin.kind,
			     .node = QR_VMA_ANY_NODE};
	bool fits = twin_free(twin.start, twin.end);

	twin.state = pick(4);
	atomic_store(&new.state, twin.state);
	cr_assert_eq(qr_vma_insert(&new, NULL), fits ? 0 : -EEXIST);
	if (fits)
		twin_add(twin);
}

static void add_merging(void)
{
	struct twin twin = random_range(8);
	bool fits = twin_free(twin.start, twin.end);

	twin.kind = (uint8_t)(twin.kind % QR_VMA_LARGE);
	cr_assert_eq(qr_vma_register((void *)twin.start, twin.end - twin.start,
				     twin.kind),
		     fits ? 0 : -EEXIST);
	if (fits)
		twin_register(twin);
}

static void cut_out(void)
{
	struct twin twin = random_range(pick(16) ? 6 : 100);

	cr_assert_eq(
		qr_vma_unregister((void *)twin.start, twin.end - twin.start),
		0);
	twin_unregister(twin.start, twin.end);
}

static void remove_one(unsigned at)
{
	cr_assert_eq(qr_vma_remove(real_of(at)), 0);
	twin_del(at);
}

static void split(unsigned at)
{
	uintptr_t pages = (twins[at].end - twins[at].start) / PAGE;
	uintptr_t cut = twins[at].start + pick((unsigned)pages) * PAGE;
	struct qr_vma *parts[2];
	struct twin high = twins[at];

	if (cut == twins[at].start) {
		cr_assert_eq(qr_vma_split(real_of(at), cut, parts), -EINVAL);
		return;
	}
	cr_assert_eq(qr_vma_split(real_of(at), cut, parts), 0);
	cr_assert_eq(parts[0]->end, cut);
	cr_assert_eq(parts[1]->start, cut);
	twins[at].end = cut;
	high.start = cut;
	twin_add(high);
}

static void merge(unsigned at)
{
	struct qr_vma *both;

	if (at + 1 == nr)
		return;
	if (!twin_touches(at)) {
		cr_assert_eq(qr_vma_merge(real_of(at), real_of(at + 1), &both),
			     -EINVAL);
		return;
	}
	cr_assert_eq(qr_vma_merge(real_of(at), real_of(at + 1), &both), 0);
	twins[at].end = twins[at + 1].end;
	twin_del(at + 1);
	cr_assert_eq(both->end, twins[at].end);
}

static void move(unsigned at, bool in_place)
{
	struct twin was = twins[at], to = random_range(12);
	struct qr_vma *vma = real_of(at);

	if (in_place) {
		to.end = was.start + (to.end - to.start);
		to.start = was.start;
	}
	to.kind = was.kind;
	to.state = was.state;
	twin_del(at);
	if (twin_free(to.start, to.end)) {
		cr_assert_eq(
			qr_vma_move(vma, to.start, to.end - to.start, NULL), 0);
		twin_add(to);
	} else {
		cr_assert_eq(
			qr_vma_move(vma, to.start, to.end - to.start, NULL),
			-EEXIST);
		twin_add(was);
	}
}

/* Taken out now, put back elsewhere some steps later. */
static void unlink_or_link(unsigned slot)
{
	struct twin to = random_range(12);

	if (!out[slot].vma) {
		unsigned at;

		if (!nr)
			return;
		at = pick(nr);
		out[slot].vma = qr_vma_unlink(real_of(at));
		out[slot].twin = twins[at];
		cr_assert_not_null(out[slot].vma);
		twin_del(at);
		return;
	}
	if (!twin_free(to.start, to.end))
		return;
	if (pick(4) == 0) {
		qr_vma_forget(out[slot].vma);
	} else {
		to.kind = out[slot].twin.kind;
		to.state = out[slot].twin.state;
		qr_vma_link(out[slot].vma, to.start, to.end - to.start);
		twin_add(to);
	}
	out[slot].vma = NULL;
}

/* The tree's own memory is in it too. */
static bool outside(uintptr_t start)
{
	return start < BASE || start >= BASE + 2 * PAGES * PAGE;
}

static void find(void)
{
	uintptr_t addr = BASE - PAGE + pick((PAGES + 20) * PAGE);
	struct qr_vma_gap wish = {
		.low = BASE - PAGE * (uintptr_t)pick(4),
		.high = BASE + (PAGES - (uintptr_t)pick(200)) * PAGE,
		.size = (1 + (size_t)pick(20)) * PAGE,
		.align = (size_t)PAGE << pick(5),
		.lowest = pick(2),
	};
	const struct twin *holds = NULL, *from = NULL;
	unsigned token;

	for (unsigned i = 0; i < nr; i++) {
		if (!from && twins[i].end > addr)
			from = &twins[i];
		if (twins[i].start <= addr && addr < twins[i].end)
			holds = &twins[i];
	}
	token = qr_vma_read_begin();

	struct qr_vma *vma = qr_vma_find(addr), *next = qr_vma_find_from(addr);

	cr_assert_eq(vma ? vma->start : 0, holds ? holds->start : 0);
	if (!next || outside(next->start))
		cr_assert_null(from);
	else
		cr_assert(from && next->start == from->start);
	qr_vma_read_end(token);
	cr_assert_eq(qr_vma_find_gap(&wish), twin_gap(&wish));
}

static void neighbours(unsigned at)
{
	struct qr_vma *low, *high, *vma = real_of(at);
	bool low_is = at && twin_touches(at - 1);
	bool high_is = twin_touches(at);

	cr_assert_eq(qr_vma_unmap_splits(vma),
		     low_is && high_is && twins[at - 1].kind != QR_VMA_SPAN &&
			     twins[at + 1].kind != QR_VMA_SPAN);
	qr_vma_neighbours(vma, 2, &low, &high);
	low_is = low_is && twins[at - 1].kind == twins[at].kind &&
		 twins[at - 1].state == 2;
	high_is = high_is && twins[at + 1].kind == twins[at].kind &&
		  twins[at + 1].state == 2;
	cr_assert_eq(low ? low->start : 0, low_is ? twins[at - 1].start : 0);
	cr_assert_eq(high ? high->start : 0, high_is ? twins[at + 1].start : 0);
}

static void one_step(void)
{
	unsigned what = pick(20);
	unsigned at = nr ? pick(nr) : 0;

	if (what < 5)
		insert();
	else if (what < 7)
		add_merging();
	else if (what < 8)
		cut_out();
	else if (what < 10)
		find();
	else if (what < 12)
		unlink_or_link(pick(MAX_OUT));
	else if (!nr)
		return;
	else if (what < 14)
		remove_one(at);
	else if (what < 15)
		split(at);
	else if (what < 16)
		merge(at);
	else if (what < 17)
		neighbours(at);
	else
		move(at, what < 19);
}

static void compare(void)
{
	struct qr_vma_info info = {0};
	struct qr_vma_stats stats;
	unsigned i = 0, nr_outside = 0;

	cr_assert(qr_vma_check(), "step %u", step);
	while (qr_vma_next(info.end, &info)) {
		if (outside(info.start)) {
			nr_outside++;
			continue;
		}
		cr_assert(i < nr && info.start == twins[i].start &&
				  info.end == twins[i].end &&
				  info.kind ==
					  (enum qr_vma_kind)twins[i].kind &&
				  info.state == twins[i].state,
			  "step %u: interval %u", step, i);
		i++;
	}
	cr_assert_eq(i, nr, "step %u", step);
	qr_vma_read_stats(&stats);
	cr_assert_eq(stats.nr, nr + nr_outside, "step %u", step);
	cr_assert_eq(stats.runs, twin_runs() + nr_outside, "step %u", step);
}

Test(vma_model, the_tree_is_a_sorted_array, .timeout = 300)
{
	const char *given = getenv("QUARRY_TEST_SEED");

	seed = given ? (unsigned)strtoul(given, NULL, 0) : 1;
	fprintf(stderr, "vma: QUARRY_TEST_SEED=%u\n", seed);
	for (step = 0; step < STEPS; step++) {
		one_step();
		qr_vma_quiesce();
		compare();
	}
}
