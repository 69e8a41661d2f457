#include "sys/futex.h"

#include <errno.h>
#include <linux/futex.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

static void futex(_Atomic uint32_t *word, int op, uint32_t value)
{
	int saved = errno;

	syscall(SYS_futex, word, op, value, NULL, NULL, 0);
	errno = saved;
}

void qr_futex_wait(_Atomic uint32_t *word, uint32_t value)
{
	futex(word, FUTEX_WAIT_PRIVATE, value);
}

void qr_futex_wake(_Atomic uint32_t *word)
{
	futex(word, FUTEX_WAKE_PRIVATE, 1);
}
