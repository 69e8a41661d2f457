/*
 * What the project asks of the compiler beyond C11, in one place.
 */
#ifndef QR_BASE_COMPILER_H
#define QR_BASE_COMPILER_H

#include <stddef.h>

#define qr_likely(x) __builtin_expect(!!(x), 1)
#define qr_unlikely(x) __builtin_expect(!!(x), 0)

#define QR_INLINE static inline __attribute__((always_inline))
#define QR_NOINLINE __attribute__((noinline))
#define QR_COLD __attribute__((cold, noinline))
#define QR_EXPORT __attribute__((visibility("default")))
/* Extern, but of this library: no detour through the global offset table. */
#define QR_HIDDEN __attribute__((visibility("hidden")))
#define QR_ALIGNED(bytes) __attribute__((aligned(bytes)))
#define QR_PRINTF(text, args) __attribute__((format(printf, text, args)))
#define QR_UNUSED __attribute__((unused))
#define QR_WEAK __attribute__((weak))
#define QR_NORETURN __attribute__((noreturn))

/* The object of type @type whose member @member lies at @ptr. */
#define QR_CONTAINER_OF(ptr, type, member) \
	((type *)(void *)((char *)(ptr) - offsetof(type, member)))

#define QR_ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#endif
