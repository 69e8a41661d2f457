/*
 * Every mapping that Quarry made, in address order: the kernel's
 * vm_area_struct and mm_struct for one process.
 *
 *	struct qr_vma	one interval; never changes but for its state, which
 *			belongs to its owner
 *	the tree	see vma_tree.h: versions, each published by one store
 *
 *	kind	mapping of					neighbours
 *	SPAN	a span: descriptors and frames			merge
 *	META	a chunk of arena/meta.h				merge
 *	OTHER	anything else of ours				merge
 *	LARGE	arena/large.h, one object each			stay apart
 *
 * Readers take no lock and see one version throughout a read section; what
 * they found may be used until it ends, and longer by whoever owns it.
 *
 *	token = qr_vma_read_begin()
 *	vma = qr_vma_find(addr)
 *	qr_vma_read_end(token)
 *
 * The owner of a LARGE one is whoever moved its state on by compare and
 * exchange; see large.c.
 *
 * Writers make a new version under the lock of rank VMA, publish it, and
 * retire the old nodes until a grace period has passed (sys/rcu.h).  No
 * reader is ever waited for under the lock.  A version is complete: a split
 * or a merge is never seen half done.
 *
 * Locks: LARGE > VMA > META.  qr_vma_read_begin() with no lock held.
 *
 * Budget: the kernel allows a process vm.max_map_count mappings and merges
 * anonymous neighbours.  runs counts ours as the kernel does.  Past three
 * quarters of the limit qr_vma_tight() holds, and nobody splits any more.
 */
#ifndef QR_ARENA_VMA_H
#define QR_ARENA_VMA_H

#include "base/list.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum qr_vma_kind {
	QR_VMA_SPAN,
	QR_VMA_META,
	QR_VMA_OTHER,
	QR_VMA_LARGE,
	QR_NR_VMA_KINDS
};

struct qr_vma {
	uintptr_t start, end;
	uint8_t kind;
	uint8_t node;		/* LARGE: its placement; else ANY_NODE */
	uint16_t flags;		/* the owner's; never change */
	_Atomic uint32_t state;	/* the owner's */
	struct qr_list link;	/* the owner's lists */
	struct qr_list lru;
};

static_assert(sizeof(struct qr_vma) <= 64, "a block of its own size");

enum { QR_VMA_ANY_NODE = 255 };

QR_INLINE size_t qr_vma_size(const struct qr_vma *vma)
{
	return vma->end - vma->start;
}

/* "span", "metadata", "large", ... */
const char *qr_vma_kind_name(enum qr_vma_kind kind);

/*
 * The simple calls, for whoever made or unmapped a mapping.  May be called at
 * any time, boot included, under locks below rank VMA.  Register merges with
 * neighbours of the same kind; unregister cuts the range out.  0 or -ENOMEM,
 * or -EEXIST; a failure costs no more than a line in a report.
 */
int qr_vma_register(const void *addr, size_t size, enum qr_vma_kind kind);
int qr_vma_unregister(const void *addr, size_t size);

/* Readers. */
unsigned qr_vma_read_begin(void);
void qr_vma_read_end(unsigned token);
/* The one that holds @addr, or NULL. */
struct qr_vma *qr_vma_find(uintptr_t addr);
/* The lowest with an end above @addr, or NULL. */
struct qr_vma *qr_vma_find_from(uintptr_t addr);

/*
 * In order, for reports: a copy of the lowest with an end above @addr.  False:
 * none.  Takes care of its own read section.
 */
struct qr_vma_info {
	uintptr_t start, end;
	enum qr_vma_kind kind;
	unsigned node;
	uint32_t state;
};
bool qr_vma_next(uintptr_t addr, struct qr_vma_info *ret_info);

/*
 * The one change that all others are made of: @old leave, @new come, in one
 * version.  -ENOMEM, -EEXIST (a new one overlaps) or -EINVAL (empty, past the
 * end, an old one unknown): nothing was done.  Otherwise the old are no
 * longer the caller's, and @ret_vmas, if not NULL, has the new.
 */
struct qr_vma_change {
	struct qr_vma *const *old;
	unsigned nr_old;	/* at most 3 */
	const struct qr_vma *new;	/* start to state are read */
	unsigned nr_new;	/* at most 3 */
};
int qr_vma_replace(const struct qr_vma_change *change,
		   struct qr_vma **ret_vmas);

int qr_vma_insert(const struct qr_vma *new, struct qr_vma **ret_vma);
int qr_vma_remove(struct qr_vma *vma);
/* [start, @at) and [@at, end), of the state of @vma. */
int qr_vma_split(struct qr_vma *vma, uintptr_t at, struct qr_vma *ret_vmas[2]);
/* @low and @high touch: one, of the state of @low. */
int qr_vma_merge(struct qr_vma *low, struct qr_vma *high,
		 struct qr_vma **ret_vma);
int qr_vma_resize(struct qr_vma *vma, size_t size, struct qr_vma **ret_vma);
int qr_vma_move(struct qr_vma *vma, uintptr_t start, size_t size,
		struct qr_vma **ret_vma);

/*
 * Take @vma out, to put it back elsewhere without fail: for mremap, during
 * which the kernel may give its old place to another thread.  NULL: no
 * memory, nothing was done.  Else @vma is gone, and the answer goes to
 * qr_vma_link or qr_vma_forget.
 */
struct qr_vma *qr_vma_unlink(struct qr_vma *vma);
void qr_vma_link(struct qr_vma *vma, uintptr_t start, size_t size);
void qr_vma_forget(struct qr_vma *vma);

/*
 * The neighbours that touch @vma and are of its kind, flags and state @state,
 * else NULL.  They are the caller's as far as that state makes them so.
 */
void qr_vma_neighbours(const struct qr_vma *vma, uint32_t state,
		       struct qr_vma **ret_low, struct qr_vma **ret_high);

/* Would the kernel have to split a mapping in order to unmap @vma? */
bool qr_vma_unmap_splits(const struct qr_vma *vma);

/*
 * A hole of ours (others may have filled it) of @size bytes, aligned to
 * @align, within [@low, @high): the highest or the lowest.  0: none.
 */
struct qr_vma_gap {
	uintptr_t low, high;
	size_t size, align;
	bool lowest;
};
uintptr_t qr_vma_find_gap(const struct qr_vma_gap *wish);

/* The end of the highest one; 0: there is none. */
uintptr_t qr_vma_end(void);

/* Nodes and intervals await the end of a grace period: see to it.  No lock. */
void qr_vma_quiesce(void);

struct qr_vma_stats {
	size_t nr;		/* intervals */
	size_t runs;		/* mappings, as the kernel counts them */
	size_t limit;		/* vm.max_map_count, as far as it is known */
	size_t retired;		/* blocks of 64 bytes that wait */
	size_t spare;		/* and that are free */
};
void qr_vma_read_stats(struct qr_vma_stats *ret_stats);

/*
 * The budget is nearly spent.  May open a file, once, when it first could be.
 */
bool qr_vma_tight(void);
/* So many more mappings of the kernel are used beside those in the tree. */
void qr_vma_note_others(int more);
/* Tests: a limit of our own; 0: the kernel's again. */
void qr_vma_set_limit(size_t limit);

/* Everything holds that should; writers are kept out meanwhile. */
bool qr_vma_check(void);

/* fork; and see qr_rcu_before_fork. */
void qr_vma_lock_all(void);
void qr_vma_unlock_all(bool child);

#endif
