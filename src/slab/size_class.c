#include "slab/size_class.h"

uint8_t qr_number_table[QR_NR_SIZES];

void qr_size_class_init(void)
{
	unsigned class = 1;

	for (size_t i = 0; i < QR_NR_SIZES; i++) {
		if (((i + 1) << QR_SIZE_SHIFT) > qr_class_size(class))
			class++;
		qr_number_table[i] = (uint8_t)(2 * class);
	}
}

unsigned qr_class_of_aligned(size_t size, size_t align)
{
	unsigned class;

	if (size > QR_MAX_CLASS_SIZE)
		return 0;
	/* objects lie at multiples of their size from a frame's start */
	for (class = qr_class_of(size); class <= QR_NR_CLASSES; class++) {
		if (!(qr_class_size(class) & (align - 1)))
			return class;
	}
	return 0;
}
