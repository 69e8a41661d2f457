/*
 * C23's sized frees: every way to allocate, freed with the size it was asked
 * for.
 */
#include "api.h"

#include <criterion/criterion.h>
#include <errno.h>

static void (*free_size)(void *ptr, size_t size);
static void (*free_aligned)(void *ptr, size_t align, size_t size);

static void find(void)
{
	*(void **)&free_size = find_function("free_sized");
	*(void **)&free_aligned = find_function("free_aligned_sized");
}

TestSuite(sized, .init = find);

Test(sized, every_size_frees_by_its_size)
{
	if (!free_size)
		cr_skip("this libc is older than C23");
	for (size_t size = 0; size <= MiB(6); size += 1 + size / 50) {
		void *ptr = malloc(size);

		memset(ptr, 1, size);
		errno = EDOM;
		free_size(ptr, size);
		cr_assert_eq(errno, EDOM);
		free_size(calloc(1, size), size);
		ptr = malloc(10);
		free_size(realloc(ptr, size + 1), size + 1);
	}
}

Test(sized, null_may_have_any_size)
{
	if (!free_size)
		cr_skip("this libc is older than C23");
	free_size(NULL, 0);
	free_size(NULL, 12345);
	free_aligned(NULL, 64, 12345);
}

Test(sized, every_alignment_frees_by_size_and_alignment)
{
	if (!free_aligned)
		cr_skip("this libc is older than C23");
	for (size_t align = 8; align <= MiB(4); align *= 2) {
		size_t step = align < 256 ? align / 4 - 1 : align / 7;

		for (size_t size = 1; size < 3 * align; size += step) {
			void *ptrs[3];

			for (size_t i = 0; i < NR(ptrs); i++) {
				ptrs[i] = aligned_alloc(align, size);
				cr_assert(ptrs[i]);
			}
			for (size_t i = 0; i < NR(ptrs); i++)
				free_aligned(ptrs[i], align, size);
		}
	}
}

Test(sized, what_was_freed_by_size_is_used_again)
{
	enum { N = 100000 };

	if (!free_size)
		cr_skip("this libc is older than C23");
	/* ten gigabytes, if it were not */
	for (unsigned i = 0; i < N; i++) {
		void *ptr = malloc(100000);

		cr_assert(ptr);
		free_size(ptr, 100000);
	}
}
