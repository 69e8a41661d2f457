/*
 * Misuse of objects: one sentence on stderr, with the address and what it is;
 * then abort.  No lock may be held.
 */
#ifndef QR_SLAB_MISUSE_H
#define QR_SLAB_MISUSE_H

#include "base/compiler.h"

struct qr_cache;

/* A second free of an object of @cache. */
void qr_misuse_double_free(const void *ptr, const struct qr_cache *cache)
	QR_NORETURN QR_COLD;

/* @ptr lies in a slab of @cache but is not the start of an object. */
void qr_misuse_interior(const char *operation, const void *ptr,
			const struct qr_cache *cache) QR_NORETURN QR_COLD;

#endif
