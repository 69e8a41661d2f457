/*
 * News: what the kernel and the service manager say of memory, for the
 * reclaimer's thread to wait for.
 *
 *	EVENTS		memory.events of the level of our cgroup that is next
 *			to come to its limit: the limit was met
 *	PRESSURE	what the service manager asks to be watched
 *			(sys/pressure.h), else a trigger of our own on the
 *			group's memory.pressure, where we may set one: tasks
 *			stood still for want of memory for a tenth of 2 s
 *	BELL		another thread woke us
 *
 * All descriptors are the thread's own.  Where there are none but the bell,
 * nothing is open and the thread waits as it would without this file.
 */
#ifndef QR_CORE_NEWS_H
#define QR_CORE_NEWS_H

#include "sys/cgroup.h"

/* What the environment says; while the program cannot change it yet. */
void qr_news_read_environment(void);

/*
 * The rest but qr_news_wake is for the thread alone, once it has a table of
 * descriptors of its own.
 */

/* Listen at @level of @group; NULL: there is no group.  Cheap if repeated. */
void qr_news_listen(const struct qr_cgroup *group, unsigned level);

/* Is there anything that could have news? */
bool qr_news_expected(void);

/*
 * True: there is news, and it is taken.  False: @milliseconds (-1: no end)
 * are over, or the bell rang, or for no reason.
 */
bool qr_news_wait(int milliseconds);

/* From any thread: qr_news_wait() ends. */
void qr_news_wake(void);

/* In the child: there is no thread. */
void qr_news_after_fork(void);

#endif
