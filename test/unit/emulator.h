/*
 * Where system calls are emulated (qemu-user) a mapping is known to the
 * emulator page by page: terabytes of addresses cost gigabytes of memory.
 */
#ifndef QR_TEST_EMULATOR_H
#define QR_TEST_EMULATOR_H

#include <criterion/criterion.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

/* Pages of this process in memory; 0 if nobody says. */
static inline unsigned long pages_in_memory(void)
{
	FILE *file = fopen("/proc/self/statm", "r");
	unsigned long size, resident;

	if (!file)
		return 0;
	if (fscanf(file, "%lu %lu", &size, &resident) != 2)
		resident = 0;
	fclose(file);
	return resident;
}

/* For tests that reserve more than machines have. */
static inline void need_cheap_addresses(void)
{
	const size_t size = (size_t)16 << 30;
	unsigned long before, grown;
	void *p;

	pages_in_memory();
	before = pages_in_memory();
	p = mmap(NULL, size, PROT_NONE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		cr_skip_test("not even 16 GiB of addresses");
	grown = pages_in_memory() - before;
	munmap(p, size);
	if (grown > 2048)
		cr_skip_test("addresses cost memory here, as in an emulator");
}

#endif
