/*
 * futex(2), private to the process: to sleep while a word keeps its value.
 * errno is kept; nothing here is a cancellation point.
 */
#ifndef QR_SYS_FUTEX_H
#define QR_SYS_FUTEX_H

#include <stdatomic.h>
#include <stdint.h>

/* Returns when woken, when *@word is not @value, or for no reason. */
void qr_futex_wait(_Atomic uint32_t *word, uint32_t value);

void qr_futex_wake(_Atomic uint32_t *word);

#endif
