/*
 * What mlockall(MCL_CURRENT | MCL_FUTURE) costs: the memory that is used, not
 * the address space that is reserved.
 */
#include "check.h"

#include <sys/mman.h>

enum { COUNT = 200000 };

/*
 * Most kernels map one page of zeros wherever memory is only read.  One that
 * has real pages for it charges the reserve to whoever locks it.
 */
static bool reading_costs_memory(void)
{
	size_t size = 16 * MIB, before = anonymous(), grown;
	char *p =
		mmap(NULL, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(p != MAP_FAILED);
	for (size_t i = 0; i < size; i += 4 * KIB)
		CHECK(!*(volatile char *)(p + i));
	grown = anonymous() - before;
	CHECK(!munmap(p, size));
	return grown > size / 2;
}

int main(void)
{
	void **last = NULL, **p;
	uint64_t state = seed();
	size_t used = 0, before, locked, after;

	check_library();
	if (available() < 512 * MIB)
		skip("less than 512 MiB of memory left");
	if (reading_costs_memory())
		skip("this kernel has memory for what is only read");
	before = anonymous();
	free(malloc(100));
	if (mlockall(MCL_CURRENT | MCL_FUTURE))
		skip("mlockall is not allowed");
	locked = anonymous();
	for (size_t i = 0; i < COUNT; i++) {
		size_t size = 16 + draw_size(&state, 13);

		CHECK(p = malloc(size));
		used += malloc_usable_size(p);
		*p = last;
		last = p;
	}
	after = anonymous();
	figure_at_most("locked-at-start",
		       (double)locked / MIB - (double)before / MIB, "MiB", 8);
	figure_at_most("locked-per-used-byte",
		       (double)(after - locked) / (double)used, "bytes", 1.25);
	while (last) {
		p = *last;
		free(last);
		last = p;
	}
	CHECK(p = malloc(64 * MIB));
	free(p);
	return 0;
}
