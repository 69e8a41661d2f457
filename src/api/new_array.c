/*
 * Arrays: by the standard, whatever operator new and delete do.
 */
#include "api/new.h"

/* clang-format off */
void *cxx_new_array(size_t size) QR_REPLACEABLE(qr_new_array);
void *cxx_new_array_aligned(size_t size, size_t align)
	QR_REPLACEABLE(qr_new_array_aligned);
void cxx_delete_array(void *ptr) QR_REPLACEABLE(qr_delete_array);
void cxx_delete_array_aligned(void *ptr, size_t align)
	QR_REPLACEABLE(qr_delete_array_aligned);
/* clang-format on */

void *qr_new_array(size_t size)
{
	return cxx_new(size);
}

void *qr_new_array_aligned(size_t size, size_t align)
{
	return cxx_new_aligned(size, align);
}

void qr_delete_array(void *ptr)
{
	cxx_delete(ptr);
}

void qr_delete_array_aligned(void *ptr, size_t align)
{
	cxx_delete_aligned(ptr, align);
}
