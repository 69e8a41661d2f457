/*
 * Blame: what an address is that a program passed wrongly, in one sentence on
 * stderr; then abort.  See test/misuse/README.md for the sentences.
 */
#ifndef QR_CORE_BLAME_H
#define QR_CORE_BLAME_H

#include "base/compiler.h"

#include <stddef.h>

/* @ptr is not the start of anything live. */
void qr_blame(const char *operation, const void *ptr) QR_NORETURN QR_COLD;

/* It is, but of @has bytes, which is not what malloc(@size) makes. */
void qr_blame_size(const void *ptr, size_t size, size_t has)
	QR_NORETURN QR_COLD;

/* It does not come from the cache of this name. */
void qr_blame_cache(const char *name, const void *ptr) QR_NORETURN QR_COLD;

#endif
