#include "sys/map.h"

#include "base/bits.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif
#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

#ifndef SYS_set_mempolicy_home_node
#define SYS_set_mempolicy_home_node 450
#endif

/* the kernel's MPOL_ */
enum { DEFAULT, PREFERRED, BIND, INTERLEAVE };

size_t qr_page_size(void)
{
	static _Atomic size_t known;
	/* relaxed: racing first callers write the same value */
	size_t size = atomic_load_explicit(&known, memory_order_relaxed);

	if (qr_unlikely(!size)) {
		size = getauxval(AT_PAGESZ);
		atomic_store_explicit(&known, size, memory_order_relaxed);
	}
	return size;
}

/* mmap that keeps errno; NULL on failure, *@ret_error is set if not NULL. */
static void *map(void *addr, size_t size, int prot, int flags, int *ret_error)
{
	int saved = errno;
	void *p = mmap(addr, size, prot, MAP_PRIVATE | MAP_ANONYMOUS | flags,
		       -1, 0);

	if (p == MAP_FAILED) {
		if (ret_error)
			*ret_error = -errno;
		p = NULL;
	}
	errno = saved;
	return p;
}

void *qr_map_reserve_readable(size_t size)
{
	return map(NULL, size, PROT_READ, MAP_NORESERVE, NULL);
}

static int protect(void *addr, size_t size, int prot)
{
	int saved = errno;
	int rc = mprotect(addr, size, prot) ? -errno : 0;

	errno = saved;
	return rc;
}

/*
 * An aligned mapping: ask for more where the first answer is not aligned, and
 * cut it.  What is asked for in excess must not count as memory, or mlockall
 * and strict overcommit would charge it: access comes last.
 */
static void *map_aligned(size_t size, size_t align, int prot, int flags)
{
	void *p = map(NULL, size, prot, flags, NULL);

	if (!p || !((uintptr_t)p & (align - 1)))
		return p;
	qr_map_unmap(p, size);
	if (size > SIZE_MAX - align)
		return NULL;

	char *wide = map(NULL, size + align - qr_page_size(), PROT_NONE, flags,
			 NULL);
	if (!wide)
		return NULL;

	size_t head = (size_t)(-(uintptr_t)wide & (align - 1));
	size_t tail = align - qr_page_size() - head;

	if (head)
		qr_map_unmap(wide, head);
	if (tail)
		qr_map_unmap(wide + head + size, tail);
	if (prot != PROT_NONE && protect(wide + head, size, prot)) {
		qr_map_unmap(wide + head, size);
		return NULL;
	}
	return wide + head;
}

void *qr_map_reserve(size_t size, size_t align)
{
	return map_aligned(size, align, PROT_NONE, MAP_NORESERVE);
}

int qr_map_commit(void *addr, size_t size)
{
	return protect(addr, size, PROT_READ | PROT_WRITE);
}

int qr_map_commit_readonly(void *addr, size_t size)
{
	return protect(addr, size, PROT_READ);
}

static int map_at(void *addr, size_t size, int prot, int flags)
{
	int error = 0;
	void *p = map(addr, size, prot, MAP_FIXED_NOREPLACE | flags, &error);

	if (!p)
		return error;
	if (p != addr) { /* before Linux 4.17 the address was only a hint */
		qr_map_unmap(p, size);
		return -EEXIST;
	}
	return 0;
}

int qr_map_reserve_at(void *addr, size_t size)
{
	return map_at(addr, size, PROT_NONE, MAP_NORESERVE);
}

int qr_map_extend(void *addr, size_t size)
{
	return map_at(addr, size, PROT_READ | PROT_WRITE, 0);
}

int qr_map_purge(void *addr, size_t size)
{
	int saved = errno;
	int rc = madvise(addr, size, MADV_DONTNEED) ? -errno : 0;

	errno = saved;
	return rc;
}

int qr_map_populate(void *addr, size_t size)
{
	int saved = errno;
	int rc = madvise(addr, size, MADV_POPULATE_WRITE) ? -errno : 0;

	errno = saved;
	return rc;
}

int qr_map_advise_huge(void *addr, size_t size, bool huge)
{
	int saved = errno;
	int advice = huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE;
	int rc = madvise(addr, size, advice) ? -errno : 0;

	errno = saved;
	return rc;
}

void *qr_map_map(size_t size, size_t align)
{
	return map_aligned(size, align, PROT_READ | PROT_WRITE, 0);
}

int qr_map_unmap(void *addr, size_t size)
{
	int saved = errno;
	int rc = munmap(addr, size) ? -errno : 0;

	errno = saved;
	return rc;
}

void *qr_map_remap(void *addr, size_t old_size, size_t new_size, bool may_move)
{
	int saved = errno;
	void *p = mremap(addr, old_size, new_size,
			 may_move ? MREMAP_MAYMOVE : 0);

	errno = saved;
	return p == MAP_FAILED ? NULL : p;
}

/* The kernel reads one bit less than it is told of. */
static void set_policy(void *addr, size_t size, int policy, uint64_t nodes)
{
	int saved = errno;

	syscall(SYS_mbind, addr, size, policy, policy ? &nodes : NULL,
		policy ? 65 : 0, 0);
	errno = saved;
}

void qr_map_bind(void *addr, size_t size, unsigned node)
{
	if (node < 64)
		set_policy(addr, size, PREFERRED, UINT64_C(1) << node);
}

void qr_map_bind_within(void *addr, size_t size, uint64_t nodes, unsigned home)
{
	int saved = errno;

	set_policy(addr, size, BIND, nodes);
	/* Linux 5.17; before it, the nearest to the CPU that touches it */
	if (nodes & (nodes - 1))
		syscall(SYS_set_mempolicy_home_node, addr, size, home, 0);
	errno = saved;
}

void qr_map_interleave(void *addr, size_t size, uint64_t nodes)
{
	set_policy(addr, size, INTERLEAVE, nodes);
}

void qr_map_unbind(void *addr, size_t size)
{
	set_policy(addr, size, DEFAULT, 0);
}
