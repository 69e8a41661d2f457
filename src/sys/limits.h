/*
 * What the process may have, and what it was told: by system calls and the
 * auxiliary vector, without opening a file.
 */
#ifndef QR_SYS_LIMITS_H
#define QR_SYS_LIMITS_H

#include <stddef.h>

struct qr_limits {
	size_t memory;		/* of the machine, bytes */
	size_t address_space;	/* RLIMIT_AS; SIZE_MAX: none */
};

/* 2 system calls. */
void qr_limits_read(struct qr_limits *ret_limits);

/*
 * The value of an environment variable, also before libc knows where the
 * environment is; NULL if unset, and always in a privileged (AT_SECURE)
 * process.
 */
const char *qr_environment(const char *name);

#endif
