#include "slab/size_class.h"

#include <criterion/criterion.h>

Test(size_class, every_size_has_the_smallest_class_that_holds_it)
{
	qr_size_class_init();
	for (size_t size = 1; size <= QR_MAX_CLASS_SIZE; size++) {
		unsigned class = qr_class_of(size);

		cr_assert_geq(qr_class_size(class), size);
		if (class > 1)
			cr_assert_lt(qr_class_size(class - 1), size);
	}
	cr_assert_eq(qr_class_size(QR_NR_CLASSES), QR_MAX_CLASS_SIZE);
}

Test(size_class, waste_is_at_most_an_eighth_past_128_bytes)
{
	qr_size_class_init();
	for (size_t size = 1; size <= QR_MAX_CLASS_SIZE; size++) {
		size_t waste = qr_class_size(qr_class_of(size)) - size;

		if (size <= 128)
			cr_assert_lt(waste, 16);
		else
			cr_assert_leq(waste * 8, size);
	}
}

Test(size_class, an_aligned_class_is_a_multiple_of_the_alignment)
{
	qr_size_class_init();
	for (size_t align = 16; align <= 4096; align *= 2) {
		for (size_t size = 1; size <= QR_MAX_CLASS_SIZE; size += 7) {
			unsigned class = qr_class_of_aligned(size, align);

			cr_assert_neq(class, 0);
			cr_assert_geq(qr_class_size(class), size);
			cr_assert_eq(qr_class_size(class) % align, 0);
		}
	}
	cr_assert_eq(qr_class_of_aligned(QR_MAX_CLASS_SIZE + 1, 16), 0);
}
