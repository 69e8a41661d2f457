#include "arena.h"

#include "sys/map.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>

static struct qr_span *reserve(size_t size, unsigned nr_nodes, bool extended)
{
	struct qr_span *span;

	qr_lock_acquire(&qr_span_lock);
	span = qr_span_reserve(size, nr_nodes, extended);
	if (span)
		qr_span_publish();
	qr_lock_release(&qr_span_lock);
	return span;
}

static int use(struct qr_span *span, size_t from, size_t to)
{
	int rc;

	qr_lock_acquire(&qr_span_lock);
	rc = qr_span_describe(span, from, to);
	if (!rc)
		rc = qr_span_commit(span, from, to);
	qr_lock_release(&qr_span_lock);
	return rc;
}

Test(span, an_address_is_found_in_the_span_that_holds_it)
{
	struct qr_span *a = reserve(64 * MIB, 1, false);
	struct qr_span *b = reserve(16 * MIB, 1, false);

	cr_assert(a && b);
	cr_assert_eq(qr_span_find(a->base), a);
	cr_assert_eq(qr_span_find(a->base + 64 * MIB - 1), a);
	cr_assert_eq(qr_span_find(b->base), b);
	cr_assert_eq(qr_span_find(b->base + 16 * MIB - 1), b);
	cr_assert_neq(qr_span_find(b->base + 16 * MIB), b);
	cr_assert_null(qr_span_find(0));
	cr_assert_null(qr_span_find((uintptr_t)&a));
	cr_assert_null(qr_span_find(UINTPTR_MAX));
}

Test(span, a_span_that_is_not_published_is_not_found)
{
	struct qr_span *span;

	qr_lock_acquire(&qr_span_lock);
	span = qr_span_reserve(64 * MIB, 1, false);
	qr_lock_release(&qr_span_lock);
	cr_assert_null(qr_span_find(span->base));
}

/* |frame bytes|pageblocks|mem_map|frames: none reaches into the next. */
static void check_layout(const struct qr_span *span)
{
	size_t first = span->first_frame, last = span->nr_frames - 1;
	uintptr_t bytes_end = (uintptr_t)&span->frame_bytes[last] + 1;
	uintptr_t blocks = (uintptr_t)qr_span_pageblock(span, last);
	uintptr_t blocks_end = (uintptr_t)(qr_span_pageblock(span, first) + 1);
	uintptr_t map = (uintptr_t)&span->mem_map[first];
	uintptr_t map_end = (uintptr_t)&span->mem_map[last + 1];

	cr_assert_eq(span->base % QR_MAX_BLOCK_SIZE, 0);
	cr_assert_eq(first % QR_MAX_BLOCK_FRAMES, 0);
	cr_assert_eq((uintptr_t)span->frame_bytes, span->base);
	cr_assert_leq(bytes_end, blocks);
	cr_assert_eq(blocks_end, map);
	cr_assert_leq(map_end, qr_span_addr(span, first));
	cr_assert_eq(qr_span_frame(span, qr_span_addr(span, first)), first);
}

Test(span, the_metadata_of_any_size_lies_in_order_before_the_frames)
{
	static const size_t mib[] = {8,	   12,	  20,	  64,	   252,
				     1020, 65536, 262144, 4194304, 33554432};

	need_cheap_addresses();
	for (size_t i = 0; i < sizeof(mib) / sizeof(mib[0]); i++) {
		struct qr_span *span = reserve(mib[i] * MIB, 1, false);

		cr_assert(span, "%zu MiB", mib[i]);
		check_layout(span);
	}
}

static sigjmp_buf unreadable;

static void on_fault(int sig)
{
	(void)sig;
	siglongjmp(unreadable, 1);
}

static bool readable(const void *addr)
{
	if (sigsetjmp(unreadable, 1))
		return false;
	(void)*(const volatile char *)addr;
	return true;
}

Test(span, every_frame_byte_reads_as_zero_and_no_frame_can_be_touched)
{
	struct qr_span *span = reserve(1024 * MIB, 1, false);

	signal(SIGSEGV, on_fault);
	for (size_t f = 0; f < span->nr_frames; f += 4099)
		cr_assert_eq(span->frame_bytes[f], QR_FRAME_NONE);
	cr_assert_not(readable((void *)qr_span_addr(span, span->first_frame)));
	cr_assert_not(readable(&span->mem_map[span->first_frame]));
}

Test(span, what_is_committed_can_be_used_and_what_follows_cannot)
{
	struct qr_span *span = reserve(256 * MIB, 1, false);
	size_t first = span->first_frame;
	char *frame = (char *)qr_span_addr(span, first);

	signal(SIGSEGV, on_fault);
	cr_assert_eq(use(span, first, first + QR_STEP_FRAMES), 0);
	memset(frame, 1, (size_t)QR_STEP_FRAMES << QR_FRAME_SHIFT);
	for (size_t i = 0; i < QR_STEP_FRAMES; i++) {
		span->mem_map[first + i].order = 1;
		span->frame_bytes[first + i] = QR_FRAME_RUN;
	}
	qr_span_set_resident(span, first, QR_STEP_FRAMES);
	cr_assert_not(
		readable(frame + ((size_t)QR_STEP_FRAMES << QR_FRAME_SHIFT)));
	cr_assert_eq(use(span, first + QR_STEP_FRAMES, first + 4096), 0);
	frame[4095 * (size_t)QR_FRAME_SIZE] = 1;
}

/*
 * An extended span whose first @frames are in use: what the process maps
 * meanwhile may lie there, as it may in earnest; then the next one.
 */
static struct qr_span *reserve_extended(size_t size, size_t frames)
{
	struct qr_span *span;
	int rc = -1;

	for (int i = 0; rc && i < 8; i++) {
		span = reserve(size, 1, true);
		cr_assert(span && span->extended);
		rc = use(span, span->first_frame, span->first_frame + frames);
	}
	cr_assert_eq(rc, 0);
	return span;
}

/* Any place that the kernel chooses lies above an extended span's frames. */
Test(span, an_extended_span_costs_the_addresses_of_its_metadata)
{
	struct qr_span *span;
	size_t before, cost, first;

	need_cheap_addresses();
	before = proc_bytes("/proc/self/status", "VmSize:");
	span = reserve(256 * MIB, 1, true);
	cost = proc_bytes("/proc/self/status", "VmSize:") - before;
	cr_assert(span && span->extended);
	check_layout(span);
	cr_assert_leq(cost, 256 * MIB / 60);
	span = reserve_extended(256 * MIB, 4096);
	first = span->first_frame;
	memset((void *)qr_span_addr(span, first), 1, 16 * MIB);
}

/* Though the kernel would have had the addresses free. */
Test(span, extended_spans_have_addresses_of_their_own)
{
	struct qr_span *spans[3];

	need_cheap_addresses();
	for (int i = 0; i < 3; i++) {
		spans[i] = reserve(64 * MIB, 2, true);
		cr_assert(spans[i] && spans[i]->extended);
		/* the next one is offered another place, not far from it */
		for (int k = 0; k < 16; k++)
			cr_assert(qr_map_reserve(MIB, qr_page_size()));
		for (int k = 0; k < i; k++)
			cr_assert(spans[i]->base + 64 * MIB <= spans[k]->base ||
				  spans[k]->base + 64 * MIB <= spans[i]->base);
	}
}

Test(span, frames_of_an_extended_span_that_somebody_else_took_are_refused)
{
	struct qr_span *span = reserve_extended(64 * MIB, 512);
	size_t first = span->first_frame;
	void *at = (void *)qr_span_addr(span, first + 512);

	cr_assert_eq(mmap(at, 4096, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0),
		     at);
	cr_assert_eq(use(span, first + 512, first + 1024), -EEXIST);
}

Test(span, a_size_that_is_not_to_be_had_is_halved)
{
	struct qr_span *span;

	need_cheap_addresses();
	span = reserve(SIZE_MAX, 1, false);
	cr_assert(span);
	cr_assert_geq(span->nr_frames, (size_t)1 << 20);
	cr_assert_null(reserve(4 * MIB, 1, false), "less than any use");
	cr_assert_null(reserve(16 * MIB, 3, false), "less than 8 MiB a node");
}

Test(span, there_are_no_more_spans_than_the_table_holds)
{
	for (int i = 0; i < QR_MAX_SPANS; i++)
		cr_assert(reserve(8 * MIB, 1, false));
	cr_assert_null(reserve(8 * MIB, 1, false));
}

Test(span, resident_frames_are_counted_across_pageblocks)
{
	struct qr_span *span = reserve(64 * MIB, 1, false);
	size_t first = span->first_frame;
	struct draw draw = draw_init("resident_frames");
	static bool twin[2048];

	cr_assert_eq(use(span, first, first + 2048), 0);
	for (int step = 0; step < 20000; step++) {
		size_t at = draw_below(&draw, 2048);
		size_t n = 1 + draw_below(&draw, 2048 - at), count = 0;
		bool set = draw_below(&draw, 2);

		if (set)
			qr_span_set_resident(span, first + at, n);
		else
			qr_span_clear_resident(span, first + at, n);
		memset(twin + at, set, n);
		at = draw_below(&draw, 2048);
		n = draw_below(&draw, 2049 - at);
		for (size_t i = at; i < at + n; i++)
			count += twin[i];
		cr_assert_eq(qr_span_count_resident(span, first + at, n), count,
			     "step %d: [%zu, +%zu)", step, at, n);
	}
}
