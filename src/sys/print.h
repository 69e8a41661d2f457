/*
 * Printing without allocation and without stdio.
 *
 * A qr_out collects text in a buffer and hands full buffers to a sink.  It is
 * used by one thread.  Format letters: %s %c %d %u %x %p %%, with the lengths
 * l, ll, z, a width, '-' and '0' flags, and %.*s; nothing else: from the first
 * conversion that is none of these the format is printed as it stands.
 *
 * Everything here keeps errno and is no cancellation point.
 */
#ifndef QR_SYS_PRINT_H
#define QR_SYS_PRINT_H

#include "base/compiler.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

struct qr_out {
	/* takes @n bytes; returns 0 or -errno, which sticks in error */
	int (*sink)(void *arg, const char *bytes, size_t n);
	void *arg;
	int error;
	size_t used;
	char buffer[1024];
};

/* To a file descriptor: short writes are continued, EINTR is repeated. */
void qr_out_init_fd(struct qr_out *out, int fd);
void qr_out_init(struct qr_out *out,
		 int (*sink)(void *arg, const char *bytes, size_t n),
		 void *arg);
void qr_out_printf(struct qr_out *out, const char *format, ...)
	QR_PRINTF(2, 3);
void qr_out_vprintf(struct qr_out *out, const char *format, va_list args);
/* A string between quotes, escaped as JSON asks; bad UTF-8 becomes U+FFFD. */
void qr_out_json_string(struct qr_out *out, const char *string);
/* Empty the buffer; returns 0 or the first error. */
int qr_out_flush(struct qr_out *out);

/* Like snprintf: returns the length that it would have had. */
size_t qr_format(char *buffer, size_t size, const char *format, ...)
	QR_PRINTF(3, 4);

/*
 * One line "quarry: ..." on stderr in a single write, cut at 512 bytes.  Takes
 * no lock and calls nothing that allocates: fine before libc is ready, in
 * signal handlers and with any lock held.
 */
void qr_warn(const char *format, ...) QR_PRINTF(1, 2);

/* The same line, then abort(). */
void qr_die(const char *format, ...) QR_PRINTF(1, 2) QR_NORETURN QR_COLD;

#endif
