/*
 * Alignments: every power of two to 1 GiB is honoured by every function that
 * takes one, at sizes below, at and above it; what is not a power of two is
 * refused as the standard says.
 */
#include "check.h"

static void check_one(void *ptr, size_t align, size_t size)
{
	CHECK(ptr);
	CHECK(((uintptr_t)ptr & (align - 1)) == 0);
	CHECK(malloc_usable_size(ptr) >= size);
	if (size)
		sign(ptr, size, align);
}

static void check_power(size_t align)
{
	const size_t sizes[] = {0, 1, 100, align / 2 + 1, align, align + 1};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		size_t size = sizes[i];
		void *p[4];

		CHECK(p[0] = memalign(align, size));
		check_one(p[0], align, size);
		check_one(p[1] = aligned_alloc(align, size), align, size);
		if (align >= sizeof(void *)) {
			CHECK(!posix_memalign(&p[2], align, size));
			check_one(p[2], align, size);
		} else {
			CHECK(posix_memalign(&p[2], align, size) == EINVAL);
			p[2] = NULL;
		}
		/* a neighbour that starts anywhere does not overlap */
		p[3] = malloc(size + 1);
		CHECK(p[3]);
		sign(p[3], size + 1, 3);
		for (int k = 0; k < 3; k++) {
			if (p[k] && size)
				CHECK(is_signed(p[k], size, align));
			free(p[k]);
		}
		CHECK(is_signed(p[3], size + 1, 3));
		free(p[3]);
	}
}

static void check_not_powers(void)
{
	static const size_t bad[] = {
		0,  3,	 5,    6,    7,	   9,	 12,	   24,		33,
		48, 100, 1000, 4095, 4097, 6000, SIZE_MAX, SIZE_MAX - 7};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		void *p = &p, *before = p;
		size_t align = (size_t)(uintptr_t)opaque(as_pointer(bad[i]));

		CHECK(posix_memalign(&p, align, 100) == EINVAL);
		CHECK(p == before);
	}
}

/* Many of them at once, freed out of order. */
static void check_many(void)
{
	enum { COUNT = 3000 };
	static void *p[COUNT];
	static size_t size[COUNT];
	uint64_t state = seed();

	for (size_t round = 0; round < 3; round++) {
		for (size_t i = 0; i < COUNT; i++) {
			size_t align = (size_t)1 << (4 + draw(&state) % 13);

			size[i] = draw_size(&state, 15);
			CHECK(!posix_memalign(&p[i], align, size[i]));
			CHECK(((uintptr_t)p[i] & (align - 1)) == 0);
			sign(p[i], size[i], i);
		}
		for (size_t k = 0; k < COUNT; k++) {
			size_t i = k * 1009 % COUNT;

			CHECK(is_signed(p[i], size[i], i));
			free(p[i]);
		}
	}
}

int main(void)
{
	check_library();
	for (size_t align = 1; align <= GIB; align <<= 1)
		check_power(align);
	check_not_powers();
	check_many();
	return 0;
}
