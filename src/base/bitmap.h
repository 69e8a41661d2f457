/*
 * Bitmaps over plain words, in ranges.  The caller brings the locking.
 */
#ifndef QR_BASE_BITMAP_H
#define QR_BASE_BITMAP_H

#include "base/bits.h"

#define QR_BITMAP_WORDS(bits) (((bits) + 63) / 64)

QR_INLINE bool qr_bitmap_test(const uint64_t *map, size_t bit)
{
	return map[bit / 64] >> (bit % 64) & 1;
}

/* How many bits of the word that holds @bit belong to [@bit, @end). */
QR_INLINE unsigned qr_bitmap_step(size_t bit, size_t end)
{
	return (unsigned)qr_min(64 - bit % 64, end - bit);
}

QR_INLINE void qr_bitmap_set_range(uint64_t *map, size_t bit, size_t n)
{
	for (size_t end = bit + n, step; bit < end; bit += step) {
		step = qr_bitmap_step(bit, end);
		map[bit / 64] |= qr_bit_range(bit % 64, (unsigned)step);
	}
}

QR_INLINE void qr_bitmap_clear_range(uint64_t *map, size_t bit, size_t n)
{
	for (size_t end = bit + n, step; bit < end; bit += step) {
		step = qr_bitmap_step(bit, end);
		map[bit / 64] &= ~qr_bit_range(bit % 64, (unsigned)step);
	}
}

QR_INLINE size_t qr_bitmap_count_range(const uint64_t *map, size_t bit,
				       size_t n)
{
	size_t sum = 0;

	for (size_t end = bit + n, step; bit < end; bit += step) {
		step = qr_bitmap_step(bit, end);
		sum += qr_popcount(map[bit / 64] &
				   qr_bit_range(bit % 64, (unsigned)step));
	}
	return sum;
}

#endif
