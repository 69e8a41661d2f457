/*
 * The four that all the others follow: see new.h.
 */
#include "api/new.h"

#include "api/cxx.h"
#include "base/bits.h"
#include "core/core.h"
#include "slab/hot.h"

/* clang-format off */
void *cxx_new(size_t size) QR_REPLACEABLE(qr_new);
void *cxx_new_aligned(size_t size, size_t align) QR_REPLACEABLE(qr_new_aligned);
void cxx_delete(void *ptr) QR_REPLACEABLE(qr_delete);
void cxx_delete_aligned(void *ptr, size_t align)
	QR_REPLACEABLE(qr_delete_aligned);
/* clang-format on */

/* The handler makes memory available, throws, or ends the program. */
static QR_COLD void call_handler(size_t size)
{
	qr_new_handler handler = qr_cxx_new_handler();

	if (!handler)
		qr_cxx_throw_bad_alloc(size);
	handler();
}

static QR_COLD void *new_missed(size_t size)
{
	for (;;) {
		void *ptr = qr_malloc_slow(size);

		if (ptr)
			return ptr;
		call_handler(size);
	}
}

void *qr_new(size_t size)
{
	return qr_hot_malloc(size, new_missed);
}

void *qr_new_aligned(size_t size, size_t align)
{
	if (qr_unlikely(!qr_is_pow2(align)))
		qr_cxx_throw_bad_alloc(size);
	for (;;) {
		void *ptr = qr_aligned_alloc(align, size);

		if (ptr)
			return ptr;
		call_handler(size);
	}
}

void qr_delete(void *ptr)
{
	qr_hot_free(ptr, qr_free_slow);
}

void qr_delete_aligned(void *ptr, size_t align)
{
	(void)align;
	qr_free(ptr);
}
