/*
 * The container: what the cgroup that we are in leaves us.
 *
 * Under its memory limit nobody says NULL, the kernel kills.  So less is kept
 * ready in one: a sixteenth of the limit in each zone, and up to as much again
 * by what is in use; a sixteenth in mappings.  Near the limit (less than an
 * eighth is left, page cache not counted) it is 1 MiB instead of each.
 *
 * Limits change while a program runs: every look reads them anew.
 *
 * Between two looks a thread could take all that is left.  So a look marks in
 * the budget (arena/budget.h) half of the room that it saw, and who comes to
 * the mark looks again himself, and gives back what is free if the limit is
 * near: a stall for some threads instead of the end for all.  Nobody is
 * refused memory for good.
 */
#ifndef QR_CORE_CONTAINER_H
#define QR_CORE_CONTAINER_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Read the limits and what is used, and keep as much as they allow.  True: the
 * limit is near.  Opens files; of threads that come at once one looks, and the
 * others are told what it said the last time.
 */
bool qr_container_look(void);

/* The same by the reclaimer's thread, which listens for news then. */
bool qr_container_look_and_listen(void);

/* The process's own limit changed, which bounds what is kept as well. */
void qr_container_keep_again(void);

/*
 * The budget refused @bytes.  True: the mark was in the way and is no more, so
 * try again.  No lock is held.
 */
bool qr_container_relieve(size_t bytes);

/* How many bytes less would end the want of memory, as of the last look. */
size_t qr_container_want(void);

/* Bytes, as of the last look; SIZE_MAX: none. */
size_t qr_container_limit(void);

void qr_container_after_fork(void); /* in the child */

extern const char *qr_container_root; /* "" but for tests */

#endif
