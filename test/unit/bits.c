#include "base/bits.h"

#include <criterion/criterion.h>

Test(bits, the_lowest_and_the_highest_bit_are_found)
{
	for (unsigned low = 0; low < 64; low++) {
		for (unsigned high = low; high < 64; high++) {
			uint64_t x = UINT64_C(1) << low | UINT64_C(1) << high;

			cr_assert_eq(qr_ctz(x), low);
			cr_assert_eq(qr_fls(x), high);
			cr_assert_eq(qr_popcount(x), low == high ? 1 : 2);
		}
	}
	cr_assert_eq(qr_popcount(0), 0);
	cr_assert_eq(qr_popcount(UINT64_MAX), 64);
}

Test(bits, zero_and_sums_of_powers_are_no_power_of_two)
{
	cr_assert_not(qr_is_pow2(0));
	for (unsigned i = 0; i < 64; i++) {
		cr_assert(qr_is_pow2(UINT64_C(1) << i));
		for (unsigned j = 0; j < i; j++)
			cr_assert_not(qr_is_pow2(UINT64_C(1) << i |
						 UINT64_C(1) << j));
	}
}

Test(bits, the_order_is_the_smallest_that_holds_the_number)
{
	cr_assert_eq(qr_order_up(0), 0);
	cr_assert_eq(qr_order_up(1), 0);
	cr_assert_eq(qr_order_up(2), 1);
	cr_assert_eq(qr_order_up(3), 2);
	for (unsigned order = 1; order < 64; order++) {
		uint64_t full = UINT64_C(1) << order;

		cr_assert_eq(qr_order_up(full), order);
		cr_assert_eq(qr_order_up(full / 2 + 1), order);
	}
	cr_assert_eq(qr_order_up(UINT64_MAX), 64);
}

Test(bits, rounding_gives_the_nearest_multiple_of_its_side)
{
	for (uint64_t align = 1; align <= 64; align *= 2) {
		for (uint64_t x = 0; x < 200; x++) {
			uint64_t up = qr_round_up(x, align);
			uint64_t down = qr_round_down(x, align);

			cr_assert_eq(up % align, 0);
			cr_assert_eq(down % align, 0);
			cr_assert(up >= x && up - x < align);
			cr_assert(down <= x && x - down < align);
		}
	}
}

Test(bits, a_sum_that_would_overflow_is_not_ok_to_round_up)
{
	for (unsigned i = 0; i < 64; i++) {
		uint64_t align = UINT64_C(1) << i;
		uint64_t last = UINT64_MAX - (align - 1);

		cr_assert(qr_round_up_ok(0, align));
		cr_assert(qr_round_up_ok(last, align));
		cr_assert_eq(qr_round_up(last, align), last);
		cr_assert_eq(qr_round_up_ok(UINT64_MAX, align), i == 0);
		if (i)
			cr_assert_not(qr_round_up_ok(last + 1, align));
	}
}

Test(bits, min_max_and_clamp_are_unsigned_and_64_bits_wide)
{
	cr_assert_eq(qr_min(1, UINT64_MAX), 1);
	cr_assert_eq(qr_min(UINT64_MAX, 1), 1);
	cr_assert_eq(qr_max(1, UINT64_MAX), UINT64_MAX);
	cr_assert_eq(qr_max(UINT64_C(1) << 32, 1), UINT64_C(1) << 32);
	cr_assert_eq(qr_clamp(5, 10, 20), 10);
	cr_assert_eq(qr_clamp(15, 10, 20), 15);
	cr_assert_eq(qr_clamp(25, 10, 20), 20);
}

Test(bits, a_range_of_bits_has_these_bits_and_no_other)
{
	for (unsigned from = 0; from < 64; from++) {
		for (unsigned n = 0; from + n <= 64; n++) {
			uint64_t expected = 0;

			for (unsigned i = from; i < from + n; i++)
				expected |= UINT64_C(1) << i;
			cr_assert_eq(qr_bit_range(from, n), expected,
				     "from %u, %u bits", from, n);
		}
	}
}
