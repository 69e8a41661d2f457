#include "map.h"

#include <sched.h>
#include <string.h>
#include <sys/mman.h>

#define FIRST_CAPACITY ((size_t)1024)

static uint64_t hash(uintptr_t key)
{
	uint64_t h = (uint64_t)key * 0x9e3779b97f4a7c15u;

	return h ^ h >> 32;
}

static struct map_part *lock_part(struct map *m, uintptr_t key)
{
	struct map_part *p = &m->parts[hash(key) >> 58];

	while (atomic_flag_test_and_set_explicit(&p->lock,
						 memory_order_acquire))
		sched_yield();
	return p;
}

static void unlock_part(struct map_part *p)
{
	atomic_flag_clear_explicit(&p->lock, memory_order_release);
}

/* Where @key is, or the free entry where it belongs. */
static struct map_entry *find(const struct map_part *p, uintptr_t key)
{
	size_t i = hash(key) & (p->capacity - 1);

	while (p->entries[i].key && p->entries[i].key != key)
		i = (i + 1) & (p->capacity - 1);
	return &p->entries[i];
}

static bool grow(struct map_part *p)
{
	struct map_part bigger = {.capacity = p->capacity ? p->capacity * 2
							  : FIRST_CAPACITY};
	size_t bytes = bigger.capacity * sizeof(*p->entries);

	bigger.entries = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (bigger.entries == MAP_FAILED)
		return false;
	for (size_t i = 0; i < p->capacity; i++)
		if (p->entries[i].key)
			*find(&bigger, p->entries[i].key) = p->entries[i];
	if (p->entries)
		munmap(p->entries, p->capacity * sizeof(*p->entries));
	p->entries = bigger.entries;
	p->capacity = bigger.capacity;
	return true;
}

bool map_put(struct map *m, const struct map_entry *e)
{
	struct map_part *p = lock_part(m, e->key);
	bool ok = p->used * 2 < p->capacity || grow(p);

	if (ok) {
		struct map_entry *at = find(p, e->key);

		p->used += !at->key;
		*at = *e;
	}
	unlock_part(p);
	return ok;
}

/* Empties @at and moves up what was pushed past it. */
static void empty(struct map_part *p, struct map_entry *at)
{
	size_t mask = p->capacity - 1;
	size_t hole = (size_t)(at - p->entries);

	for (size_t i = (hole + 1) & mask; p->entries[i].key;
	     i = (i + 1) & mask) {
		size_t home = hash(p->entries[i].key) & mask;

		/* Its home lies cyclically in (hole, i]: it stays. */
		if (((i - home) & mask) < ((i - hole) & mask))
			continue;
		p->entries[hole] = p->entries[i];
		hole = i;
	}
	p->entries[hole].key = 0;
	p->used--;
}

bool map_take(struct map *m, uintptr_t key, struct map_entry *ret_entry)
{
	struct map_part *p = lock_part(m, key);
	struct map_entry *at = p->capacity ? find(p, key) : NULL;
	bool found = at && at->key;

	if (found) {
		*ret_entry = *at;
		empty(p, at);
	}
	unlock_part(p);
	return found;
}

void map_reset(struct map *m)
{
	for (size_t i = 0; i < MAP_PARTS; i++) {
		struct map_part *p = &m->parts[i];

		if (p->entries)
			munmap(p->entries, p->capacity * sizeof(*p->entries));
		memset(p, 0, sizeof(*p));
	}
}
