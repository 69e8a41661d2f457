/*
 * kmem_caches: all that is known of one kind of object.
 *
 *	per CPU		two arrays of objects, in rows		slab/pcpu.h
 *	per node	a barn of objects between CPUs		slab/barn.h
 *	per node	slabs, partly used			slab/slab.h
 *
 * A cache has a number, its row in every CPU's region and the frame byte of
 * its slabs, which is even: 2 to 144 are the general caches, one per size
 * class, 146 to 250 those that a program made.  When those are used up, a cache
 * gets QR_FRAME_SLAB, whose row never hits, and works without arrays.
 *
 * Locking: but for its policy, a cache never changes between create and
 * destroy.  The registry (numbers, the list for reports) is guarded by the lock
 * of rank CACHES; only create, destroy, trim, ticks and reports take it, so it
 * may be held for long.  Barns and nodes have locks of their own (ranks BARN
 * and SLAB), see there.
 */
#ifndef QR_SLAB_CACHE_H
#define QR_SLAB_CACHE_H

#include "arena/policy.h"
#include "base/list.h"
#include "base/window.h"
#include "slab/size_class.h"
#include "sys/lock.h"

enum {
	QR_NR_ROWS = 128,
	QR_MAX_CACHES = QR_FRAME_RUN,	/* numbers with arrays are below */
	QR_MAX_GENERAL = 2 * QR_NR_CLASSES,
	QR_NR_BUCKETS = 4,		/* of slabs, by how full they are */
	QR_MAX_BATCH = 128,		/* objects moved at once */
	QR_BARN_BYTES = 1 << 16,	/* of objects, the most in a barn */
	QR_CACHE_NAME = 32,
};

/* Free objects on their way between CPUs, most recent last. */
struct qr_barn {
	struct qr_lock lock;		/* rank BARN */
	uint32_t nr_objects;
	uint32_t capacity;
	void **objects;			/* had at the first put */
	uint64_t puts, gets;		/* batches taken in, handed out */
	uint64_t seen;			/* of both, when a hand last looked */
	struct qr_window unused;	/* least nr_objects */
};

/* The slabs of one cache on one node. */
struct qr_cache_node {
	struct qr_lock lock;		/* rank SLAB */
	uint32_t nr_slabs;
	/* slabs with free objects, fullest bucket first */
	struct qr_list partial[QR_NR_BUCKETS];
	size_t nr_inuse;		/* objects that are not in slabs */
	uint64_t refills, flushes;	/* batches out of and into slabs */
	uint64_t seen;			/* of both, at the last tick */
	struct qr_barn barn;
} QR_ALIGNED(64);

struct qr_cache {
	uint32_t size;			/* from object to object, bytes */
	uint32_t inverse;		/* 2^32 / size, rounded up */
	uint32_t odd_inverse;		/* of size's odd part, modulo 2^32 */
	uint8_t size_shift;		/* and the power of two in it */
	uint16_t nr_objects;		/* in a slab */
	uint8_t nr_pages;		/* of a slab */
	uint8_t order;			/* and the block that it would fill */
	uint8_t number;			/* frame byte and row */
	uint8_t policy;			/* arena/policy.h; may change */
	uint16_t first_slot;		/* of the full-sized arrays */
	uint16_t max_capacity;		/* of each of the two */
	uint32_t barn_capacity;
	unsigned flags;
	uint32_t object_size;		/* as asked for */
	uint32_t align;
	struct qr_cache_node *nodes;	/* of node 0 */
	unsigned node_stride;		/* and how far to the next one's */
	void (*constructor)(void *object);
	struct qr_list link;		/* caches that a program made */
	char name[QR_CACHE_NAME];
};

/* By number; NULL: no such cache. */
extern struct qr_cache *qr_caches[QR_MAX_CACHES] QR_HIDDEN;

/* Set up the general caches. */
void qr_caches_init(void);

/*
 * A cache of its own: see quarry.h.  NULL and *@ret_error = EINVAL or ENOMEM.
 */
struct qr_cache *qr_cache_create(const char *name, size_t size, size_t align,
				 void (*constructor)(void *object),
				 unsigned flags, int *ret_error);

/* 0, or -EBUSY and *@ret_live objects that are still in use. */
int qr_cache_destroy(struct qr_cache *cache, size_t *ret_live);

/* Empty its arrays and barns, give empty slabs back; bytes. */
size_t qr_cache_shrink(struct qr_cache *cache);

/* Objects in use by the program; exact while nobody allocates or frees. */
size_t qr_cache_live(struct qr_cache *cache);

/* Call @visit for every cache, general ones first; no lock but CACHES held. */
void qr_caches_for_each(void (*visit)(struct qr_cache *cache, void *arg),
			void *arg);

void qr_caches_lock_all(void);
void qr_caches_unlock_all(bool child);

/* The policy that requests of it follow. */
QR_INLINE unsigned qr_cache_policy(const struct qr_cache *cache)
{
	return qr_policy_in_force(
		__atomic_load_n(&cache->policy, __ATOMIC_RELAXED));
}

QR_INLINE struct qr_cache_node *qr_cache_node(const struct qr_cache *cache,
					      unsigned node)
{
	return &cache->nodes[(size_t)node * cache->node_stride];
}

#endif
