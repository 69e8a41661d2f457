/*
 * Free mappings by size: eight bins an octave, so that those in one bin
 * differ by 12.5 % at most; and all of them by age.
 *
 * The caller brings the locking.  All zero is empty.
 */
#ifndef QR_ARENA_LARGE_BINS_H
#define QR_ARENA_LARGE_BINS_H

#include "arena/vma.h"

enum {
	QR_LARGE_MIN_SHIFT = 12,
	QR_NR_LARGE_BINS = (64 - QR_LARGE_MIN_SHIFT) * 8,
};

struct qr_large_bins {
	struct qr_list bins[QR_NR_LARGE_BINS];	/* newest first */
	uint64_t used[(QR_NR_LARGE_BINS + 63) / 64];
	struct qr_list lru;	/* newest first */
	size_t bytes, nr;
};

void qr_large_bins_add(struct qr_large_bins *bins, struct qr_vma *vma);
void qr_large_bins_del(struct qr_large_bins *bins, struct qr_vma *vma);

struct qr_large_wish {
	size_t size, align;
	size_t high;	/* 0: any, cut as the caller likes */
	unsigned node;	/* or QR_VMA_ANY_NODE */
};

/*
 * A mapping that has size bytes at a multiple of align: the smallest of at
 * most high bytes that start there.  NULL: none found (few of a bin are looked
 * at).
 */
struct qr_vma *qr_large_bins_fit(const struct qr_large_bins *bins,
				 const struct qr_large_wish *wish);

/* The one that has been here longest, or NULL. */
struct qr_vma *qr_large_bins_oldest(const struct qr_large_bins *bins);

bool qr_large_bins_check(const struct qr_large_bins *bins);

#endif
