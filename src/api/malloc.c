/*
 * The standard's names, and those that every libc on Linux has.
 *
 * malloc and free are the hot path, inlined from slab/hot.h; whatever misses,
 * and all the other functions, leave for core by one call.  Decided here is
 * only what the standards say and core does not know:
 *
 *	align not a power of two	aligned_alloc, memalign: NULL, EINVAL
 *					posix_memalign: EINVAL, errno kept
 *	align that cannot be had	ENOMEM, the same ways
 *	n * size overflows		NULL, ENOMEM; the old block stays
 *	realloc(ptr, 0)			frees ptr: NULL, as glibc does
 *
 * Sizes beyond PTRDIFF_MAX are refused by core.  Names that glibc alone has
 * are in glibc.c and cfree.c.  C23's are weak: a program may have functions
 * of these names, and is linked with them where we are an archive.
 */
#include "base/bits.h"
#include "core/core.h"
#include "slab/hot.h"
#include "sys/map.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>

static const size_t max_align = (size_t)1 << 30;

QR_EXPORT void *malloc(size_t size)
{
	return qr_hot_malloc(size, qr_malloc_slow);
}

QR_EXPORT void free(void *ptr)
{
	qr_hot_free(ptr, qr_free_slow);
}

QR_EXPORT void *calloc(size_t n, size_t size)
{
	return qr_calloc(n, size);
}

QR_EXPORT void *realloc(void *ptr, size_t size)
{
	return qr_realloc(ptr, size);
}

QR_EXPORT void *reallocarray(void *ptr, size_t n, size_t size)
{
	size_t bytes;

	if (qr_unlikely(__builtin_mul_overflow(n, size, &bytes))) {
		errno = ENOMEM;
		return NULL;
	}
	return qr_realloc(ptr, bytes);
}

QR_EXPORT void *aligned_alloc(size_t align, size_t size)
{
	if (qr_unlikely(align > max_align && qr_is_pow2(align))) {
		errno = ENOMEM;
		return NULL;
	}
	return qr_aligned_alloc(align, size);
}

QR_EXPORT void *memalign(size_t align, size_t size)
{
	return aligned_alloc(align, size);
}

QR_EXPORT int posix_memalign(void **ret_ptr, size_t align, size_t size)
{
	int saved = errno;
	void *ptr;

	if (qr_unlikely(!qr_is_pow2(align) || align < sizeof(void *)))
		return EINVAL;
	ptr = aligned_alloc(align, size);
	if (qr_unlikely(!ptr)) {
		errno = saved;
		return ENOMEM;
	}
	*ret_ptr = ptr;
	return 0;
}

QR_EXPORT void *valloc(size_t size)
{
	return qr_aligned_alloc(qr_page_size(), size);
}

/* The object can be written up to there. */
QR_EXPORT size_t malloc_usable_size(void *ptr)
{
	return qr_usable_size(ptr);
}

QR_EXPORT QR_WEAK void free_sized(void *ptr, size_t size);
QR_EXPORT QR_WEAK void free_aligned_sized(void *ptr, size_t align, size_t size);

void free_sized(void *ptr, size_t size)
{
	qr_free_sized(ptr, size, 0);
}

void free_aligned_sized(void *ptr, size_t align, size_t size)
{
	qr_free_sized(ptr, size, align);
}
