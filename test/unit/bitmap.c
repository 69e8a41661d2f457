#include "base/bitmap.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BITS = 200, WORDS = QR_BITMAP_WORDS(BITS) };

static uint64_t map[WORDS];

/* The naive twin: a bool per bit. */
static bool twin[WORDS * 64];

static void assert_same(void)
{
	for (size_t i = 0; i < WORDS * 64; i++)
		cr_assert_eq(qr_bitmap_test(map, i), twin[i], "bit %zu", i);
}

static size_t twin_count(size_t bit, size_t n)
{
	size_t sum = 0;

	for (size_t i = bit; i < bit + n; i++)
		sum += twin[i];
	return sum;
}

Test(bitmap, as_many_words_as_hold_the_bits)
{
	cr_assert_eq(QR_BITMAP_WORDS(0), 0);
	cr_assert_eq(QR_BITMAP_WORDS(1), 1);
	cr_assert_eq(QR_BITMAP_WORDS(64), 1);
	cr_assert_eq(QR_BITMAP_WORDS(65), 2);
}

Test(bitmap, every_range_is_set_and_cleared_alone)
{
	for (size_t bit = 0; bit < BITS; bit++) {
		for (size_t n = 0; bit + n <= BITS; n++) {
			memset(map, 0, sizeof(map));
			qr_bitmap_set_range(map, bit, n);
			cr_assert_eq(qr_bitmap_count_range(map, 0, BITS), n);
			cr_assert_eq(qr_bitmap_count_range(map, bit, n), n);

			memset(map, 0xff, sizeof(map));
			qr_bitmap_clear_range(map, bit, n);
			cr_assert_eq(qr_bitmap_count_range(map, 0, BITS),
				     BITS - n);
			cr_assert_eq(qr_bitmap_count_range(map, bit, n), 0);
		}
	}
}

Test(bitmap, an_empty_range_holds_nothing_wherever_it_lies)
{
	memset(map, 0xff, sizeof(map));
	for (size_t bit = 0; bit <= BITS; bit++) {
		cr_assert_eq(qr_bitmap_count_range(map, bit, 0), 0);
	}
}

Test(bitmap, it_does_what_an_array_of_bools_does)
{
	const char *given = getenv("QUARRY_TEST_SEED");
	unsigned seed = given ? (unsigned)strtoul(given, NULL, 0) : 1;

	fprintf(stderr, "bitmap: QUARRY_TEST_SEED=%u\n", seed);
	for (int step = 0; step < 20000; step++) {
		size_t bit = (size_t)rand_r(&seed) % (BITS + 1);
		size_t n = (size_t)rand_r(&seed) % (BITS - bit + 1);
		bool set = rand_r(&seed) & 1;

		cr_assert_eq(qr_bitmap_count_range(map, bit, n),
			     twin_count(bit, n));
		if (set)
			qr_bitmap_set_range(map, bit, n);
		else
			qr_bitmap_clear_range(map, bit, n);
		memset(twin + bit, set, n);
		if (step % 64 == 0)
			assert_same();
	}
	assert_same();
}
