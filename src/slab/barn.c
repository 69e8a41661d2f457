#include "slab/barn.h"

#include "arena/meta.h"

#include <string.h>

size_t qr_barn_get(struct qr_barn *barn, void **objects, size_t n)
{
	uint32_t top;

	if (!__atomic_load_n(&barn->nr_objects, __ATOMIC_RELAXED))
		return 0;
	qr_lock_acquire(&barn->lock);
	top = barn->nr_objects;
	n = qr_min(n, top);
	for (size_t i = 0; i < n; i++)
		objects[i] = barn->objects[top - 1 - i];
	__atomic_store_n(&barn->nr_objects, top - (uint32_t)n,
			 __ATOMIC_RELAXED);
	qr_window_note_least(&barn->unused, top - n);
	barn->gets += n != 0;
	qr_lock_release(&barn->lock);
	return n;
}

/* The stack, had without the lock: others may have been faster. */
static bool build(struct qr_cache *cache, struct qr_barn *barn)
{
	size_t size = cache->barn_capacity * sizeof(void *);
	void **objects = qr_meta_alloc(size);

	if (!objects)
		return false;
	qr_lock_acquire(&barn->lock);
	if (!barn->objects) {
		barn->objects = objects;
		__atomic_store_n(&barn->capacity, cache->barn_capacity,
				 __ATOMIC_RELAXED);
		objects = NULL;
	}
	qr_lock_release(&barn->lock);
	if (objects)
		qr_meta_free(objects, size);
	return true;
}

size_t qr_barn_put(struct qr_cache *cache, struct qr_barn *barn,
		   void *const *objects, size_t n)
{
	uint32_t top;

	if (qr_unlikely(!__atomic_load_n(&barn->capacity, __ATOMIC_RELAXED)) &&
	    !build(cache, barn))
		return 0;
	qr_lock_acquire(&barn->lock);
	top = barn->nr_objects;
	n = qr_min(n, barn->capacity - top);
	for (size_t i = 0; i < n; i++)
		barn->objects[top + i] = objects[i];
	__atomic_store_n(&barn->nr_objects, top + (uint32_t)n,
			 __ATOMIC_RELAXED);
	barn->puts += n != 0;
	qr_lock_release(&barn->lock);
	return n;
}

bool qr_barn_is_idle(struct qr_barn *barn)
{
	uint64_t uses;
	bool idle;

	if (!__atomic_load_n(&barn->nr_objects, __ATOMIC_RELAXED))
		return true;
	qr_lock_acquire(&barn->lock);
	uses = barn->puts + barn->gets;
	idle = barn->seen == uses;
	barn->seen = uses;
	qr_lock_release(&barn->lock);
	return idle;
}

size_t qr_barn_turn(struct qr_barn *barn)
{
	size_t unused;

	if (!__atomic_load_n(&barn->capacity, __ATOMIC_RELAXED))
		return 0;
	qr_lock_acquire(&barn->lock);
	unused = qr_min(qr_window_least(&barn->unused), barn->nr_objects);
	qr_window_turn(&barn->unused, barn->nr_objects);
	qr_lock_release(&barn->lock);
	return unused;
}

size_t qr_barn_get_cold(struct qr_barn *barn, void **objects, size_t n)
{
	uint32_t left;

	qr_lock_acquire(&barn->lock);
	n = qr_min(n, barn->nr_objects);
	left = barn->nr_objects - (uint32_t)n;
	if (n) {
		memcpy(objects, barn->objects, n * sizeof(objects[0]));
		memmove(barn->objects, barn->objects + n,
			left * sizeof(objects[0]));
	}
	__atomic_store_n(&barn->nr_objects, left, __ATOMIC_RELAXED);
	qr_lock_release(&barn->lock);
	return n;
}
