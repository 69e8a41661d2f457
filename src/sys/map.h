/*
 * Address space and memory, as the kernel gives them.
 *
 *	reserve/release		addresses: PROT_NONE, nothing charged
 *	commit			reserved addresses become usable memory
 *	purge			the memory goes back, the addresses stay
 *	map/unmap/remap		usable memory with addresses of its own
 *
 * Every function returns 0 or a pointer, or -errno or NULL, and keeps errno.
 * Addresses and sizes are multiples of qr_page_size().
 */
#ifndef QR_SYS_MAP_H
#define QR_SYS_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The kernel's base page in bytes, from the auxiliary vector. */
size_t qr_page_size(void);

/* Reserve @size bytes aligned to @align (a power of two); NULL: none left. */
void *qr_map_reserve(size_t size, size_t align);

/* The same, but all of it reads as zeros. */
void *qr_map_reserve_readable(size_t size);

/* Reserve @size bytes at exactly @addr, where nothing may be mapped. */
int qr_map_reserve_at(void *addr, size_t size);

/* Make [@addr, @addr + @size) of a reservation readable and writable. */
int qr_map_commit(void *addr, size_t size);

/*
 * Make it readable: it reads as zeros and is not charged.  Reading costs page
 * tables, and on kernels without a shared zero page also the pages read.
 */
int qr_map_commit_readonly(void *addr, size_t size);

/*
 * Usable memory at exactly @addr, where nothing may be mapped.
 * -EEXIST: something is; -ENOMEM: a limit.
 */
int qr_map_extend(void *addr, size_t size);

/* Give the memory back; it reads as zeros afterwards.  -EINVAL: locked. */
int qr_map_purge(void *addr, size_t size);

/* Back all of it with memory now; -EINVAL: the kernel cannot. */
int qr_map_populate(void *addr, size_t size);

/*
 * May the kernel back it with huge pages, or not?  Hints: -EINVAL where it has
 * none, -ENOMEM if a mapping had to be split and there may be no more.
 */
int qr_map_advise_huge(void *addr, size_t size, bool huge);

/* Usable, zero memory of its own, aligned to @align; NULL: a limit. */
void *qr_map_map(size_t size, size_t align);

/*
 * Give memory and addresses back.  -ENOMEM: a mapping of the kernel would have
 * to be split, and there may be no more; nothing has changed then, and
 * qr_map_purge() gives at least the memory back.
 */
int qr_map_unmap(void *addr, size_t size);

/* Resize a mapping, moving it if @may_move; NULL: not possible. */
void *qr_map_remap(void *addr, size_t old_size, size_t new_size, bool may_move);

/*
 * Which NUMA nodes the kernel takes the pages of a range from that it does not
 * have yet.  Hints: failures are ignored.
 *
 *	bind		@node, else any
 *	bind_within	@home, else the nearest of @nodes, and no others
 *	interleave	@nodes in turn, page by page
 *	unbind		as the thread's policy has it: that of its CPU
 */
void qr_map_bind(void *addr, size_t size, unsigned node);
void qr_map_bind_within(void *addr, size_t size, uint64_t nodes, unsigned home);
void qr_map_interleave(void *addr, size_t size, uint64_t nodes);
void qr_map_unbind(void *addr, size_t size);

#endif
