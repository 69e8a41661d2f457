/*
 * Barns: free objects on their way from one CPU to another.
 *
 * Where one thread allocates and another frees, objects flow from the second
 * CPU's arrays to the first's.  The barn passes them on by the batch, under
 * one short lock and without a look at the slabs (J. Bonwick and J. Adams,
 * "Magazines and Vmem", USENIX 2001, call it the depot).  It is one stack of
 * pointers, had when the first batch comes.
 *
 * Locking: barn->lock (rank BARN).
 */
#ifndef QR_SLAB_BARN_H
#define QR_SLAB_BARN_H

#include "slab/cache.h"

/* Up to @n objects, the most recently freed first; how many. */
size_t qr_barn_get(struct qr_barn *barn, void **objects, size_t n);

/* Take in objects, the last being the most recently freed; how many fitted. */
size_t qr_barn_put(struct qr_cache *cache, struct qr_barn *barn,
		   void *const *objects, size_t n);

/* Was it last used before the last time that this was asked? */
bool qr_barn_is_idle(struct qr_barn *barn);

/* A tick ends: how many objects nobody needed lately. */
size_t qr_barn_turn(struct qr_barn *barn);

/* Up to @n objects, those freed the longest ago; how many. */
size_t qr_barn_get_cold(struct qr_barn *barn, void **objects, size_t n);

#endif
