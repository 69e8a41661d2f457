/*
 * operator new and delete, by their mangled names (Itanium C++ ABI, 64-bit
 * size_t).
 *
 * The standard lets a program replace each of them alone, and says which of
 * the others then follows it (C++17, [new.delete]):
 *
 *	new(size)		<- new[](size)
 *	new(size, align)	<- new[](size, align)
 *	each of the four	<- its nothrow form, which returns NULL
 *	delete(ptr)		<- with size, nothrow; delete[](ptr)
 *	delete(ptr, align)	<- with size, nothrow; delete[](ptr, align)
 *	delete[], both		<- with size, nothrow
 *
 * A form that followed us where its base was replaced would hand our objects
 * to the program's own operator delete.  So every
 * form treats its base as a symbol that may have been replaced:
 *
 *	qr_new...	our own, whoever the symbol belongs to
 *	cxx_new...	the symbol
 *
 * All are weak, for archives: a program's own are then no duplicates.
 */
#ifndef QR_API_NEW_H
#define QR_API_NEW_H

#include "base/compiler.h"

#include <stddef.h>

/* std::nothrow_t: an empty class, passed by reference. */
struct qr_nothrow;

void *qr_new(size_t size);
void *qr_new_array(size_t size);
void *qr_new_aligned(size_t size, size_t align);
void *qr_new_array_aligned(size_t size, size_t align);
void qr_delete(void *ptr);
void qr_delete_array(void *ptr);
void qr_delete_aligned(void *ptr, size_t align);
void qr_delete_array_aligned(void *ptr, size_t align);

/* Exported under this name.  Mangled: m is size_t, Pv void *. */
#define QR_MANGLED(name) __asm__(name) QR_EXPORT QR_WEAK
#define QR_ALIGN_T "St11align_val_t"
#define QR_NOTHROW_T "RKSt9nothrow_t"

/* The symbol is our function, unless somebody else defines it. */
#define QR_REPLACEABLE(function) __attribute__((alias(#function)))

/* clang-format off */
void *cxx_new(size_t size) QR_MANGLED("_Znwm");
void *cxx_new_array(size_t size) QR_MANGLED("_Znam");
void *cxx_new_aligned(size_t size, size_t align)
	QR_MANGLED("_Znwm" QR_ALIGN_T);
void *cxx_new_array_aligned(size_t size, size_t align)
	QR_MANGLED("_Znam" QR_ALIGN_T);
void *cxx_new_nothrow(size_t size, const struct qr_nothrow *tag)
	QR_MANGLED("_Znwm" QR_NOTHROW_T);
void *cxx_new_array_nothrow(size_t size, const struct qr_nothrow *tag)
	QR_MANGLED("_Znam" QR_NOTHROW_T);
void *cxx_new_aligned_nothrow(size_t size, size_t align,
			      const struct qr_nothrow *tag)
	QR_MANGLED("_Znwm" QR_ALIGN_T QR_NOTHROW_T);
void *cxx_new_array_aligned_nothrow(size_t size, size_t align,
				    const struct qr_nothrow *tag)
	QR_MANGLED("_Znam" QR_ALIGN_T QR_NOTHROW_T);

void cxx_delete(void *ptr) QR_MANGLED("_ZdlPv");
void cxx_delete_array(void *ptr) QR_MANGLED("_ZdaPv");
void cxx_delete_sized(void *ptr, size_t size) QR_MANGLED("_ZdlPvm");
void cxx_delete_array_sized(void *ptr, size_t size) QR_MANGLED("_ZdaPvm");
void cxx_delete_nothrow(void *ptr, const struct qr_nothrow *tag)
	QR_MANGLED("_ZdlPv" QR_NOTHROW_T);
void cxx_delete_array_nothrow(void *ptr, const struct qr_nothrow *tag)
	QR_MANGLED("_ZdaPv" QR_NOTHROW_T);
void cxx_delete_aligned(void *ptr, size_t align)
	QR_MANGLED("_ZdlPv" QR_ALIGN_T);
void cxx_delete_array_aligned(void *ptr, size_t align)
	QR_MANGLED("_ZdaPv" QR_ALIGN_T);
void cxx_delete_sized_aligned(void *ptr, size_t size, size_t align)
	QR_MANGLED("_ZdlPvm" QR_ALIGN_T);
void cxx_delete_array_sized_aligned(void *ptr, size_t size, size_t align)
	QR_MANGLED("_ZdaPvm" QR_ALIGN_T);
void cxx_delete_aligned_nothrow(void *ptr, size_t align,
				const struct qr_nothrow *tag)
	QR_MANGLED("_ZdlPv" QR_ALIGN_T QR_NOTHROW_T);
void cxx_delete_array_aligned_nothrow(void *ptr, size_t align,
				      const struct qr_nothrow *tag)
	QR_MANGLED("_ZdaPv" QR_ALIGN_T QR_NOTHROW_T);
/* clang-format on */

#endif
