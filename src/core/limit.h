/*
 * The limit of the process's own, and what is done where memory is short.
 *
 * Whoever is refused memory, by the budget (arena/budget.h) or by the kernel,
 * calls qr_relieve() with no lock held, and tries again as long as it says so:
 *
 *	refused by the budget		refused by the kernel
 *	1 free pages and mappings	1 all caches are dropped
 *	  go back, as many as wanted	2 the program's shrinkers, if they
 *	2 all caches are dropped	  could ever free that much
 *	3 the program's shrinkers
 *	  are called			3 the reserve, for small objects
 *	4 soft: the bar goes up a step	4 NULL
 *	  hard: the reserve, then NULL
 *
 * A step of the left ladder is left out if the one before brought what is used
 * down to a half step below the limit.  A step is a sixteenth of the limit: so
 * often are caches dropped and shrinkers called while a program that has more
 * than its soft limit grows, and not for every object.  The bar comes down
 * again at the next refusal, or tick of the reclaimer.
 *
 * Near the limit less is kept free, as in a container (core/container.h), whose
 * mark comes before all this.
 */
#ifndef QR_CORE_LIMIT_H
#define QR_CORE_LIMIT_H

#include "base/compiler.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Options "limit" and "limit_hard"; at boot. */
void qr_limit_init(void);

/* @limit bytes from now on; 0: none. */
void qr_limit_set(size_t limit, bool hard);

/* What may be kept free, as a container's share; SIZE_MAX: no limit. */
size_t qr_limit_keep(void);

/* @bytes, or more, went back to the kernel: after a trim, and every tick. */
void qr_limit_note_freed(size_t bytes);

/* @size bytes are wanted; all zero but that before the first call. */
struct qr_need {
	size_t size;
	bool dropped, shrunk;
	uint8_t nr_raised;
};

/*
 * True: try again.  False: NULL is the answer, and is taken note of.  Calls
 * the program's functions; keeps errno.
 */
bool qr_relieve(struct qr_need *need) QR_COLD;

/* Give @bytes back to the kernel, whatever it takes; how many came. */
size_t qr_balloon(size_t bytes);

struct qr_limit_stats {
	size_t limit;		/* 0: none */
	bool hard;
	size_t bar;		/* SIZE_MAX: none; see arena/budget.h */
	uint64_t events;	/* refused by the budget */
	uint64_t raised;	/* of these, allowed all the same */
	uint64_t refusals;	/* NULLs, for want of memory */
};
void qr_limit_read_stats(struct qr_limit_stats *ret_stats);

#endif
