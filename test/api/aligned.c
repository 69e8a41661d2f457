/*
 * Aligned allocation: who accepts which alignment, and what comes back.
 */
#include "api.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <malloc.h>
#include <unistd.h>

static volatile size_t volatile_size;

static size_t hide(size_t size)
{
	volatile_size = size;
	return volatile_size;
}

static bool on_quarry(void)
{
	return find_function("quarry_version");
}

Test(aligned, posix_memalign_wants_a_power_of_two_that_holds_a_pointer)
{
	static const size_t wrong[] = {0, 1,  2,  3,  4,   5,	6,    7,
				       9, 12, 24, 48, 100, 999, 4097, SIZE_MAX};
	int guard;

	for (size_t i = 0; i < NR(wrong); i++) {
		void *ptr = &guard;

		errno = EDOM;
		cr_assert_eq(posix_memalign(&ptr, hide(wrong[i]), 8), EINVAL,
			     "alignment %zu", wrong[i]);
		cr_assert_eq(ptr, &guard, "the result was touched");
		cr_assert_eq(errno, EDOM);
	}
	for (size_t align = sizeof(void *); align < MiB(8); align *= 2) {
		void *ptr = &guard;

		cr_assert_eq(posix_memalign(&ptr, align + 1, 1), EINVAL);
		cr_assert_eq(posix_memalign(&ptr, align - 1, 1), EINVAL);
	}
}

Test(aligned, aligned_alloc_and_memalign_want_a_power_of_two)
{
	if (!on_quarry())
		cr_skip("glibc 2.36 rounds the alignment up");
	errno = 0;
	cr_assert_null(aligned_alloc(hide(0), 1));
	cr_assert_eq(errno, EINVAL);
	for (size_t align = 2; align < MiB(8); align *= 2) {
		errno = 0;
		cr_assert_null(aligned_alloc(hide(align * 2 - 1), 1));
		cr_assert_eq(errno, EINVAL);
		errno = 0;
		cr_assert_null(memalign(hide(align * 3), 1));
		cr_assert_eq(errno, EINVAL);
	}
}

Test(aligned, alignments_below_a_pointers_are_fine_but_for_posix)
{
	for (size_t align = 1; align < sizeof(void *); align *= 2) {
		void *ptr = aligned_alloc(hide(align), 33);

		cr_assert(ptr, "aligned_alloc(%zu, 33)", align);
		free(ptr);
		ptr = memalign(hide(align), 33);
		cr_assert(ptr, "memalign(%zu, 33)", align);
		free(ptr);
	}
}

Test(aligned, what_cannot_be_had_fails_with_enomem)
{
	static const size_t wishes[][2] = {
		{(size_t)1 << 62, (size_t)3 << 62 | 1},
		{16, SIZE_MAX - 15},
		{16, (size_t)1 << 63},
		{4096, SIZE_MAX - 4095},
		{4096, PTRDIFF_MAX},
		{MiB(1), SIZE_MAX - MiB(1)},
		{(size_t)1 << 30, PTRDIFF_MAX - ((size_t)1 << 29)},
		{(size_t)1 << 62, 1},
	};
	size_t half;

	for (size_t i = 0; i < NR(wishes); i++) {
		size_t align = hide(wishes[i][0]), size = hide(wishes[i][1]);
		void *ptr = &ptr;

		errno = 0;
		cr_assert_null(aligned_alloc(align, size), "%zu, %zu", align,
			       size);
		cr_assert_eq(errno, ENOMEM, "%zu, %zu", align, size);
		errno = 0;
		cr_assert_null(memalign(align, size));
		cr_assert_eq(errno, ENOMEM);
		errno = EDOM;
		cr_assert_eq(posix_memalign(&ptr, align, size), ENOMEM);
		cr_assert_eq(ptr, &ptr, "the result was touched");
	}
	if (!on_quarry())
		return;
	errno = 0;
	half = hide((size_t)1 << 63);
	cr_assert_null(aligned_alloc(half, half));
	cr_assert_eq(errno, ENOMEM);
}

/* All of a small object, both ends of a large one. */
static size_t part(size_t size)
{
	return size < KiB(64) ? size : KiB(4);
}

static void mark(char *ptr, size_t size, int value)
{
	memset(ptr, value, part(size));
	memset(ptr + size - part(size), value, part(size));
}

static bool is_marked(const char *ptr, size_t size, int value)
{
	return all_bytes(ptr, part(size), (unsigned char)value) &&
	       all_bytes(ptr + size - part(size), part(size),
			 (unsigned char)value);
}

static void check_batch(size_t align, size_t size)
{
	void *ptrs[4];

	for (size_t i = 0; i < NR(ptrs); i++) {
		if (i % 2) {
			ptrs[i] = aligned_alloc(align, size);
		} else {
			int error = posix_memalign(&ptrs[i], align, size);

			cr_assert_eq(error, 0, "posix_memalign(%zu, %zu)",
				     align, size);
		}
		cr_assert(ptrs[i], "aligned_alloc(%zu, %zu)", align, size);
		cr_assert(is_aligned(ptrs[i], align), "%p is not at %zu",
			  ptrs[i], align);
		cr_assert_geq(malloc_usable_size(ptrs[i]), size);
		mark(ptrs[i], size, (int)i);
	}
	for (size_t i = 0; i < NR(ptrs); i++) {
		cr_assert(is_marked(ptrs[i], size, (int)i));
		free(ptrs[i]);
	}
}

Test(aligned, addresses_are_aligned_at_every_size_and_alignment)
{
	for (size_t align = 8; align <= MiB(8); align *= 2) {
		size_t step = align < 256 ? align / 4 - 1 : align / 7;

		for (size_t size = 1; size < 3 * align; size += step)
			check_batch(align, size);
	}
}

Test(aligned, small_objects_keep_large_alignments)
{
	void *ptrs[200];

	for (size_t align = 16; align <= KiB(16); align *= 2) {
		for (size_t i = 0; i < NR(ptrs); i++) {
			ptrs[i] = memalign(align, 1 + i % 40);
			cr_assert(is_aligned(ptrs[i], align));
			for (size_t k = 0; k < i; k++)
				cr_assert_neq(ptrs[k], ptrs[i]);
		}
		for (size_t i = 0; i < NR(ptrs); i++)
			free(ptrs[i]);
	}
}

Test(aligned, a_gibibyte_is_an_alignment)
{
	for (size_t align = MiB(16); align <= MiB(1024); align *= 2) {
		char *ptr = aligned_alloc(align, 100);

		cr_assert(ptr, "alignment %zu", align);
		cr_assert(is_aligned(ptr, align));
		memset(ptr, 1, 100);
		free(ptr);
	}
}

Test(aligned, objects_of_no_bytes_are_unique_aligned_and_can_be_freed)
{
	for (size_t align = 8; align <= KiB(64); align *= 2) {
		void *a = aligned_alloc(align, 0), *b = memalign(align, 0), *c;

		cr_assert_eq(posix_memalign(&c, align, 0), 0);
		cr_assert(a && b && c);
		cr_assert(a != b && b != c && a != c);
		cr_assert(is_aligned(a, align) && is_aligned(b, align) &&
			  is_aligned(c, align));
		free(a);
		free(b);
		free(c);
	}
}

Test(aligned, realloc_of_an_aligned_object_keeps_its_contents)
{
	for (size_t align = 16; align <= MiB(1); align *= 2) {
		char *ptr = aligned_alloc(align, 3000);

		cr_assert(ptr);
		pattern_fill(ptr, 3000, align);
		ptr = realloc(ptr, 200000);
		cr_assert_eq(pattern_check(ptr, 3000, align), 3000);
		ptr = realloc(ptr, 70);
		cr_assert_eq(pattern_check(ptr, 70, align), 70);
		free(ptr);
	}
}

Test(aligned, valloc_is_aligned_to_pages_and_pvalloc_fills_them)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	void *(*pages)(size_t) = NULL;

	*(void **)&pages = find_function("pvalloc");
	for (size_t size = 0; size < 5 * page; size += 511) {
		void *ptr = valloc(size);

		cr_assert(ptr && is_aligned(ptr, page));
		memset(ptr, 1, size);
		free(ptr);
		if (!pages)
			continue;
		ptr = pages(size);
		cr_assert(ptr && is_aligned(ptr, page));
		/* to the end of the page in which the request ends */
		memset(ptr, 1, (size + page - 1) / page * page);
		free(ptr);
	}
	errno = 0;
	cr_assert_null(valloc(hide(SIZE_MAX - page)));
	cr_assert_eq(errno, ENOMEM);
	if (!pages)
		return;
	errno = 0;
	cr_assert_null(pages(hide(SIZE_MAX - page / 2)));
	cr_assert_eq(errno, ENOMEM);
}
