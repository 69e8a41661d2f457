/*
 * Functions whose vectors are worth what newer processors have.  Which of the
 * copies runs is chosen when the program is loaded (an ifunc).
 */
#ifndef QR_SYS_VECTOR_H
#define QR_SYS_VECTOR_H

#include <stdint.h> /* and with it __GLIBC__ */

/* clang 14 gives the ifunc a name that other files do not know */
#if defined(__x86_64__) && defined(__GLIBC__) && !defined(__clang__)
#define QR_VECTOR_CLONES __attribute__((target_clones("default", "avx2")))
#else
#define QR_VECTOR_CLONES
#endif

#endif
