/*
 * The hand: what a CPU's arrays hold and nobody uses goes back to the slabs,
 * also where no reclaimer ticks.
 *
 * A program goes through phases, each with sizes of its own; what the arrays
 * hold of the last one's would stay until the end, and the next one would take
 * fresh pages.  So every few misses a hand moves on to the next of the CPU's
 * rows, as that of the clock algorithm does (F. Corbato, "A Paging Experiment
 * with the Multics System", 1968).  A row whose tops are where they were when
 * it was last looked at is emptied; then its class's barn, and its empty slab.
 *
 * The clock is made of misses: a program that hits pays nothing, and one that
 * sleeps is left to the reclaimer.  (tcmalloc and jemalloc collect a thread's
 * cache in the same way.)
 *
 * Locking: none is held by the caller.  Only rows of the general caches, which
 * are never destroyed, and of the CPU that we run on: all changes are
 * qr_row_change()s.
 */
#ifndef QR_SLAB_HAND_H
#define QR_SLAB_HAND_H

#include <stdint.h>

struct qr_site;

/* There will be something in the row of a general cache. */
void qr_hand_mark(const struct qr_site *site);

/* A miss that the arrays could not serve: what time is it on this CPU? */
uint8_t qr_hand_clock(const struct qr_site *site);

/* The same miss, when it has been served. */
void qr_hand_move(const struct qr_site *missed);

#endif
