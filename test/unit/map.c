#include "sys/map.h"

#include "base/compiler.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef __has_feature
#define __has_feature(x) 0
#endif

#define MIB ((size_t)1 << 20)
#define GIB ((size_t)1 << 30)

static size_t page;
static int ends[2];

/* Every call must keep errno; teardown looks whether all did. */
enum { KEPT = 4711 };

static void setup(void)
{
	page = qr_page_size();
	cr_assert_eq(pipe(ends), 0);
	errno = KEPT;
}

static void teardown(void)
{
	cr_assert_eq(errno, KEPT, "errno is %d", errno);
}

TestSuite(map, .init = setup, .fini = teardown);

/* Whether the kernel can read, can write the byte; it asks nobody else. */
static bool readable(const void *addr)
{
	char byte;
	bool ok = syscall(SYS_write, ends[1], addr, 1) == 1;

	if (ok)
		ok = read(ends[0], &byte, 1) == 1;
	errno = KEPT;
	return ok;
}

static bool writable(void *addr)
{
	bool ok;

	cr_assert_eq(write(ends[1], "w", 1), 1);
	ok = syscall(SYS_read, ends[0], addr, 1) == 1;
	if (!ok) {
		char byte;

		cr_assert_eq(read(ends[0], &byte, 1), 1);
	}
	errno = KEPT;
	return ok;
}

static bool mapped(void *addr)
{
	unsigned char resident;
	bool ok = mincore(addr, page, &resident) == 0;

	errno = KEPT;
	return ok;
}

/* qemu-user keeps no limits and knows little of what is mapped. */
static void need_real_kernel(void)
{
	char *p = qr_map_reserve(page, page);
	bool known = mapped(p);

	qr_map_unmap(p, page);
	if (!known)
		cr_skip_test("an emulated kernel");
}

/* ThreadSanitizer maps two bytes and more for each that we map. */
static void need_no_shadow(void)
{
#if defined(__SANITIZE_THREAD__) || __has_feature(thread_sanitizer)
	cr_skip_test("shadow memory is counted too");
#endif
}

static bool all_zero(const char *p, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		if (p[i])
			return false;
	}
	return true;
}

/* A figure of /proc/self/status in KiB. */
static size_t status_kib(const char *name)
{
	char text[8192], *at;
	int fd = open("/proc/self/status", O_RDONLY);
	ssize_t n = read(fd, text, sizeof(text) - 1);

	close(fd);
	cr_assert_gt(n, 0);
	text[n] = '\0';
	at = strstr(text, name);
	cr_assert(at, "%s", name);
	errno = KEPT;
	return strtoul(at + strlen(name) + 1, NULL, 10);
}

static struct rlimit tighten(int resource)
{
	struct rlimit old, tight;

	cr_assert_eq(getrlimit((unsigned)resource, &old), 0);
	tight = old;
	tight.rlim_cur = 4096;
	cr_assert_eq(setrlimit((unsigned)resource, &tight), 0);
	return old;
}

/* Run the next statement with a limit that is below what is in use. */
#define UNDER_LIMIT(resource)                                           \
	for (struct rlimit old = tighten(resource), *once = &old; once; \
	     setrlimit(resource, &old), once = NULL)

Test(map, the_page_size_is_that_of_the_kernel)
{
	cr_assert_eq(qr_page_size(), (size_t)sysconf(_SC_PAGESIZE));
}

Test(map, reserved_addresses_are_aligned_and_cannot_be_used)
{
	need_real_kernel();
	for (size_t align = page; align <= GIB; align *= 2) {
		size_t before = status_kib("VmSize"), after;
		char *p = qr_map_reserve(3 * page, align);

		cr_assert(p, "aligned to %zu", align);
		cr_assert_eq((uintptr_t)p % align, 0);
		cr_assert_not(readable(p));
		cr_assert_not(readable(p + 3 * page - 1));
		/* nothing stays of what was needed to align it */
		after = status_kib("VmSize");
		cr_assert_eq((after - before) * 1024, 3 * page);
		cr_assert_eq(qr_map_unmap(p, 3 * page), 0);
		cr_assert_not(mapped(p));
	}
}

Test(map, mappings_are_aligned_zero_and_usable)
{
	/* a neighbour makes it likely that the first answer is not aligned */
	char *neighbour = qr_map_map(page, page);

	need_real_kernel();
	cr_assert(neighbour);
	need_no_shadow();
	for (size_t align = page; align <= GIB; align *= 2) {
		size_t before = status_kib("VmSize"), after;
		char *p = qr_map_map(3 * page, align);

		cr_assert(p, "aligned to %zu", align);
		cr_assert_eq((uintptr_t)p % align, 0);
		cr_assert(all_zero(p, 3 * page));
		memset(p, 'x', 3 * page);
		after = status_kib("VmSize");
		cr_assert_eq((after - before) * 1024, 3 * page);
		cr_assert_eq(qr_map_unmap(p, 3 * page), 0);
		cr_assert_not(mapped(p));
	}
	qr_map_unmap(neighbour, page);
}

Test(map, to_align_costs_no_memory_when_all_future_mappings_are_locked)
{
	size_t before = status_kib("VmHWM"), after;
	char *odd = qr_map_map(page, page), *p;

	need_no_shadow();
	/* raw: sanitizers make libc's do nothing */
	if (syscall(SYS_mlockall, MCL_FUTURE)) {
		errno = KEPT;
		cr_skip_test("may not lock memory");
	}
	p = qr_map_map(page, GIB);
	after = status_kib("VmHWM");
	syscall(SYS_munlockall);
	cr_assert(p);
	cr_assert(odd);
	p[0] = 1;
	cr_assert_lt(after - before, 64 * 1024);
}

Test(map, sizes_that_no_machine_has_are_refused)
{
	size_t huge = SIZE_MAX & ~(page - 1);

	cr_assert_null(qr_map_map(huge, page));
	cr_assert_null(qr_map_map(huge, GIB));
	cr_assert_null(qr_map_reserve(huge, page));
	cr_assert_null(qr_map_reserve((SIZE_MAX >> 1) + 1, GIB));
	cr_assert_null(qr_map_reserve((SIZE_MAX - GIB + 1), GIB));
}

Test(map, a_reservation_at_an_address_yields_to_what_is_there)
{
	char *p = qr_map_reserve(4 * page, page);

	need_real_kernel();
	cr_assert(p);
	cr_assert_eq(qr_map_reserve_at(p, page), -EEXIST);
	cr_assert_eq(qr_map_reserve_at(p + 3 * page, 2 * page), -EEXIST);
	qr_map_unmap(p + page, 2 * page);
	cr_assert_eq(qr_map_reserve_at(p + page, 3 * page), -EEXIST);
	cr_assert_not(mapped(p + page));
	cr_assert_eq(qr_map_reserve_at(p + page, 2 * page), 0);
	cr_assert(mapped(p + page));
	cr_assert_not(readable(p + page));
	qr_map_unmap(p, 4 * page);
}

Test(map, what_is_committed_is_usable_and_the_rest_is_not)
{
	char *p = qr_map_reserve(4 * page, page);

	cr_assert(p);
	cr_assert_eq(qr_map_commit(p + page, 2 * page), 0);
	cr_assert_not(readable(p + page - 1));
	cr_assert_not(readable(p + 3 * page));
	cr_assert(all_zero(p + page, 2 * page));
	memset(p + page, 'c', 2 * page);
	cr_assert_eq(qr_map_commit(p + page, 2 * page), 0);
	cr_assert_eq(p[page], 'c');
	qr_map_unmap(p, 4 * page);
	cr_assert_eq(qr_map_commit(p, page), -ENOMEM);
}

Test(map, what_is_committed_for_reading_reads_as_zeros_and_is_no_data)
{
	size_t before, after;
	char *p = qr_map_reserve(64 * MIB, page);
	int committed = -1;

	cr_assert(p);
	before = status_kib("VmRSS");
	UNDER_LIMIT(RLIMIT_DATA)
	committed = qr_map_commit_readonly(p, 64 * MIB);
	after = status_kib("VmRSS");
	cr_assert_eq(committed, 0);
	cr_assert_lt(after, before + 1024);
	cr_assert(readable(p));
	cr_assert_not(writable(p));
	cr_assert(all_zero(p, 64 * MIB));
	cr_assert_eq(qr_map_commit(p + MIB, page), 0);
	p[MIB] = 1;
	cr_assert_eq(p[MIB - 1], 0);
	cr_assert_not(writable(p + MIB - 1));
	qr_map_unmap(p, 64 * MIB);
}

Test(map, a_readable_reservation_reads_as_zeros)
{
	char *p = qr_map_reserve_readable(GIB);

	cr_assert(p);
	cr_assert(all_zero(p, MIB));
	cr_assert_not(writable(p));
	cr_assert_eq(qr_map_commit(p + MIB, page), 0);
	p[MIB] = 1;
	cr_assert_eq(p[MIB - 1], 0);
	cr_assert_not(writable(p + MIB - 1));
	cr_assert_not(writable(p + MIB + page));
	qr_map_unmap(p, GIB);
	cr_assert_null(qr_map_reserve_readable(SIZE_MAX & ~(page - 1)));
}

Test(map, a_mapping_is_extended_where_nothing_is)
{
	char *p = qr_map_reserve(4 * page, page);

	cr_assert(p);
	qr_map_unmap(p + page, 2 * page);
	cr_assert_eq(qr_map_extend(p + page, 3 * page), -EEXIST);
	cr_assert_eq(qr_map_extend(p, 2 * page), -EEXIST);
	cr_assert_not(mapped(p + page));
	cr_assert_eq(qr_map_extend(p + page, 2 * page), 0);
	cr_assert(all_zero(p + page, 2 * page));
	memset(p + page, 'e', 2 * page);
	cr_assert_not(readable(p));
	cr_assert_not(readable(p + 3 * page));
	qr_map_unmap(p, 4 * page);
}

Test(map, what_is_purged_reads_as_zeros_and_is_memory_no_more)
{
	size_t before, after;
	char *p = qr_map_map(64 * MIB, page);

	need_real_kernel();
	cr_assert(p);
	memset(p, 'p', 64 * MIB);
	before = status_kib("VmRSS");
	cr_assert_eq(qr_map_purge(p + page, 64 * MIB - 2 * page), 0);
	after = status_kib("VmRSS");
	cr_assert_lt(after + 60 * 1024, before);
	cr_assert_eq(p[page - 1], 'p');
	cr_assert_eq(p[64 * MIB - page], 'p');
	cr_assert(all_zero(p + page, 64 * MIB - 2 * page));
	p[page] = 1;
	qr_map_unmap(p, 64 * MIB);
	cr_assert_eq(qr_map_purge(p, page), -ENOMEM);
}

Test(map, locked_memory_is_not_purged)
{
	char *p = qr_map_map(page, page);

	cr_assert(p);
	p[0] = 'l';
	if (syscall(SYS_mlock, p, page)) {
		errno = KEPT;
		cr_skip_test("may not lock memory");
	}
	cr_assert_eq(qr_map_purge(p, page), -EINVAL);
	cr_assert_eq(p[0], 'l');
	qr_map_unmap(p, page);
}

Test(map, a_mapping_grows_in_place_where_there_is_room)
{
	char *p = qr_map_map(4 * page, page);

	cr_assert(p);
	memset(p, 'r', 4 * page);
	qr_map_unmap(p + page, 3 * page);
	cr_assert_eq(qr_map_remap(p, page, 4 * page, false), p);
	cr_assert_eq(p[page - 1], 'r');
	cr_assert(all_zero(p + page, 3 * page));
	cr_assert_eq(qr_map_remap(p, 4 * page, 2 * page, false), p);
	cr_assert(mapped(p + page));
	cr_assert_not(mapped(p + 2 * page));
	qr_map_unmap(p, 2 * page);
}

Test(map, a_mapping_moves_only_if_it_may)
{
	char *p = qr_map_map(2 * page, page), *q;

	cr_assert(p);
	memset(p, 'm', page);
	qr_map_unmap(p + page, page);
	cr_assert_eq(qr_map_reserve_at(p + page, page), 0);
	cr_assert_null(qr_map_remap(p, page, 64 * MIB, false));
	cr_assert(writable(p + 1));
	cr_assert_eq(p[1], 'w');

	q = qr_map_remap(p, page, 64 * MIB, true);
	cr_assert(q);
	cr_assert_neq(q, p);
	cr_assert_not(mapped(p));
	cr_assert_eq(q[0], 'm');
	cr_assert_eq(q[1], 'w');
	cr_assert_eq(q[page - 1], 'm');
	cr_assert(all_zero(q + page, 64 * MIB - page));
	qr_map_unmap(p + page, page);
	qr_map_unmap(q, 64 * MIB);
}

Test(map, a_limit_of_address_space_is_an_error_and_no_more)
{
	char *p = qr_map_reserve(64 * MIB, page);
	void *mapping = p, *reservation = p, *grown = p;
	int extended = 0, reserved = 0;

	need_real_kernel();
	cr_assert(p);
	qr_map_unmap(p, 64 * MIB);
	UNDER_LIMIT(RLIMIT_AS)
	{
		mapping = qr_map_map(page, page);
		reservation = qr_map_reserve(page, 4 * page);
		extended = qr_map_extend(p, page);
		reserved = qr_map_reserve_at(p, page);
	}
	cr_assert_null(mapping);
	cr_assert_null(reservation);
	cr_assert_eq(extended, -ENOMEM);
	cr_assert_eq(reserved, -ENOMEM);

	p = qr_map_map(page, page);
	cr_assert(p);
	UNDER_LIMIT(RLIMIT_AS)
	grown = qr_map_remap(p, page, MIB, true);
	cr_assert_null(grown);
	cr_assert(writable(p));
	qr_map_unmap(p, page);
}

/* Reservations are not data; what is committed is. */
Test(map, a_limit_of_data_allows_to_reserve_and_not_to_commit)
{
	char *p = NULL;
	int committed = 0;
	void *mapping = &p;

	need_real_kernel();
	need_no_shadow();
	UNDER_LIMIT(RLIMIT_DATA)
	{
		p = qr_map_reserve(GIB, page);
		if (p)
			committed = qr_map_commit(p, page);
		mapping = qr_map_map(page, page);
	}
	cr_assert(p);
	cr_assert_eq(committed, -ENOMEM);
	cr_assert_null(mapping);
	cr_assert_eq(qr_map_commit(p, page), 0);
	qr_map_unmap(p, GIB);
}

static size_t max_map_count(void)
{
	char text[32] = "";
	int fd = open("/proc/sys/vm/max_map_count", O_RDONLY);

	if (fd >= 0) {
		cr_assert_gt(read(fd, text, sizeof(text) - 1), 0);
		close(fd);
	}
	errno = KEPT;
	return strtoul(text, NULL, 10);
}

Test(map, a_mapping_that_cannot_be_split_stays_whole)
{
	size_t limit = max_map_count(), n = 0;
	char *victim = qr_map_map(3 * page, page);
	char *p = qr_map_reserve(2 * (limit + 1) * page, page);
	int committed, unmapped;

	need_no_shadow();
	if (!limit || limit > 200000)
		cr_skip_test("vm.max_map_count is %zu", limit);
	cr_assert(victim);
	cr_assert(p);
	memset(victim, 'v', 3 * page);
	/* every second page, so that each is a mapping of the kernel's */
	while ((committed = qr_map_commit(p + 2 * n * page, page)) == 0 &&
	       n < limit)
		n++;
	unmapped = qr_map_unmap(victim + page, page);
	qr_map_unmap(p, 2 * (limit + 1) * page);
	cr_assert_eq(committed, -ENOMEM);
	cr_assert_eq(unmapped, -ENOMEM);
	cr_assert_eq(victim[page], 'v');
	cr_assert_eq(qr_map_unmap(victim + page, page), 0);
	cr_assert_not(mapped(victim + page));
}

static int policy_of(const void *p)
{
	int mode = -1;

	syscall(SYS_get_mempolicy, &mode, NULL, 0, p, 2 /* of its address */);
	return mode;
}

Test(map, a_range_is_bound_to_a_node_and_stays_usable)
{
	char *p = qr_map_map(MIB, page);
	uint64_t mask[16] = {0};
	int mode = -1;

	cr_assert(p);
	qr_map_bind(p, MIB, 0);
	if (syscall(SYS_get_mempolicy, &mode, mask, 1024, p, 2)) {
		errno = KEPT;
		cr_skip_test("a kernel without memory policies");
	}
	cr_assert_eq(mode, 1); /* MPOL_PREFERRED */
	cr_assert_eq(mask[0], 1);
	memset(p, 'b', MIB);
	qr_map_interleave(p, MIB, 1);
	cr_assert_eq(policy_of(p), 3); /* MPOL_INTERLEAVE */
	qr_map_bind_within(p, MIB, 1, 0);
	cr_assert_eq(policy_of(p), 2); /* MPOL_BIND */
	qr_map_unbind(p, MIB);
	cr_assert_eq(policy_of(p), 0);
	/* nodes that there are not */
	qr_map_bind_within(p, MIB, UINT64_C(3) << 62, 63);
	qr_map_bind(p, MIB, 63);
	qr_map_bind(p, MIB, 1023);
	qr_map_bind(p, MIB, 1024);
	qr_map_bind(p, MIB, 4000000000u);
	cr_assert_eq(p[0], 'b');
	qr_map_unmap(p, MIB);
}
