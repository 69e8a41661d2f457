/*
 * What the suites of the interface share.  They hold for any malloc, and run
 * on libc's too, so that a failure is the allocator's and not the test's.
 */
#ifndef QR_TEST_API_H
#define QR_TEST_API_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KiB(n) ((size_t)(n) << 10)
#define MiB(n) ((size_t)(n) << 20)
#define NR(array) (sizeof(array) / sizeof((array)[0]))

/*
 * find_function(): a function that this malloc may not have, or NULL.  Linked
 * with the archive a program may have no dlsym(); then they are these.
 */
#ifdef TEST_LINKED
#define FUNCTIONS(X)          \
	X(quarry_version)     \
	X(quarry_live_bytes)  \
	X(free_sized)         \
	X(free_aligned_sized) \
	X(malloc_trim)        \
	X(pvalloc)            \
	X(__libc_malloc)      \
	X(__libc_calloc)      \
	X(__libc_realloc)     \
	X(__libc_memalign)    \
	X(__libc_valloc)      \
	X(__libc_free)

#define DECLARE(name) \
	extern char at_##name[] __asm__(#name) __attribute__((weak));
FUNCTIONS(DECLARE)

static inline void *find_function(const char *wanted)
{
#define COMPARE(name)               \
	if (!strcmp(wanted, #name)) \
		return at_##name;
	FUNCTIONS(COMPARE)
	fprintf(stderr, "api.h has no %s\n", wanted);
	abort();
}
#else
#include <dlfcn.h>

static inline void *find_function(const char *wanted)
{
	return dlsym(RTLD_DEFAULT, wanted);
}
#endif

/* The seed of this run, printed: QUARRY_TEST_SEED, or always the same. */
static inline uint64_t test_seed(void)
{
	const char *text = getenv("QUARRY_TEST_SEED");
	uint64_t seed = text ? strtoull(text, NULL, 0) : 1;

	fprintf(stderr, "QUARRY_TEST_SEED=%llu\n", (unsigned long long)seed);
	return seed;
}

/* splitmix64 (S. Vigna). */
static inline uint64_t random_next(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static inline size_t random_below(uint64_t *state, size_t limit)
{
	return (size_t)(random_next(state) % limit);
}

/* As many small sizes as large ones on a logarithmic scale: 1 to 2^@bits. */
static inline size_t random_size(uint64_t *state, unsigned bits)
{
	size_t top = (size_t)1 << random_below(state, bits + 1);

	return 1 + random_below(state, top);
}

/* Every byte of @ptr says where it is and to whom it belongs. */
static inline unsigned char pattern_byte(uint64_t owner, size_t i)
{
	return (unsigned char)((owner + i / 8 * 0x9e3779b1) >> i % 8 * 8);
}

static inline void pattern_fill(void *ptr, size_t size, uint64_t owner)
{
	unsigned char *bytes = ptr;

	for (size_t i = 0; i < size; i++)
		bytes[i] = pattern_byte(owner, i);
}

/* Index of the first byte that is wrong, or @size. */
static inline size_t pattern_check(const void *ptr, size_t size, uint64_t owner)
{
	const unsigned char *bytes = ptr;

	for (size_t i = 0; i < size; i++)
		if (bytes[i] != pattern_byte(owner, i))
			return i;
	return size;
}

static inline bool all_bytes(const void *ptr, size_t size, unsigned char value)
{
	const unsigned char *bytes = ptr;

	return !size ||
	       (bytes[0] == value && !memcmp(bytes, bytes + 1, size - 1));
}

static inline bool is_aligned(const void *ptr, size_t align)
{
	return !((uintptr_t)ptr & (align - 1));
}

#endif
