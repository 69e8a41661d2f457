/*
 * Waiting for descriptors, in a thread of ours that has its own (see
 * qr_thread_leave_files), and a bell to wake it there.
 *
 * Nobody else can write to a descriptor of such a thread, so the bell is a
 * signal to it alone: it has all of them blocked, so this one stays pending,
 * no handler runs, and the thread reads it from a signalfd.
 *
 * errno is kept; nothing here is a cancellation point.
 */
#ifndef QR_SYS_BELL_H
#define QR_SYS_BELL_H

#include <poll.h>
#include <stdatomic.h>

/* Until one has news, or so many @milliseconds; -1: without an end. */
void qr_poll(struct pollfd *fds, unsigned n, int milliseconds);

/* All zero is a bell that nobody hears. */
struct qr_bell {
	int process;
	_Atomic int thread; /* who hears it; 0: nobody */
};

/* In the thread that is to hear it: a descriptor for POLLIN, or -errno. */
int qr_bell_open(struct qr_bell *bell);
/* It was heard. */
void qr_bell_answer(int fd);
/* From any thread. */
void qr_bell_ring(struct qr_bell *bell);

#endif
