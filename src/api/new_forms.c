/*
 * Deletes that say more: the size, or that the constructor threw.
 *
 * The size is checked where the object is ours, that is, where neither side
 * of the pair was replaced: a program's own operator new may have asked us for
 * more than it was asked for.
 */
#include "api/new.h"

#include "core/core.h"

static bool plain_is_ours(void)
{
	return cxx_new == qr_new && cxx_delete == qr_delete;
}

static bool array_is_ours(void)
{
	return cxx_new_array == qr_new_array &&
	       cxx_delete_array == qr_delete_array && plain_is_ours();
}

static bool aligned_is_ours(void)
{
	return cxx_new_aligned == qr_new_aligned &&
	       cxx_delete_aligned == qr_delete_aligned;
}

static bool array_aligned_is_ours(void)
{
	return cxx_new_array_aligned == qr_new_array_aligned &&
	       cxx_delete_array_aligned == qr_delete_array_aligned &&
	       aligned_is_ours();
}

void cxx_delete_sized(void *ptr, size_t size)
{
	if (qr_likely(plain_is_ours()))
		qr_free_sized(ptr, size, 0);
	else
		cxx_delete(ptr);
}

void cxx_delete_array_sized(void *ptr, size_t size)
{
	if (qr_likely(array_is_ours()))
		qr_free_sized(ptr, size, 0);
	else
		cxx_delete_array(ptr);
}

void cxx_delete_sized_aligned(void *ptr, size_t size, size_t align)
{
	if (qr_likely(aligned_is_ours()))
		qr_free_sized(ptr, size, align);
	else
		cxx_delete_aligned(ptr, align);
}

void cxx_delete_array_sized_aligned(void *ptr, size_t size, size_t align)
{
	if (qr_likely(array_aligned_is_ours()))
		qr_free_sized(ptr, size, align);
	else
		cxx_delete_array_aligned(ptr, align);
}

void cxx_delete_nothrow(void *ptr, const struct qr_nothrow *tag)
{
	(void)tag;
	cxx_delete(ptr);
}

void cxx_delete_array_nothrow(void *ptr, const struct qr_nothrow *tag)
{
	(void)tag;
	cxx_delete_array(ptr);
}

void cxx_delete_aligned_nothrow(void *ptr, size_t align,
				const struct qr_nothrow *tag)
{
	(void)tag;
	cxx_delete_aligned(ptr, align);
}

void cxx_delete_array_aligned_nothrow(void *ptr, size_t align,
				      const struct qr_nothrow *tag)
{
	(void)tag;
	cxx_delete_array_aligned(ptr, align);
}
