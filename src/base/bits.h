/*
 * Bit tricks and rounding.  Everything here is pure.
 */
#ifndef QR_BASE_BITS_H
#define QR_BASE_BITS_H

#include "base/compiler.h"

#include <stdbool.h>
#include <stdint.h>

/* Index of the lowest, of the highest set bit; @x must not be 0. */
QR_INLINE unsigned qr_ctz(uint64_t x)
{
	return (unsigned)__builtin_ctzll(x);
}

QR_INLINE unsigned qr_fls(uint64_t x)
{
	return 63u - (unsigned)__builtin_clzll(x);
}

QR_INLINE unsigned qr_popcount(uint64_t x)
{
	return (unsigned)__builtin_popcountll(x);
}

QR_INLINE bool qr_is_pow2(uint64_t x)
{
	return x && !(x & (x - 1));
}

/* Smallest order with (1 << order) >= @x; 0 for 0 and 1. */
QR_INLINE unsigned qr_order_up(uint64_t x)
{
	return x <= 1 ? 0 : qr_fls(x - 1) + 1;
}

/* @align is a power of two. The sum must not overflow: see qr_round_up_ok. */
QR_INLINE uint64_t qr_round_up(uint64_t x, uint64_t align)
{
	return (x + align - 1) & ~(align - 1);
}

QR_INLINE uint64_t qr_round_down(uint64_t x, uint64_t align)
{
	return x & ~(align - 1);
}

QR_INLINE bool qr_round_up_ok(uint64_t x, uint64_t align)
{
	return x <= UINT64_MAX - (align - 1);
}

QR_INLINE uint64_t qr_min(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

QR_INLINE uint64_t qr_max(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

QR_INLINE uint64_t qr_clamp(uint64_t x, uint64_t low, uint64_t high)
{
	return qr_min(qr_max(x, low), high);
}

/* A mask of bits [@from, @from + @n) of a word; @from + @n <= 64. */
QR_INLINE uint64_t qr_bit_range(unsigned from, unsigned n)
{
	return n == 64 ? ~UINT64_C(0) : ((UINT64_C(1) << n) - 1) << from;
}

#endif
