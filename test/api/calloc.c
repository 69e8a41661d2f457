/*
 * calloc: zeros, whatever the memory held before.
 */
#include "api.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <malloc.h>

static const size_t sizes[] = {
	1,	8,	 16,	     17,      100,	  128,
	129,	1000,	 1024,	     4095,    4096,	  4097,
	10000,	KiB(32), 32769,	     KiB(64), KiB(100),	  KiB(512),
	MiB(1), MiB(2),	 MiB(2) + 1, MiB(4),  MiB(4) + 1, MiB(9)};

static void dirty(size_t size)
{
	void *ptrs[8];

	for (size_t i = 0; i < NR(ptrs); i++) {
		ptrs[i] = malloc(size);
		cr_assert(ptrs[i]);
		memset(ptrs[i], 0xa5, malloc_usable_size(ptrs[i]));
	}
	for (size_t i = 0; i < NR(ptrs); i++)
		free(ptrs[i]);
}

Test(calloc, memory_used_before_comes_back_zeroed)
{
	for (size_t i = 0; i < NR(sizes); i++) {
		void *ptrs[12];

		dirty(sizes[i]);
		for (size_t k = 0; k < NR(ptrs); k++) {
			ptrs[k] = calloc(1, sizes[i]);
			cr_assert(ptrs[k]);
			cr_assert(all_bytes(ptrs[k], sizes[i], 0),
				  "calloc(1, %zu)", sizes[i]);
			memset(ptrs[k], 0x5a, sizes[i]);
		}
		for (size_t k = 0; k < NR(ptrs); k++)
			free(ptrs[k]);
	}
}

Test(calloc, memory_dirtied_at_another_size_comes_back_zeroed)
{
	uint64_t random = test_seed();

	for (unsigned i = 0; i < 1000; i++) {
		size_t before = random_size(&random, 21);
		size_t after = random_size(&random, 21);
		void *ptr = malloc(before);

		cr_assert(ptr);
		memset(ptr, 0xff, before);
		free(ptr);
		ptr = calloc(1, after);
		cr_assert(ptr);
		cr_assert(all_bytes(ptr, after, 0), "%zu bytes after %zu",
			  after, before);
		free(ptr);
	}
}

Test(calloc, memory_given_back_to_the_kernel_comes_back_zeroed)
{
	int (*trim)(size_t keep) = NULL;

	*(void **)&trim = find_function("malloc_trim");
	if (!trim)
		cr_skip("this libc keeps what it has");
	for (size_t i = 0; i < NR(sizes); i++) {
		void *ptr;

		dirty(sizes[i]);
		trim(0);
		ptr = calloc(1, sizes[i]);
		cr_assert(all_bytes(ptr, sizes[i], 0), "calloc(1, %zu)",
			  sizes[i]);
		free(ptr);
	}
}

Test(calloc, the_product_is_what_counts)
{
	void *ptr = calloc(25, 40);

	cr_assert_geq(malloc_usable_size(ptr), 1000);
	cr_assert(all_bytes(ptr, 1000, 0));
	free(ptr);
}

Test(calloc, nothing_of_something_is_unique_and_can_be_freed)
{
	void *a = calloc(0, 8), *b = calloc(8, 0), *c = calloc(0, 0);

	cr_assert(a && b && c);
	cr_assert(a != b && b != c && a != c);
	free(a);
	free(b);
	free(c);
}

Test(calloc, products_that_overflow_fail_with_enomem)
{
	static volatile size_t factors[][2] = {
		{SIZE_MAX, 2},		 {2, SIZE_MAX},
		{SIZE_MAX, SIZE_MAX},	 {(size_t)1 << 32, (size_t)1 << 32},
		{SIZE_MAX / 2 + 1, 2},	 {3, SIZE_MAX / 3 + 1},
		{16, SIZE_MAX / 16 + 2}, {SIZE_MAX / 4, 3}};

	for (size_t i = 0; i < NR(factors); i++) {
		errno = 0;
		cr_assert_null(calloc(factors[i][0], factors[i][1]));
		cr_assert_eq(errno, ENOMEM);
		errno = 0;
		cr_assert_null(
			reallocarray(NULL, factors[i][0], factors[i][1]));
		cr_assert_eq(errno, ENOMEM);
	}
}
