/*
 * fork: every lock is held, in the order of ranks, while the address space is
 * copied, so that the child finds all structures whole and its locks free.
 *
 * The per-CPU arrays need no lock: what another thread was doing to one has,
 * in the child, either happened or not.
 */
#ifndef QR_CORE_FORK_H
#define QR_CORE_FORK_H

void qr_fork_prepare(void);
void qr_fork_parent(void);
void qr_fork_child(void);

#endif
