/*
 * Readers that never block, and when what they read may be reused.
 *
 * Read-copy-update: a writer publishes a new version with one store and keeps
 * the old until no reader can still see it, a grace period later.
 *
 *	reader				writer, under the writers' lock
 *	token = read_lock()		publish the new version
 *	read the published version	cookie = qr_rcu_cookie()
 *	read_unlock(token)		...
 *					once qr_rcu_passed(cookie): reuse
 *
 * A writer never waits inside an allocation: it asks now and then whether the
 * time has passed.  What moves time on differs; Meson chooses one of
 *
 *	rcu_urcu.c	liburcu, the bulletproof flavour (M. Desnoyers and
 *			others, "User-Level Implementations of Read-Copy
 *			Update", IEEE TPDS 2012).  Nothing moves but in
 *			qr_rcu_hurry(), which waits.
 *	rcu_counted.c	counters of readers, after Linux's SRCU, where there is
 *			no liburcu.  qr_rcu_poll() moves time on when it can,
 *			and nobody ever waits.
 *
 * Rules
 *	- read_lock() is called with no lock of ours held: the first one of a
 *	  thread may register it with liburcu, which may call malloc.
 *	- Publishing stores and the readers' loads of them are seq_cst.
 *	- Read sections do not nest, and do not allocate or free.
 */
#ifndef QR_SYS_RCU_H
#define QR_SYS_RCU_H

#include <stdbool.h>

/* A token: this thread cannot be protected; it must take the lock. */
#define QR_RCU_NONE (~0u)

unsigned qr_rcu_read_lock(void);
void qr_rcu_read_unlock(unsigned token);

/* What was unpublished before this call may be reused once it has passed. */
unsigned long qr_rcu_cookie(void);
bool qr_rcu_passed(unsigned long cookie);

/* Move time on if that needs no waiting.  One caller at a time. */
void qr_rcu_poll(void);

/*
 * Move time on, waiting for readers if that is how it works here.  No lock
 * held, not in a read section.
 */
void qr_rcu_hurry(void);

/*
 * fork: before is called ahead of taking any lock of ours (a thread that
 * liburcu registers may allocate under liburcu's locks), after when all of
 * them are released.
 */
void qr_rcu_before_fork(void);
void qr_rcu_after_fork(bool child);

/* "liburcu-bp" or "counted" */
const char *qr_rcu_name(void);

#endif
