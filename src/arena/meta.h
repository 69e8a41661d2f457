/*
 * Memory for the allocator's own small structures: tree nodes, barns, caches
 * that a program made.  Never used by the hot paths.
 *
 * Chunks come from mappings of their own (64 KiB and up, growing), are cut by
 * a bump pointer and recycled by size (powers of two from 64 bytes up to
 * 64 KiB); what was freed is never unmapped, so a stale lock-free reader of a
 * tree node reads old memory, not a hole.
 *
 * Locking: one lock, rank META.  It is held across the mmap of a new chunk,
 * which no reader waits for.
 */
#ifndef QR_ARENA_META_H
#define QR_ARENA_META_H

#include <stdbool.h>
#include <stddef.h>

/* @size zero bytes, aligned to 64; NULL: a limit was met. */
void *qr_meta_alloc(size_t size);
/* @size as it was asked for. */
void qr_meta_free(void *ptr, size_t size);
/* Bytes of chunks had from the kernel. */
size_t qr_meta_bytes(void);

/*
 * The chunks, newest first, for who keeps count of mappings (arena/vma.h):
 * each starts at its own address.  Lock-free.
 */
struct qr_meta_chunk;
const struct qr_meta_chunk *qr_meta_chunks(void);
const struct qr_meta_chunk *
qr_meta_chunk_older(const struct qr_meta_chunk *chunk, size_t *ret_size);

void qr_meta_lock_all(void);
void qr_meta_unlock_all(bool child);

#endif
