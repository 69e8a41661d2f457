/*
 * realloc and reallocarray: the contents stay, and so does the block when
 * there is nothing better.
 */
#include "api.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <malloc.h>
#include <stdalign.h>

Test(realloc, of_null_is_malloc)
{
	void *ptr = realloc(NULL, 100);

	cr_assert_geq(malloc_usable_size(ptr), 100);
	free(ptr);
	ptr = realloc(NULL, 0);
	cr_assert(ptr);
	free(ptr);
	ptr = reallocarray(NULL, 10, 10);
	cr_assert_geq(malloc_usable_size(ptr), 100);
	free(ptr);
}

Test(realloc, to_nothing_frees)
{
	static const size_t sizes[] = {1, 100, 5000, KiB(64), MiB(6)};

	for (size_t i = 0; i < NR(sizes); i++) {
		for (unsigned k = 0; k < 100; k++) {
			void *ptr = malloc(sizes[i]);

			errno = EDOM;
			cr_assert_null(realloc(ptr, 0));
			cr_assert_eq(errno, EDOM);
			cr_assert_null(reallocarray(malloc(sizes[i]), 0, 7));
		}
	}
}

/* Up through every usable size there is and down again, three times. */
Test(realloc, usable_sizes_are_the_same_on_the_way_up_and_down)
{
	static size_t usable[2000];
	void *ptr = malloc(1);
	size_t top;

	if (!find_function("quarry_version"))
		cr_skip("libc splits where it can");
	usable[0] = malloc_usable_size(ptr);
	for (unsigned cycle = 0; cycle < 3; cycle++) {
		for (top = 1; top < NR(usable) && usable[top - 1] < KiB(512);
		     top++) {
			ptr = realloc(ptr, usable[top - 1] + 1);
			cr_assert(ptr);
			usable[top] = malloc_usable_size(ptr);
			cr_assert_gt(usable[top], usable[top - 1]);
		}
		while (--top > 0) {
			ptr = realloc(ptr, usable[top - 1]);
			cr_assert(ptr);
			/* of what a run has, an eighth may be room to grow */
			cr_assert_geq(malloc_usable_size(ptr), usable[top - 1]);
			cr_assert_leq(malloc_usable_size(ptr),
				      usable[top - 1] + usable[top - 1] / 7 +
					      8192);
		}
	}
	free(ptr);
}

Test(realloc, contents_survive_every_step_of_growth_and_shrinking)
{
	static const size_t sizes[] = {
		1,	16,	    17,	    128,     129,     1000,	4096,
		4097,	KiB(32),    32769,  KiB(36), KiB(64), KiB(900), MiB(2),
		MiB(4), MiB(4) + 1, MiB(5), MiB(8),  MiB(20)};

	for (size_t from = 0; from < NR(sizes); from++) {
		for (size_t to = 0; to < NR(sizes); to++) {
			size_t kept = sizes[from] < sizes[to] ? sizes[from]
							      : sizes[to];
			void *ptr = malloc(sizes[from]);

			pattern_fill(ptr, kept, from);
			ptr = realloc(ptr, sizes[to]);
			cr_assert(ptr);
			cr_assert(is_aligned(ptr, alignof(max_align_t)));
			cr_assert_eq(pattern_check(ptr, kept, from), kept,
				     "from %zu to %zu", sizes[from], sizes[to]);
			cr_assert_geq(malloc_usable_size(ptr), sizes[to]);
			memset(ptr, 1, sizes[to]);
			free(ptr);
		}
	}
}

Test(realloc, random_walks_keep_the_contents)
{
	uint64_t random = test_seed();

	for (unsigned walk = 0; walk < 20; walk++) {
		size_t size = random_size(&random, 20), next;
		char *ptr = malloc(size);

		pattern_fill(ptr, size, walk);
		for (unsigned step = 0; step < 60; step++, size = next) {
			size_t kept;

			next = random_size(&random, 20);
			kept = size < next ? size : next;
			ptr = realloc(ptr, next);
			cr_assert(ptr);
			cr_assert_eq(pattern_check(ptr, kept, walk), kept,
				     "from %zu to %zu", size, next);
			pattern_fill(ptr, next, walk);
		}
		free(ptr);
	}
}

Test(realloc, objects_beside_it_are_not_touched)
{
	char *before = malloc(KiB(40)), *ptr = malloc(KiB(40));
	char *after = malloc(KiB(40));

	memset(before, 1, KiB(40));
	memset(after, 2, KiB(40));
	for (size_t size = KiB(40); size < MiB(1); size += KiB(4)) {
		ptr = realloc(ptr, size);
		memset(ptr, 3, malloc_usable_size(ptr));
	}
	for (size_t size = MiB(1); size; size /= 2) {
		ptr = realloc(ptr, size);
		memset(ptr, 4, malloc_usable_size(ptr));
	}
	cr_assert(all_bytes(before, KiB(40), 1));
	cr_assert(all_bytes(after, KiB(40), 2));
	free(before);
	free(ptr);
	free(after);
}

/* Linear in the end size: a quadratic one would take minutes here. */
Test(realloc, growing_by_eight_bytes_is_cheap, .timeout = 60)
{
	char *ptr = NULL;

	for (size_t n = 1; n <= 300000; n++) {
		ptr = realloc(ptr, n * 8);
		cr_assert(ptr);
		memcpy(ptr + (n - 1) * 8, &n, 8);
	}
	for (size_t n = 1; n <= 300000; n++)
		cr_assert_eq(memcmp(ptr + (n - 1) * 8, &n, 8), 0);
	free(ptr);
}

Test(realloc, doubling_to_large_sizes_keeps_the_contents)
{
	size_t size = KiB(64);
	char *ptr = malloc(size);

	pattern_fill(ptr, size, 7);
	for (; size < MiB(256); size *= 2) {
		ptr = realloc(ptr, size * 2);
		cr_assert(ptr);
		cr_assert_eq(pattern_check(ptr, KiB(64), 7), KiB(64));
		/* the far end is there as well */
		ptr[size * 2 - 1] = 1;
	}
	free(ptr);
}

Test(realloc, the_block_stays_when_there_is_no_more)
{
	static volatile size_t beyond[] = {(size_t)PTRDIFF_MAX + 1,
					   PTRDIFF_MAX / 2, SIZE_MAX - 4096,
					   SIZE_MAX};
	static const size_t sizes[] = {10, 3000, KiB(48), MiB(7)};

	for (size_t i = 0; i < NR(sizes); i++) {
		/* the compiler thinks that it is gone */
		void *volatile ptr = malloc(sizes[i]);

		pattern_fill(ptr, sizes[i], i);
		for (size_t k = 0; k < NR(beyond); k++) {
			errno = 0;
			cr_assert_null(realloc(ptr, beyond[k]));
			cr_assert_eq(errno, ENOMEM);
			errno = 0;
			cr_assert_null(reallocarray(ptr, beyond[k], 3));
			cr_assert_eq(errno, ENOMEM);
			cr_assert_null(realloc(NULL, beyond[k]));
		}
		cr_assert_eq(pattern_check(ptr, sizes[i], i), sizes[i]);
		free(ptr);
	}
}
