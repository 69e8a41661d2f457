/*
 * Text collected in a mapping of its own.
 *
 * Reports are read under the allocator's locks.  Whoever reads our output, a
 * stdio stream or the other end of a pipe, may need to allocate before it
 * takes more; so a report is collected here first, and leaves when no lock is
 * held.  Used by one thread.
 */
#ifndef QR_API_TEXT_H
#define QR_API_TEXT_H

#include "sys/print.h"

struct qr_text {
	struct qr_out out; /* write here */
	char *base;	   /* what was flushed so far */
	size_t used, size;
};

void qr_text_init(struct qr_text *text);
void qr_text_destroy(struct qr_text *text);

/* Everything is at base after it; 0, or -ENOMEM: something is missing. */
int qr_text_finish(struct qr_text *text);

#endif
