/*
 * Size classes: which general cache serves a request.
 *
 *	class	1..8	16, 32, ... 128				steps of 16
 *		9..72	144, 160, ... 256, 288 ... 32768	8 a doubling
 *
 * So a request of more than 128 bytes wastes at most 12.5 %.  A table with a
 * byte for every 16 bytes of request answers in one load: twice the class,
 * which is the number of its cache.  It is filled at boot.
 */
#ifndef QR_SLAB_SIZE_CLASS_H
#define QR_SLAB_SIZE_CLASS_H

#include "base/bits.h"

enum {
	QR_NR_CLASSES = 72,		/* numbered from 1 */
	QR_MAX_CLASS_SIZE = 32768,
	QR_SIZE_SHIFT = 4,
	QR_NR_SIZES = QR_MAX_CLASS_SIZE >> QR_SIZE_SHIFT,
};

extern uint8_t qr_number_table[QR_NR_SIZES] QR_HIDDEN;

void qr_size_class_init(void);

/* Bytes of an object of @class. */
QR_INLINE size_t qr_class_size(unsigned class)
{
	unsigned step = class - 9;

	if (class <= 8)
		return (size_t)class << 4;
	return ((size_t)(step % 8 + 9) << 4) << step / 8;
}

/* The class that serves @size bytes, 1 <= @size <= QR_MAX_CLASS_SIZE. */
QR_INLINE unsigned qr_class_of(size_t size)
{
	return qr_number_table[(size - 1) >> QR_SIZE_SHIFT] / 2;
}

/*
 * The class that serves @size bytes at a multiple of @align (a power of two,
 * at most a frame), or 0: none does.
 */
unsigned qr_class_of_aligned(size_t size, size_t align);

#endif
