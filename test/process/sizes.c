/*
 * Requests that nobody can serve, up to SIZE_MAX and past it: NULL with
 * ENOMEM, the object that was to grow is as it was.
 */
#include "check.h"

/* The compiler must not know better. */
static volatile size_t zero;

static const size_t impossible[] = {
	SIZE_MAX,	  SIZE_MAX - 1,	   SIZE_MAX - 15,
	SIZE_MAX - 16,	  SIZE_MAX - 4095, SIZE_MAX - 4096,
	SIZE_MAX - 65536, SIZE_MAX / 2,	   (size_t)PTRDIFF_MAX,
	(size_t)1 << 63,  SIZE_MAX / 4,	   (size_t)1 << 48,
	(size_t)1 << 57,
};

#define FOR_EACH_IMPOSSIBLE(size)                               \
	for (size_t i_ = 0, size = 0;                           \
	     i_ < sizeof(impossible) / sizeof(impossible[0]) && \
	     (size = impossible[i_] + zero, true);              \
	     i_++)

#define CHECK_REFUSED(call)             \
	do {                            \
		errno = 0;              \
		CHECK(!opaque(call));   \
		CHECK(errno == ENOMEM); \
	} while (0)

static void check_plain(void)
{
	FOR_EACH_IMPOSSIBLE(size)
	{
		char *p = malloc(100 + zero);

		CHECK(p);
		sign(p, 100, size);
		CHECK_REFUSED(malloc(size));
		CHECK_REFUSED(calloc(1, size));
		CHECK_REFUSED(calloc(size, 1));
		CHECK_REFUSED(valloc(size));
		CHECK_REFUSED(pvalloc(size));
		CHECK_REFUSED(realloc(NULL, size));
		CHECK_REFUSED(realloc(opaque(p), size));
		CHECK_REFUSED(reallocarray(opaque(p), 1, size));
		CHECK_REFUSED(reallocarray(opaque(p), size, 1));
		CHECK(is_signed(p, 100, size));
		free(p);
	}
}

static void check_products(void)
{
	static const size_t factors[][2] = {
		{SIZE_MAX, 2},
		{2, SIZE_MAX},
		{SIZE_MAX, SIZE_MAX},
		{(size_t)1 << 32, (size_t)1 << 32},
		{((size_t)1 << 32) + 1, (size_t)1 << 32},
		{SIZE_MAX / 16 + 1, 16},
		{24, SIZE_MAX / 24 + 1},
		{(size_t)1 << 63, 2},
		{65537, SIZE_MAX / 65536},
	};

	for (size_t i = 0; i < sizeof(factors) / sizeof(factors[0]); i++) {
		size_t a = factors[i][0] + zero, b = factors[i][1] + zero;
		char *p = malloc(16 + zero);

		CHECK(p);
		sign(p, 16, i);
		CHECK_REFUSED(calloc(a, b));
		CHECK_REFUSED(reallocarray(NULL, a, b));
		CHECK_REFUSED(reallocarray(opaque(p), a, b));
		CHECK(is_signed(p, 16, i));
		free(p);
	}
}

static void check_aligned(void)
{
	for (size_t align = 16; align <= GIB; align <<= 1) {
		FOR_EACH_IMPOSSIBLE(size)
		{
			void *p = &p, *before = p;

			CHECK_REFUSED(aligned_alloc(align, size));
			CHECK_REFUSED(memalign(align, size));
			CHECK(posix_memalign(&p, align, size) == ENOMEM);
			CHECK(p == before);
		}
	}
}

/* Whether these succeed is up to the machine; crash they may not. */
static void check_large(void)
{
	for (unsigned shift = 20; shift < 48; shift++) {
		size_t size = ((size_t)1 << shift) + zero;
		char *p;

		errno = 0;
		p = malloc(size);
		CHECK(p || errno == ENOMEM);
		if (p) {
			p[0] = p[size - 1] = 1;
			CHECK(malloc_usable_size(p) >= size);
		}
		free(p);
		p = aligned_alloc(size, size);
		CHECK(p || errno == ENOMEM || errno == EINVAL);
		CHECK(!((uintptr_t)p & (size - 1)));
		free(p);
	}
}

int main(void)
{
	check_library();
	check_plain();
	check_products();
	check_aligned();
	check_large();
	return 0;
}
