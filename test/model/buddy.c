/*
 * Pages against a naive twin: an array that says who owns which frame, and
 * what its owner wrote there.
 *
 * Every step is a random operation on both, then all of qr_zone_check(), and
 *
 *	what is handed out	was nobody's, lies in the zone, is aligned
 *	what is told clean	reads as zeros
 *	what is owned		still holds what its owner wrote
 *	NULL			there is no such place, even with empty pcps
 *	frames in use		those of the twin and of the pcps
 */
#include "../unit/arena.h"

enum {
	SPAN_MIB = 20,
	MAX_FRAMES = SPAN_MIB << 8,
	MAX_OWNERS = 512,
	STEPS = SANITIZED ? 20000 : 100000,
	CPUS = 4,
};

struct owner {
	struct qr_page *page; /* NULL: none */
	size_t nr_frames;
	bool is_block; /* else a run */
	uint64_t mark; /* what is written to every frame */
};

static struct {
	struct qr_zone *zone;
	struct draw draw;
	struct owner owners[MAX_OWNERS];
	uint16_t frames[MAX_FRAMES]; /* owner + 1; 0: nobody */
	size_t nr_owned;
	uint64_t next_mark;
	unsigned nr_full, nr_clean, nr_extended, nr_purged;
} twin;

static size_t index_of(const struct owner *owner)
{
	return qr_zone_frame(twin.zone, owner->page) - twin.zone->start;
}

static uint64_t *word(const struct owner *owner, size_t frame)
{
	return (uint64_t *)(void *)(run_bytes(owner->page) +
				    frame * QR_FRAME_SIZE + frame % 500 * 8);
}

static bool is_zero(const struct owner *owner)
{
	const uint64_t *words = word(owner, 0);
	uint64_t any = 0;

	for (size_t i = 0; i < owner->nr_frames * QR_FRAME_SIZE / 8; i++)
		any |= words[i];
	return !any;
}

/* The frames [@from, @from + @n) of @owner change hands. */
static void own(struct owner *owner, size_t from, size_t n)
{
	size_t at = index_of(owner) + from;

	cr_assert_leq(twin.zone->start + at + n, twin.zone->frontier);
	for (size_t i = 0; i < n; i++) {
		cr_assert_eq(twin.frames[at + i], 0,
			     "frame %zu is owner %d's already", at + i,
			     twin.frames[at + i] - 1);
		twin.frames[at + i] = (uint16_t)(owner - twin.owners + 1);
		*word(owner, from + i) = owner->mark;
	}
	twin.nr_owned += n;
}

static void disown(struct owner *owner, size_t from, size_t n)
{
	size_t at = index_of(owner) + from;

	for (size_t i = 0; i < n; i++) {
		cr_assert_eq(*word(owner, from + i), owner->mark,
			     "frame %zu is overwritten", at + i);
		twin.frames[at + i] = 0;
	}
	twin.nr_owned -= n;
}

/* Is there an aligned block of 2^@order frames that nobody owns? */
static bool has_place(unsigned order)
{
	size_t size = (size_t)1 << order;
	size_t end = twin.zone->end - twin.zone->start;

	for (size_t at = 0; at + size <= end; at += size) {
		size_t i = 0;

		while (i < size && !twin.frames[at + i])
			i++;
		if (i == size)
			return true;
	}
	return false;
}

static size_t draw_below_(size_t n)
{
	return draw_below(&twin.draw, n);
}

/* Mostly small, sometimes as large as can be. */
static size_t draw_frames(void)
{
	return 1 + draw_below_((size_t)1 << draw_below_(QR_NR_ORDERS));
}

/* The run or block that @owner wants.  NULL: the twin has no place either. */
static struct qr_page *alloc_pages(const struct owner *owner, unsigned align,
				   bool *ret_clean)
{
	unsigned order = qr_order_up(owner->nr_frames);
	unsigned cpu = (unsigned)draw_below_(CPUS + 1);
	struct qr_page *page;

	for (int tries = 0; tries < 2; tries++) {
		page = owner->is_block ? qr_block_alloc(0, cpu, order)
				       : qr_run_alloc(0, owner->nr_frames,
						      align, ret_clean);
		if (page)
			return page;
		cr_assert(!tries || !has_place((unsigned)qr_max(order, align)));
		/* what the pcps hold is nobody's, but not free either */
		qr_pcps_drain();
	}
	twin.nr_full++;
	return NULL;
}

static void alloc_run(struct owner *owner)
{
	unsigned align =
		draw_below_(4) ? 0 : (unsigned)draw_below_(QR_NR_ORDERS);
	bool clean = false;

	owner->is_block = false;
	owner->nr_frames = draw_frames();
	owner->page = alloc_pages(owner, align, &clean);
	if (!owner->page)
		return;
	cr_assert_eq(owner->page->nr_pages, owner->nr_frames);
	cr_assert_eq(qr_page_state(owner->page), QR_PAGE_RUN);
	cr_assert_eq(qr_page_addr(owner->page) %
			     ((uintptr_t)QR_FRAME_SIZE << align),
		     0);
	if (clean) {
		cr_assert(is_zero(owner));
		twin.nr_clean++;
	}
	own(owner, 0, owner->nr_frames);
}

static void alloc_block(struct owner *owner)
{
	owner->is_block = true;
	owner->nr_frames = (size_t)1 << draw_below_(7);
	owner->page = alloc_pages(owner, 0, NULL);
	if (!owner->page)
		return;
	cr_assert_eq(index_of(owner) % owner->nr_frames, 0);
	own(owner, 0, owner->nr_frames);
}

static void release(struct owner *owner)
{
	disown(owner, 0, owner->nr_frames);
	if (owner->is_block) {
		qr_block_free(owner->page, (unsigned)draw_below_(CPUS + 1),
			      qr_order_up(owner->nr_frames));
	} else {
		cr_assert(qr_run_free(owner->page));
		cr_assert_not(qr_run_free(owner->page));
	}
	owner->page = NULL;
}

static void shrink(struct owner *owner)
{
	size_t n = 1 + draw_below_(owner->nr_frames);

	disown(owner, n, owner->nr_frames - n);
	qr_run_shrink(owner->page, n);
	owner->nr_frames = n;
}

static bool nobody_owns(size_t at, size_t n)
{
	size_t frontier = twin.zone->frontier - twin.zone->start;

	if (at + n > frontier)
		return false;
	while (n && !twin.frames[at]) {
		at++;
		n--;
	}
	return !n;
}

static void extend(struct owner *owner)
{
	size_t n = owner->nr_frames + 1 + draw_below_(40), more;
	bool free_behind;

	if (n > QR_MAX_BLOCK_FRAMES)
		return;
	more = n - owner->nr_frames;
	if (draw_below_(2))
		qr_pcps_drain();
	free_behind = nobody_owns(index_of(owner) + owner->nr_frames, more);
	if (qr_run_extend(owner->page, n)) {
		own(owner, owner->nr_frames, more);
		owner->nr_frames = n;
		twin.nr_extended++;
	} else {
		cr_assert(!free_behind || qr_pcps_count());
	}
	cr_assert_eq(owner->page->nr_pages, owner->nr_frames);
}

static void give_back(void)
{
	size_t keep = draw_below_(2) ? 0 : draw_below_(4 * MIB);

	switch (draw_below_(3)) {
	case 0:
		twin.nr_purged += qr_nodes_trim(keep) != 0;
		break;
	case 1:
		twin.nr_purged +=
			qr_zone_purge(twin.zone, keep >> QR_FRAME_SHIFT) != 0;
		break;
	default:
		qr_pcps_drain();
	}
}

static void step(void)
{
	struct owner *owner = &twin.owners[draw_below_(MAX_OWNERS)];
	size_t what = draw_below_(100);

	if (what == 0) {
		give_back();
	} else if (!owner->page) {
		if (what < 50)
			alloc_run(owner);
		else
			alloc_block(owner);
	} else if (owner->is_block || what < 60) {
		release(owner);
	} else if (what < 75) {
		shrink(owner);
	} else {
		extend(owner);
	}
}

static void check(unsigned nr)
{
	const char *wrong = qr_zone_check(twin.zone);

	cr_assert_null(wrong, "step %u: %s", nr, wrong ? wrong : "");
	cr_assert_eq(frames_in_use(), twin.nr_owned + qr_pcps_count(),
		     "step %u", nr);
}

Test(buddy, pages_are_as_an_array_of_owners_has_them)
{
	twin.draw = draw_init("buddy");
	twin.zone = arena_init(SPAN_MIB * MIB);
	qr_zone_set_watermarks(twin.zone, 1500, SIZE_MAX);
	for (unsigned i = 0; i < STEPS; i++) {
		struct owner *owner = &twin.owners[i % MAX_OWNERS];
		bool ebb = i / 5000 % 2 == 0;

		step();
		if (ebb && owner->page && i % 2)
			release(owner);
		check(i);
	}
	fprintf(stderr,
		"full %u times, clean %u, grown in place %u, purged %u, taken "
		"from the other type %llu\n",
		twin.nr_full, twin.nr_clean, twin.nr_extended, twin.nr_purged,
		(unsigned long long)twin.zone->counters.fallbacks);
	cr_assert_gt(twin.nr_full, 50);
	cr_assert_gt(twin.nr_clean, 50);
	cr_assert_gt(twin.nr_extended, 50);
	cr_assert_gt(twin.nr_purged, 50);
	cr_assert_gt(twin.zone->counters.fallbacks, 50);
	for (size_t i = 0; i < MAX_OWNERS; i++) {
		if (twin.owners[i].page)
			release(&twin.owners[i]);
	}
	qr_nodes_trim(0);
	check(STEPS);
	cr_assert_eq(frames_in_use(), 0);
	cr_assert_eq(twin.zone->frontier, twin.zone->start);
}
