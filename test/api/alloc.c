/*
 * malloc and free by the letter of the standard.
 */
#include "api.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <malloc.h>
#include <stdalign.h>
#include <unistd.h>

/* Not constants, so that no compiler warns of them. */
static volatile size_t beyond[] = {(size_t)PTRDIFF_MAX + 1,
				   SIZE_MAX / 2 + 4096,
				   SIZE_MAX - 8192,
				   SIZE_MAX - 4096,
				   SIZE_MAX - 16,
				   SIZE_MAX - 1,
				   SIZE_MAX};

Test(alloc, the_suite_runs_on_the_allocator_it_was_started_for)
{
	const char *expected = getenv("QUARRY_TEST_ON");

	cr_assert(expected, "QUARRY_TEST_ON is not set");
	cr_assert_eq(!strcmp(expected, "quarry"),
		     !!find_function("quarry_version"));
}

Test(alloc, objects_of_no_bytes_are_unique_and_can_be_freed)
{
	void *ptrs[100];

	for (size_t i = 0; i < NR(ptrs); i++) {
		ptrs[i] = malloc(0);
		cr_assert(ptrs[i]);
		for (size_t k = 0; k < i; k++)
			cr_assert_neq(ptrs[k], ptrs[i]);
	}
	for (size_t i = 0; i < NR(ptrs); i++)
		free(ptrs[i]);
}

Test(alloc, free_of_null_does_nothing)
{
	errno = EDOM;
	free(NULL);
	cr_assert_eq(errno, EDOM);
	cr_assert_eq(malloc_usable_size(NULL), 0);
}

static void check_one(size_t size)
{
	void *ptr = malloc(size);
	size_t usable;

	cr_assert(ptr, "malloc(%zu)", size);
	cr_assert(is_aligned(ptr, alignof(max_align_t)), "malloc(%zu) = %p",
		  size, ptr);
	usable = malloc_usable_size(ptr);
	cr_assert_geq(usable, size);
	pattern_fill(ptr, usable, size);
	cr_assert_eq(pattern_check(ptr, usable, size), usable);
	free(ptr);
}

Test(alloc, all_that_is_usable_can_be_written_at_every_size)
{
	for (size_t size = 1; size <= 5000; size++)
		check_one(size);
	for (size_t size = 5000; size <= KiB(72); size += 97)
		check_one(size);
	for (size_t bits = 12; bits <= 24; bits++)
		for (size_t size = ((size_t)1 << bits) - 1;
		     size <= ((size_t)1 << bits) + 1; size++)
			check_one(size);
}

Test(alloc, usable_sizes_never_shrink_as_requests_grow)
{
	size_t last = 0;

	for (size_t size = 1; size <= KiB(40); size++) {
		void *ptr = malloc(size);

		cr_assert_geq(malloc_usable_size(ptr), last, "malloc(%zu)",
			      size);
		last = malloc_usable_size(ptr);
		free(ptr);
	}
}

Test(alloc, quarry_wastes_at_most_an_eighth_and_below_a_page)
{
	if (!find_function("quarry_version"))
		cr_skip("libc's classes are its own");
	for (size_t size = 129; size <= MiB(4); size += 1 + size / 64) {
		void *ptr = malloc(size);
		size_t waste = malloc_usable_size(ptr) - size;

		if (size <= KiB(32))
			cr_assert_leq(waste * 8, size, "malloc(%zu)", size);
		cr_assert_lt(waste, 4096, "malloc(%zu)", size);
		free(ptr);
	}
}

Test(alloc, objects_alive_together_do_not_overlap)
{
	enum { N = 4000 };
	static void *ptrs[N];
	static size_t usable[N];
	uint64_t random = test_seed();

	for (size_t i = 0; i < N; i++) {
		ptrs[i] = malloc(random_size(&random, 16));
		cr_assert(ptrs[i]);
		usable[i] = malloc_usable_size(ptrs[i]);
		pattern_fill(ptrs[i], usable[i], i);
	}
	for (size_t i = 0; i < N; i++) {
		size_t good = pattern_check(ptrs[i], usable[i], i);

		cr_assert_eq(good, usable[i],
			     "object %zu, %zu bytes at %p, changed at %zu", i,
			     usable[i], ptrs[i], good);
		free(ptrs[i]);
	}
}

Test(alloc, sizes_beyond_ptrdiff_max_fail_with_enomem)
{
	for (size_t i = 0; i < NR(beyond); i++) {
		errno = 0;
		cr_assert_null(malloc(beyond[i]));
		cr_assert_eq(errno, ENOMEM);
		errno = 0;
		cr_assert_null(calloc(1, beyond[i]));
		cr_assert_eq(errno, ENOMEM);
		errno = 0;
		cr_assert_null(calloc(beyond[i], 1));
		cr_assert_eq(errno, ENOMEM);
	}
	check_one(100);
}

Test(alloc, what_no_machine_has_fails_with_enomem)
{
	static volatile size_t half = PTRDIFF_MAX / 2;

	errno = 0;
	cr_assert_null(malloc(half));
	cr_assert_eq(errno, ENOMEM);
	check_one(100);
}

Test(alloc, success_and_free_keep_errno)
{
	static const size_t sizes[] = {0,	1,	 100,	   4000,
				       KiB(20), KiB(33), KiB(200), MiB(1),
				       MiB(5),	MiB(40)};

	for (size_t i = 0; i < NR(sizes); i++) {
		void *ptr;

		errno = EXDEV;
		ptr = malloc(sizes[i]);
		cr_assert_eq(errno, EXDEV, "malloc(%zu)", sizes[i]);
		memset(ptr, 1, sizes[i]);
		ptr = realloc(ptr, sizes[i] * 2 + 1);
		cr_assert_eq(errno, EXDEV, "realloc from %zu", sizes[i]);
		malloc_usable_size(ptr);
		cr_assert_eq(errno, EXDEV);
		free(ptr);
		cr_assert_eq(errno, EXDEV, "free of %zu", sizes[i]);
		free(calloc(1, sizes[i]));
		cr_assert_eq(errno, EXDEV, "calloc(1, %zu)", sizes[i]);
	}
}

/* jemalloc's "pack": what was freed is used again before more is asked for. */
Test(alloc, freed_objects_are_used_again)
{
	enum { N = 1000, ROUNDS = 200 };
	static void *ptrs[N];
	uintptr_t low = UINTPTR_MAX, high = 0;

	for (unsigned round = 0; round < ROUNDS; round++) {
		for (size_t i = 0; i < N; i++) {
			ptrs[i] = malloc(512);
			cr_assert(ptrs[i]);
			low = (uintptr_t)ptrs[i] < low ? (uintptr_t)ptrs[i]
						       : low;
			high = (uintptr_t)ptrs[i] > high ? (uintptr_t)ptrs[i]
							 : high;
		}
		for (size_t i = 0; i < N; i++)
			free(ptrs[i]);
	}
	cr_assert_lt(high - low, 8 * N * 512,
		     "%u rounds of %u kB spread over %zu kB", ROUNDS,
		     N * 512 / 1024, (size_t)(high - low) / 1024);
}

/* Bytes of address space, as the kernel counts them. */
static size_t addresses(void)
{
	FILE *statm = fopen("/proc/self/statm", "r");
	unsigned long pages = 0;

	if (!statm || fscanf(statm, "%lu", &pages) != 1)
		cr_skip("no /proc");
	fclose(statm);
	return pages * (size_t)sysconf(_SC_PAGESIZE);
}

/* jemalloc's "retained": large objects of all sizes, few of them alive. */
Test(alloc, addresses_do_not_pile_up)
{
	uint64_t random = test_seed();
	char *ptrs[8] = {NULL};
	size_t before = 0, after;

	for (unsigned i = 0; i < 4000; i++) {
		size_t k = random_below(&random, NR(ptrs));
		size_t size = KiB(64) + random_below(&random, MiB(48));

		free(ptrs[k]);
		ptrs[k] = malloc(size);
		cr_assert(ptrs[k]);
		ptrs[k][0] = ptrs[k][size - 1] = 1;
		if (i == 100)
			before = addresses();
	}
	/* what is alive at one time or another */
	after = addresses();
	cr_assert_leq(after, before + NR(ptrs) * MiB(48) + MiB(64));
	for (size_t k = 0; k < NR(ptrs); k++)
		free(ptrs[k]);
}
