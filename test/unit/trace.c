#include "../../bench/trace/format.h"
#include "../../bench/trace/map.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#define EVENTS 5000
#define KEYS 100000

static uint64_t state;

/* Seeded by QUARRY_TEST_SEED, or always the same, and printed. */
static void seed(void)
{
	const char *given = getenv("QUARRY_TEST_SEED");

	state = given ? strtoull(given, NULL, 0) : 1;
	fprintf(stderr, "QUARRY_TEST_SEED=%llu\n", (unsigned long long)state);
}

static uint64_t draw(void)
{
	uint64_t z = (state += 0x9e3779b97f4a7c15u);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

/* Any number of bits is as likely as any other. */
static uint64_t draw_wide(void)
{
	return draw() >> (draw() % 64);
}

static struct format_event draw_event(const struct format_stream *s)
{
	struct format_event e = {
		.kind = (enum format_kind)(draw() % FORMAT_KINDS)};

	/* An object of one's own has to be there before it can go. */
	if ((e.kind == FORMAT_FREE || e.kind == FORMAT_RESIZE) &&
	    !s->next_number)
		e.kind = FORMAT_MALLOC;
	switch (e.kind) {
	case FORMAT_ALIGNED:
		e.align_log2 = (uint32_t)(draw() % 64);
		e.size = draw_wide();
		break;
	case FORMAT_FREE:
		e.number = s->next_number - 1 - draw() % s->next_number;
		break;
	case FORMAT_RESIZE:
		e.number = s->next_number - 1 - draw() % s->next_number;
		e.size = draw_wide();
		break;
	case FORMAT_FREE_AT:
	case FORMAT_SPAWN:
	case FORMAT_JOIN:
		e.thread = (uint32_t)draw_wide();
		if (e.kind == FORMAT_FREE_AT)
			e.number = draw_wide();
		break;
	case FORMAT_RESIZE_AT:
		e.thread = (uint32_t)draw_wide();
		e.number = draw_wide();
		e.size = draw_wide();
		break;
	case FORMAT_MARK:
		e.sequence = draw_wide();
		e.us = draw_wide();
		break;
	case FORMAT_MALLOC:
	case FORMAT_CALLOC:
		e.size = draw() % 2 ? draw_wide() : draw() % 32 * 16;
		break;
	default:
		break;
	}
	return e;
}

static void expect_same(const struct format_event *a,
			const struct format_event *b, size_t i)
{
	cr_assert_eq(a->kind, b->kind, "event %zu", i);
	cr_assert_eq(a->thread, b->thread, "event %zu", i);
	cr_assert_eq(a->number, b->number, "event %zu", i);
	cr_assert_eq(a->size, b->size, "event %zu", i);
	cr_assert_eq(a->align_log2, b->align_log2, "event %zu", i);
}

Test(trace, every_event_comes_back_as_it_was_written)
{
	static uint8_t bytes[EVENTS * FORMAT_EVENT_MAX];
	static struct format_event written[EVENTS];
	struct format_stream out = {0}, in = {0};
	uint8_t *end = bytes;
	const uint8_t *at = bytes;

	seed();
	for (size_t i = 0; i < EVENTS; i++) {
		uint8_t *start = end;

		written[i] = draw_event(&out);
		end = format_encode(&out, end, &written[i]);
		cr_assert_leq(end - start, (ptrdiff_t)FORMAT_EVENT_MAX);
	}
	for (size_t i = 0; i < EVENTS; i++) {
		struct format_event e;

		at = format_decode(&in, at, end, &e);
		cr_assert(at, "event %zu", i);
		expect_same(&e, &written[i], i);
	}
	cr_assert_eq(at, end);
	cr_assert_eq(in.next_number, out.next_number);
}

Test(trace, common_events_take_one_byte)
{
	struct format_stream s = {0};
	uint8_t bytes[FORMAT_EVENT_MAX];

	for (uint64_t size = 16; size <= 240; size += 16)
		cr_assert_eq(format_encode(&s, bytes,
					   &(struct format_event){
						   .kind = FORMAT_MALLOC,
						   .size = size}) -
				     bytes,
			     1);
	for (uint64_t back = 1; back <= 15; back++)
		cr_assert_eq(
			format_encode(&s, bytes,
				      &(struct format_event){
					      .kind = FORMAT_FREE,
					      .number = s.next_number - back}) -
				bytes,
			1);
}

/* Bytes that end where the next page cannot be read. */
static uint8_t *before_a_wall(size_t length)
{
	uint8_t *p = mmap(NULL, 8192, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	cr_assert_neq(p, MAP_FAILED);
	cr_assert_eq(mprotect(p + 4096, 4096, PROT_NONE), 0);
	return p + 4096 - length;
}

Test(trace, an_event_cut_short_is_refused_and_nothing_behind_it_read)
{
	seed();
	for (int round = 0; round < 300; round++) {
		struct format_stream out = {.next_number = draw() % 1000};
		struct format_event e = draw_event(&out), got;
		uint8_t whole[FORMAT_EVENT_MAX];
		struct format_stream in = out, kept = in;
		size_t length =
			(size_t)(format_encode(&out, whole, &e) - whole);

		for (size_t cut = 0; cut < length; cut++) {
			uint8_t *p = before_a_wall(cut);

			memcpy(p, whole, cut);
			cr_assert_null(format_decode(&in, p, p + cut, &got));
			cr_assert_eq(in.next_number, kept.next_number);
			munmap(p + cut - 4096, 8192);
		}
	}
}

Test(trace, arbitrary_bytes_never_name_an_object_of_ones_own_that_cannot_be)
{
	uint8_t *bytes = before_a_wall(256);

	seed();
	for (int round = 0; round < 20000; round++) {
		struct format_stream s = {.next_number = draw() % 4};
		const uint8_t *at = bytes, *end = bytes + 256;
		struct format_event e;

		for (size_t i = 0; i < 256; i++)
			bytes[i] = (uint8_t)draw();
		for (;;) {
			uint64_t made = s.next_number;

			at = format_decode(&s, at, end, &e);
			if (!at)
				break;
			if (e.kind == FORMAT_FREE || e.kind == FORMAT_RESIZE)
				cr_assert_lt(e.number, made);
			cr_assert_lt(e.kind, FORMAT_KINDS);
			cr_assert_leq(at, end);
		}
	}
}

Test(trace, a_number_of_more_than_64_bits_is_refused)
{
	uint8_t bytes[16];
	uint64_t value = 0;

	cr_assert_eq(format_put_varint(bytes, UINT64_MAX) - bytes, 10);
	cr_assert(format_get_varint(bytes, bytes + 10, &value));
	cr_assert_eq(value, UINT64_MAX);
	bytes[9] = 2;
	cr_assert_null(format_get_varint(bytes, bytes + 10, &value));
	memset(bytes, 0x80, sizeof(bytes));
	cr_assert_null(format_get_varint(bytes, bytes + 16, &value));
}

Test(trace, a_chunk_must_lie_within_the_file_and_hold_what_it_says)
{
	static uint32_t words[(FORMAT_HEADER_BYTES + FORMAT_CHUNK_MIN) / 4];
	uint8_t *file = (uint8_t *)words;
	struct format_chunk *c = (void *)(file + FORMAT_HEADER_BYTES);
	size_t next = 0, length = sizeof(words);

	*c = (struct format_chunk){.magic = FORMAT_CHUNK_MAGIC,
				   .bytes = FORMAT_CHUNK_MIN,
				   .used = 100};
	cr_assert_eq(format_chunk_at(file, length, FORMAT_HEADER_BYTES, &next),
		     c);
	cr_assert_eq(next, length);
	cr_assert_null(format_chunk_at(file, length, length, &next));
	/* Cut within the used part: refused; after it: still good. */
	cr_assert_null(format_chunk_at(file, FORMAT_HEADER_BYTES + 115,
				       FORMAT_HEADER_BYTES, &next));
	cr_assert(format_chunk_at(file, FORMAT_HEADER_BYTES + 116,
				  FORMAT_HEADER_BYTES, &next));
	c->used = FORMAT_CHUNK_MIN - sizeof(*c) + 1;
	cr_assert_null(
		format_chunk_at(file, length, FORMAT_HEADER_BYTES, &next));
	c->used = 0;
	c->bytes = FORMAT_CHUNK_MIN + 1;
	cr_assert_null(
		format_chunk_at(file, length, FORMAT_HEADER_BYTES, &next));
	c->bytes = FORMAT_CHUNK_MAX * 2;
	cr_assert_null(
		format_chunk_at(file, length, FORMAT_HEADER_BYTES, &next));
	c->bytes = FORMAT_CHUNK_MIN;
	c->magic = 0;
	cr_assert_null(
		format_chunk_at(file, length, FORMAT_HEADER_BYTES, &next));
}

Test(trace, the_map_of_addresses_agrees_with_a_plain_array)
{
	static struct map m;
	static uint64_t twin[KEYS];

	seed();
	for (uint64_t step = 1; step <= 800000; step++) {
		/* Waves, so that it grows and is emptied again. */
		bool filling = step / 200000 % 2 == 0;
		size_t i = draw() % KEYS;
		struct map_entry e = {.key = (i + 1) * 16,
				      .number = step,
				      .thread = (uint32_t)i};
		struct map_entry got;

		if (draw() % 4 < (filling ? 3u : 1u)) {
			cr_assert(map_put(&m, &e));
			twin[i] = step;
		} else {
			bool found = map_take(&m, e.key, &got);

			cr_assert_eq(found, twin[i] != 0);
			if (found) {
				cr_assert_eq(got.number, twin[i]);
				cr_assert_eq(got.thread, i);
				cr_assert_eq(got.key, e.key);
			}
			twin[i] = 0;
		}
	}
	map_reset(&m);
	for (size_t i = 0; i < KEYS; i++) {
		struct map_entry got;

		cr_assert_not(map_take(&m, (i + 1) * 16, &got));
	}
}
