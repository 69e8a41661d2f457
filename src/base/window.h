/*
 * The extremes of a figure over the last few ticks of a clock.
 *
 * Of free memory the least amount there was in all that time is what nobody
 * needed; of memory in use the most is what may be needed again soon.  (C.
 * Waldspurger, "Memory Resource Management in VMware ESX Server", OSDI 2002,
 * keeps such estimates of what is idle; tcmalloc's low-water mark of a thread
 * cache is one of a single tick.)
 *
 * Whoever changes the figure notes it; whoever owns the clock turns the
 * window.  All zero is a valid start: the least is 0 until QR_WINDOW_TICKS
 * ticks have passed.  The caller locks.
 */
#ifndef QR_BASE_WINDOW_H
#define QR_BASE_WINDOW_H

#include "base/bits.h"

#include <stddef.h>

enum { QR_WINDOW_TICKS = 3 };

struct qr_window {
	size_t now;				/* in the tick that runs */
	size_t past[QR_WINDOW_TICKS - 1];	/* in those before it */
};

QR_INLINE void qr_window_note_least(struct qr_window *window, size_t value)
{
	if (value < window->now)
		window->now = value;
}

QR_INLINE void qr_window_note_most(struct qr_window *window, size_t value)
{
	if (value > window->now)
		window->now = value;
}

/* A tick ends, and the next begins with @value. */
QR_INLINE void qr_window_turn(struct qr_window *window, size_t value)
{
	for (int i = QR_WINDOW_TICKS - 2; i > 0; i--)
		window->past[i] = window->past[i - 1];
	window->past[0] = window->now;
	window->now = value;
}

/* The extremes, the tick that runs included. */
QR_INLINE size_t qr_window_least(const struct qr_window *window)
{
	size_t least = window->now;

	for (int i = 0; i < QR_WINDOW_TICKS - 1; i++)
		least = qr_min(least, window->past[i]);
	return least;
}

QR_INLINE size_t qr_window_most(const struct qr_window *window)
{
	size_t most = window->now;

	for (int i = 0; i < QR_WINDOW_TICKS - 1; i++)
		most = qr_max(most, window->past[i]);
	return most;
}

#endif
