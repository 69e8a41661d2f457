/*
 * Names that glibc alone has: its second names for malloc and its friends,
 * which some programs call to get around a replaced malloc, and pvalloc.  A
 * static program must find all of them here, or libc.a would bring its own
 * malloc beside ours.
 */
#include "base/bits.h"
#include "core/core.h"
#include "sys/map.h"

#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>

#define SECOND_NAME(name) __asm__(name) QR_EXPORT

/* clang-format off */
void *libc_malloc(size_t size) SECOND_NAME("__libc_malloc");
void libc_free(void *ptr) SECOND_NAME("__libc_free");
void *libc_calloc(size_t n, size_t size) SECOND_NAME("__libc_calloc");
void *libc_realloc(void *ptr, size_t size) SECOND_NAME("__libc_realloc");
void *libc_memalign(size_t align, size_t size) SECOND_NAME("__libc_memalign");
void *libc_valloc(size_t size) SECOND_NAME("__libc_valloc");
void *libc_pvalloc(size_t size) SECOND_NAME("__libc_pvalloc");
int libc_posix_memalign(void **ret_ptr, size_t align, size_t size)
	SECOND_NAME("__posix_memalign");
/* clang-format on */

void *libc_malloc(size_t size)
{
	return qr_malloc(size);
}

void libc_free(void *ptr)
{
	qr_free(ptr);
}

void *libc_calloc(size_t n, size_t size)
{
	return qr_calloc(n, size);
}

void *libc_realloc(void *ptr, size_t size)
{
	return qr_realloc(ptr, size);
}

void *libc_memalign(size_t align, size_t size)
{
	return memalign(align, size);
}

void *libc_valloc(size_t size)
{
	return valloc(size);
}

int libc_posix_memalign(void **ret_ptr, size_t align, size_t size)
{
	return posix_memalign(ret_ptr, align, size);
}

/* Whole pages, at least one. */
QR_EXPORT void *pvalloc(size_t size)
{
	size_t page = qr_page_size();

	if (qr_unlikely(size > PTRDIFF_MAX)) {
		errno = ENOMEM;
		return NULL;
	}
	return qr_aligned_alloc(page, qr_round_up(size ? size : 1, page));
}

void *libc_pvalloc(size_t size)
{
	return pvalloc(size);
}
