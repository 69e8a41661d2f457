/*
 * Shrinkers: what the program can do without.
 *
 * The program registers functions that free some of what it keeps for speed
 * alone (the kernel's shrinkers); they are called where memory is short.
 *
 *	a run	calls them, oldest first, until they have freed enough
 *
 * One thread runs them at a time; whoever comes meanwhile, their own frees
 * and allocations included, goes without.  They are called with no lock held:
 * a run finds the next by its number, so that the list may change under it.
 * Who unregisters one that is running waits for its end, unless it is that
 * one itself.
 *
 * Locking: one lock (rank SHRINKERS) for the list and for who runs.
 *
 * Fork: the child has no run under way but its own thread's.
 */
#ifndef QR_CORE_SHRINKER_H
#define QR_CORE_SHRINKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Free about @bytes; returns how many were. */
typedef size_t qr_shrink_fn(void *arg, size_t bytes);

/* 0; -EINVAL: no function, -EEXIST: is there, -ENOMEM. */
int qr_shrinker_register(qr_shrink_fn *shrink, void *arg);

/* 0, and it is not called any more; -ENOENT. */
int qr_shrinker_unregister(qr_shrink_fn *shrink, void *arg);

/*
 * Have the program free @bytes: how many it says it did.  What was freed is in
 * our caches: the kernel has it after a qr_trim().  No lock is held.
 */
size_t qr_shrinkers_run(size_t bytes);

/* The number of the run that another thread is at, or 0. */
uint64_t qr_shrinkers_other_run(void);

struct qr_shrinker_stats {
	uint64_t registered, calls, bytes;
};
void qr_shrinkers_read_stats(struct qr_shrinker_stats *ret_stats);

void qr_shrinkers_lock_all(void);
void qr_shrinkers_unlock_all(bool child);

#endif
