/*
 * Locks: one word each, a futex behind it, with a rank.
 *
 *	word	0 free, 1 held, 2 held and somebody may sleep
 *
 * A thread takes locks in ascending rank only.  Two locks of one rank (zones,
 * barns) are never held together, but by fork, which takes every lock in rank
 * order.  A build with -Dlock_debug=true checks both, before it would wait, and
 * the asserts: what is wrong traps.
 *
 * A lock that an allocation may have to wait for is never held across a system
 * call that may take long (madvise, munmap of a large range).  Held across such
 * calls are those that only trims, reports and reclaim take: CACHES, DRAIN and
 * PURGE.  SPAN is held while addresses are reserved and committed.
 *
 * Fork: the holder resets its copy in the child, which also forgets sleepers
 * that the child does not have.
 */
#ifndef QR_SYS_LOCK_H
#define QR_SYS_LOCK_H

#include "base/compiler.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum qr_lock_rank {
	QR_RANK_SHRINKERS, /* the program's shrinkers */
	QR_RANK_CACHES,	/* registry of kmem_caches */
	QR_RANK_DRAIN,	/* one drain of another CPU's arrays at a time */
	QR_RANK_CPU,	/* fallback mode: one CPU's arrays */
	QR_RANK_BARN,	/* free objects of one cache and node */
	QR_RANK_SLAB,	/* slab lists and bitmaps of one cache and node */
	QR_RANK_LARGE,	/* cache of recently freed large mappings */
	QR_RANK_VMA,	/* writers of the VMA tree */
	QR_RANK_SPAN,	/* frontiers and the table of spans */
	QR_RANK_PURGE,	/* one purge of a zone at a time; long */
	QR_RANK_PCP,	/* one CPU's stash of page runs */
	QR_RANK_ZONE,	/* free areas of one zone */
	QR_RANK_META,	/* memory for our own structures */
	QR_RANK_PRINT,	/* whole lines on stderr */
	QR_NR_RANKS
};

struct qr_lock {
	_Atomic uint32_t word;
	uint32_t rank;
};

#define QR_LOCK_INIT(r) { .word = 0, .rank = (r) }

void qr_lock_init(struct qr_lock *lock, enum qr_lock_rank rank);
void qr_lock_acquire_slow(struct qr_lock *lock);
void qr_lock_release_slow(struct qr_lock *lock);

#ifdef QR_LOCK_DEBUG
void qr_lock_check_order(const struct qr_lock *lock);
void qr_lock_note_acquired(struct qr_lock *lock);
void qr_lock_note_released(struct qr_lock *lock);
void qr_lock_assert_held(const struct qr_lock *lock);
/* fork only: several locks of one rank at once are fine until false */
void qr_lock_allow_same_rank(bool allow);
#else
QR_INLINE void qr_lock_check_order(const struct qr_lock *lock) { (void)lock; }
QR_INLINE void qr_lock_note_acquired(struct qr_lock *lock) { (void)lock; }
QR_INLINE void qr_lock_note_released(struct qr_lock *lock) { (void)lock; }
QR_INLINE void qr_lock_assert_held(const struct qr_lock *lock) { (void)lock; }
QR_INLINE void qr_lock_allow_same_rank(bool allow) { (void)allow; }
#endif

QR_INLINE bool qr_lock_try(struct qr_lock *lock)
{
	uint32_t free_word = 0;

	qr_lock_check_order(lock);
	/* acquire: pairs with the release in qr_lock_release */
	if (!atomic_compare_exchange_strong_explicit(&lock->word, &free_word,
						     1, memory_order_acquire,
						     memory_order_relaxed))
		return false;
	qr_lock_note_acquired(lock);
	return true;
}

QR_INLINE void qr_lock_acquire(struct qr_lock *lock)
{
	uint32_t free_word = 0;

	qr_lock_check_order(lock);
	/* acquire: pairs with the release in qr_lock_release */
	if (qr_unlikely(!atomic_compare_exchange_strong_explicit(
		    &lock->word, &free_word, 1, memory_order_acquire,
		    memory_order_relaxed)))
		qr_lock_acquire_slow(lock);
	qr_lock_note_acquired(lock);
}

QR_INLINE void qr_lock_release(struct qr_lock *lock)
{
	qr_lock_note_released(lock);
	/* release: pairs with the acquires above */
	if (qr_unlikely(atomic_exchange_explicit(&lock->word, 0,
						 memory_order_release) == 2))
		qr_lock_release_slow(lock);
}

/* In a fork's child, by the thread that held @lock when it forked. */
QR_INLINE void qr_lock_reset(struct qr_lock *lock)
{
	qr_lock_note_released(lock);
	atomic_store_explicit(&lock->word, 0, memory_order_relaxed);
}

/* After a fork, by the thread that took @lock for it. */
QR_INLINE void qr_lock_after_fork(struct qr_lock *lock, bool child)
{
	if (child)
		qr_lock_reset(lock);
	else
		qr_lock_release(lock);
}

#endif
