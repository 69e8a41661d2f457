/*
 * From the address of a live block to the number of its object, for the
 * recorder.
 *
 * Open addressing in 64 parts, each with a lock of its own; memory comes from
 * mmap, so that the recorder never allocates while it records an allocation.
 * An address is removed before its block is freed and added after it was
 * allocated, so it is never there twice.
 */
#ifndef BENCH_TRACE_MAP_H
#define BENCH_TRACE_MAP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MAP_PARTS 64

struct map_entry {
	uintptr_t key; /* 0: free */
	uint64_t number;
	uint32_t thread;
};

struct map_part {
	_Alignas(64) atomic_flag lock;
	struct map_entry *entries;
	size_t capacity, used;
};

/* All zero is an empty map. */
struct map {
	struct map_part parts[MAP_PARTS];
};

/* Adds or replaces.  Returns false when there is no memory. */
bool map_put(struct map *m, const struct map_entry *e);
/* Takes @key out; false when it is not there. */
bool map_take(struct map *m, uintptr_t key, struct map_entry *ret_entry);
/* Forgets everything, locks included: for the child of a fork. */
void map_reset(struct map *m);

#endif
