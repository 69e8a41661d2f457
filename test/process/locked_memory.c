/*
 * What mlockall(MCL_CURRENT | MCL_FUTURE) costs: the memory that is used, not
 * the address space that is reserved.
 */
#include "check.h"

#include <sys/mman.h>

enum { COUNT = 200000 };

int main(void)
{
	void **last = NULL, **p;
	uint64_t state = seed();
	size_t used = 0, before, locked, after;

	check_library();
	if (available() < 512 * MIB)
		skip("less than 512 MiB of memory left");
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
