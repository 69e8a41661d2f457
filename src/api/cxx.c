#include "api/cxx.h"

#include "sys/print.h"

/*
 * Weak, so that a C program may have none of them.  Mangled by the Itanium
 * C++ ABI, which libstdc++ and libc++abi share.
 */
/* clang-format off */
extern qr_new_handler get_new_handler(void) __asm__("_ZSt15get_new_handlerv")
	QR_WEAK QR_EXPORT;
extern void throw_bad_alloc(void) __asm__("_ZSt17__throw_bad_allocv")
	QR_WEAK QR_EXPORT;
extern void *allocate_exception(size_t size) __asm__("__cxa_allocate_exception")
	QR_WEAK QR_EXPORT;
extern void throw_exception(void *exception, void *type,
			    void (*destructor)(void *)) __asm__("__cxa_throw")
	QR_WEAK QR_EXPORT;
extern char bad_alloc_type[] __asm__("_ZTISt9bad_alloc") QR_WEAK QR_EXPORT;
extern char bad_alloc_vtable[] __asm__("_ZTVSt9bad_alloc") QR_WEAK QR_EXPORT;
extern void bad_alloc_destroy(void *) __asm__("_ZNSt9bad_allocD1Ev")
	QR_WEAK QR_EXPORT;
/* clang-format on */

qr_new_handler qr_cxx_new_handler(void)
{
	qr_new_handler (*get)(void) = get_new_handler;

	if (!get)
		*(void **)&get = qr_cxx_symbol("_ZSt15get_new_handlerv");
	return get ? get() : NULL;
}

/* std::bad_alloc has nothing but its virtual table. */
static void throw_by_hand(void)
{
	void **exception = allocate_exception(sizeof(void *));

	*exception = bad_alloc_vtable + 2 * sizeof(void *);
	throw_exception(exception, bad_alloc_type, bad_alloc_destroy);
}

void qr_cxx_throw_bad_alloc(size_t size)
{
	void (*throw)(void) = throw_bad_alloc;

	if (!throw)
		*(void **)&throw = qr_cxx_symbol("_ZSt17__throw_bad_allocv");
	if (throw)
		throw();
	if (allocate_exception && throw_exception && bad_alloc_type)
		throw_by_hand();
	qr_die("operator new: no memory for %zu bytes, and nothing here can "
	       "throw std::bad_alloc",
	       size);
}
