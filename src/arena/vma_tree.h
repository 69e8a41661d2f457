/*
 * The tree behind arena/vma.h: a balanced tree (AVL) that is never changed,
 * only replaced.
 *
 * Every operation makes new nodes for the path that it touches and shares the
 * rest; the old nodes are retired.  Whoever holds an old root goes on reading
 * the old tree.  Each node sums up what lies below it:
 *
 *	     [vma 40-50]		first 10, last 90
 *	     /         \		max_gap: widest hole between neighbours
 *	[10-20]       [60-90]	runs: mappings, as the kernel merges neighbours
 *
 * G. M. Adel'son-Vel'skii and E. M. Landis, "An algorithm for the organization
 * of information" (1962); J. R. Driscoll, N. Sarnak, D. D. Sleator and
 * R. E. Tarjan, "Making Data Structures Persistent" (1989).
 *
 * Pure: no lock, no allocation but from the pool.
 */
#ifndef QR_ARENA_VMA_TREE_H
#define QR_ARENA_VMA_TREE_H

#include "arena/vma.h"

struct qr_vma_node {
	const struct qr_vma_node *left, *right;
	struct qr_vma *vma;
	uintptr_t first, last;	/* of everything below */
	size_t max_gap;
	uint32_t runs;
	uint32_t height;	/* 1 for a leaf */
	struct qr_vma_node *next;	/* of the pool's lists */
};

static_assert(sizeof(struct qr_vma_node) == 64, "a block of its own size");

/* Nodes for new versions, and those of old ones. */
struct qr_vma_pool {
	struct qr_vma_node *free;
	struct qr_vma_node *retired;
	size_t nr_free, nr_retired;
};

/* The most nodes that one operation takes from the pool. */
QR_INLINE size_t qr_vma_tree_need(const struct qr_vma_node *root)
{
	return 3 * ((root ? root->height : 0) + 2);
}

/* The tree with @vma, which overlaps none; without the one at @start. */
const struct qr_vma_node *qr_vma_tree_insert(struct qr_vma_pool *pool,
					     const struct qr_vma_node *root,
					     struct qr_vma *vma);
const struct qr_vma_node *qr_vma_tree_remove(struct qr_vma_pool *pool,
					     const struct qr_vma_node *root,
					     uintptr_t start);

/* The lowest with end > @addr; the highest with start < @addr; or NULL. */
struct qr_vma *qr_vma_tree_from(const struct qr_vma_node *root, uintptr_t addr);
struct qr_vma *qr_vma_tree_before(const struct qr_vma_node *root,
				  uintptr_t addr);

uintptr_t qr_vma_tree_gap(const struct qr_vma_node *root,
			  const struct qr_vma_gap *wish);

/* Order, balance, sums; *@ret_nr: how many. */
bool qr_vma_tree_check(const struct qr_vma_node *root, size_t *ret_nr);

#endif
