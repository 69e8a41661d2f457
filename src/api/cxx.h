/*
 * The C++ runtime, if the process has one.
 *
 * We are written in C and link no C++ library.  What operator new needs of
 * one when memory is out is looked up then: by weak symbols, which are there
 * when the program is C++; else among the libraries loaded since, because
 * a C program may have loaded a C++ plugin with symbols of its own.
 */
#ifndef QR_API_CXX_H
#define QR_API_CXX_H

#include "base/compiler.h"

#include <stddef.h>

typedef void (*qr_new_handler)(void);

/* The program's std::new_handler; NULL: none is set. */
qr_new_handler qr_cxx_new_handler(void);

/*
 * Throw std::bad_alloc.  Where nothing can throw, say that @size bytes were
 * not to be had, and abort.
 */
void qr_cxx_throw_bad_alloc(size_t size) QR_NORETURN QR_COLD;

/* The runtime library's own @name, even where we replaced it; or NULL. */
void *qr_cxx_symbol(const char *name);

#endif
