/*
 * operator new that returns NULL.
 *
 * It calls what may throw, a std::new_handler or the program's own operator
 * new, and must catch it.  C cannot catch; the runtime's nothrow forms are
 * nothing but that catch around operator new.  So we serve what needs no
 * catch, and leave the rest to the runtime's form.
 *
 * In the shared library only: in an archive we would hide the runtime's form,
 * and without ours it is linked and does the right thing.
 */
#include "api/new.h"

#include "api/cxx.h"
#include "base/bits.h"
#include "core/core.h"
#include "slab/hot.h"

/* Without a handler, and with operator new ours, nothing can throw. */
static QR_COLD bool may_throw(void)
{
	return qr_cxx_new_handler();
}

typedef void *new_form(size_t size, const struct qr_nothrow *tag);
typedef void *aligned_form(size_t size, size_t align,
			   const struct qr_nothrow *tag);

void *cxx_new_nothrow(size_t size, const struct qr_nothrow *tag)
{
	new_form *form;

	if (qr_likely(cxx_new == qr_new)) {
		void *ptr = qr_hot_malloc(size, qr_malloc_slow);

		if (qr_likely(ptr) || !may_throw())
			return ptr;
	}
	*(void **)&form = qr_cxx_symbol("_Znwm" QR_NOTHROW_T);
	return form ? form(size, tag) : cxx_new(size);
}

void *cxx_new_array_nothrow(size_t size, const struct qr_nothrow *tag)
{
	new_form *form;

	if (qr_likely(cxx_new_array == qr_new_array))
		return cxx_new_nothrow(size, tag);
	*(void **)&form = qr_cxx_symbol("_Znam" QR_NOTHROW_T);
	return form ? form(size, tag) : cxx_new_array(size);
}

void *cxx_new_aligned_nothrow(size_t size, size_t align,
			      const struct qr_nothrow *tag)
{
	aligned_form *form;

	if (qr_likely(cxx_new_aligned == qr_new_aligned)) {
		void *ptr = qr_aligned_alloc(align, size);

		if (qr_likely(ptr) || !qr_is_pow2(align) || !may_throw())
			return ptr;
	}
	*(void **)&form = qr_cxx_symbol("_Znwm" QR_ALIGN_T QR_NOTHROW_T);
	return form ? form(size, align, tag) : cxx_new_aligned(size, align);
}

void *cxx_new_array_aligned_nothrow(size_t size, size_t align,
				    const struct qr_nothrow *tag)
{
	aligned_form *form;

	if (qr_likely(cxx_new_array_aligned == qr_new_array_aligned))
		return cxx_new_aligned_nothrow(size, align, tag);
	*(void **)&form = qr_cxx_symbol("_Znam" QR_ALIGN_T QR_NOTHROW_T);
	return form ? form(size, align, tag)
		    : cxx_new_array_aligned(size, align);
}
