/*
 * cfree: gone from glibc's headers since 2.26, but old programs still import
 * it, and libc's own would free into libc's heap.  In the shared library only,
 * where glibc has it: nobody links with it any more.
 */
#include "core/core.h"

QR_EXPORT void cfree(void *ptr);

void cfree(void *ptr)
{
	qr_free(ptr);
}
