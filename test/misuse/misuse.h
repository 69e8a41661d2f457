/*
 * For the programs of this directory: what they share is only the wish that
 * the compiler neither sees through a mistake nor warns of it.
 */
#ifndef QR_TEST_MISUSE_H
#define QR_TEST_MISUSE_H

#include "quarry.h"

#include <errno.h>
#include <malloc.h>
#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* C23, and not in this libc. */
void free_sized(void *ptr, size_t size);
void free_aligned_sized(void *ptr, size_t align, size_t size);

/* The bound of README.md. */
enum { FREES = 10000 };

/* @ptr, of which the compiler knows nothing any more. */
static inline void *opaque(const volatile void *ptr)
{
	volatile uintptr_t address = (uintptr_t)ptr;

	return (void *)address;
}

static void *others[FREES];

/* From now on the thread stays on one CPU, whose array holds the mistake. */
static inline void pin(void)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(sched_getcpu(), &cpus);
	if (sched_setaffinity(0, sizeof(cpus), &cpus))
		exit(2);
}

/* Live objects whose frees will empty the array that holds the mistake. */
static inline void alloc_others(size_t size)
{
	pin();
	for (size_t i = 0; i < FREES; i++)
		if (!(others[i] = opaque(malloc(size))))
			exit(2);
}

static inline void free_others(void)
{
	for (size_t i = 0; i < FREES; i++)
		free(others[i]);
}

#endif
