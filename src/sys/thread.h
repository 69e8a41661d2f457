/*
 * A thread of our own, which leaves no trace in the program but its name.
 */
#ifndef QR_SYS_THREAD_H
#define QR_SYS_THREAD_H

#include <stdbool.h>
#include <stdint.h>

/* Has the process had one thread only so far?  False where libc cannot tell. */
bool qr_thread_is_single(void);

/*
 * Run @run in a detached thread called @name, with all signals blocked and a
 * small stack.  May be called in the middle of an allocation: libc allocates
 * for its own sake meanwhile.  0 or -errno; -ENOSYS where libc holds locks
 * while it allocates that starting a thread needs (musl, in dlopen).
 */
int qr_thread_start(void (*run)(void), const char *name);

/*
 * In a thread of ours: have file descriptors of its own, and none open, so
 * that what it opens cannot get in the program's way.  0 or -errno; -ENOSYS
 * before Linux 5.9.
 */
int qr_thread_leave_files(void);

/* What this thread has had of its CPU, in ns; 0 where that is not known. */
uint64_t qr_thread_time(void);

/* In a thread of ours: do nothing for so long. */
void qr_thread_sleep(unsigned milliseconds);

#endif
