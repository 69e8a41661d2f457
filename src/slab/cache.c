#include "slab/cache.h"

#include "arena/meta.h"
#include "quarry.h"
#include "slab/pcpu.h"
#include "slab/slab.h"
#include "sys/print.h"

#include <errno.h>
#include <string.h>

enum {
	BARN_OBJECTS = 1 << 11,
	MAX_OBJECT = QR_MAX_CLASS_SIZE,
};

struct qr_cache *qr_caches[QR_MAX_CACHES];

static struct qr_cache general[QR_NR_CLASSES];
static struct qr_cache_node general_nodes[QR_MAX_NODES][QR_NR_CLASSES];

static struct qr_lock registry_lock = QR_LOCK_INIT(QR_RANK_CACHES);
static struct qr_list made = QR_LIST_INIT(made);

static void init_node(struct qr_cache_node *node)
{
	qr_lock_init(&node->lock, QR_RANK_SLAB);
	qr_lock_init(&node->barn.lock, QR_RANK_BARN);
	for (int b = 0; b < QR_NR_BUCKETS; b++)
		qr_list_init(&node->partial[b]);
}

/* All that follows from cache->size and cache->number. */
static void init_cache(struct qr_cache *cache)
{
	qr_slab_layout(cache);
	if (cache->number < QR_MAX_CACHES) {
		qr_pcpu_layout(cache);
		qr_caches[cache->number] = cache;
	}
	cache->barn_capacity = (uint32_t)qr_clamp(QR_BARN_BYTES / cache->size,
						  4, BARN_OBJECTS);
	for (uint64_t left = qr_nodes_mask(); left; left &= left - 1)
		init_node(qr_cache_node(cache, qr_ctz(left)));
}

void qr_caches_init(void)
{
	qr_size_class_init();
	for (unsigned class = 1; class <= QR_NR_CLASSES; class ++) {
		struct qr_cache *cache = &general[class - 1];

		cache->size = (uint32_t)qr_class_size(class);
		cache->object_size = cache->size;
		cache->align = 16;
		cache->number = (uint8_t)(2 * class);
		cache->nodes = &general_nodes[0][class - 1];
		cache->node_stride = QR_NR_CLASSES;
		qr_format(cache->name, sizeof(cache->name), "size-%u",
			  cache->size);
		init_cache(cache);
	}
}

static size_t nodes_size(void)
{
	return (qr_fls(qr_nodes_mask()) + 1) * sizeof(struct qr_cache_node);
}

/* A number with a row, or else the one that all others share. */
static uint8_t free_number_locked(void)
{
	for (unsigned i = QR_MAX_GENERAL + 2; i < QR_MAX_CACHES; i += 2) {
		if (!qr_caches[i])
			return (uint8_t)i;
	}
	return QR_FRAME_SLAB;
}

static void copy_name(struct qr_cache *cache, const char *name)
{
	size_t n = 0;

	while (name && name[n] && n < sizeof(cache->name) - 1) {
		cache->name[n] = name[n];
		n++;
	}
	cache->name[n] = '\0';
}

static bool arguments_are_valid(size_t size, size_t align, bool constructed,
				unsigned flags)
{
	return size && size <= MAX_OBJECT && qr_is_pow2(align) &&
	       align <= QR_FRAME_SIZE &&
	       !(flags & ~(QUARRY_CACHE_HWALIGN | QUARRY_CACHE_ZERO)) &&
	       !(constructed && flags & QUARRY_CACHE_ZERO);
}

struct qr_cache *qr_cache_create(const char *name, size_t size, size_t align,
				 void (*constructor)(void *object),
				 unsigned flags, int *ret_error)
{
	struct qr_cache *cache;

	if (!align)
		align = 16;
	if (!arguments_are_valid(size, align, constructor, flags)) {
		*ret_error = EINVAL;
		return NULL;
	}
	align = qr_max(align, flags & QUARRY_CACHE_HWALIGN ? 64 : 16);
	cache = qr_meta_alloc(sizeof(*cache));
	if (!cache)
		goto no_cache;
	cache->nodes = qr_meta_alloc(nodes_size());
	if (!cache->nodes)
		goto no_nodes;
	cache->node_stride = 1;
	cache->size = (uint32_t)qr_round_up(size, align);
	cache->object_size = (uint32_t)size;
	cache->align = (uint32_t)align;
	cache->constructor = constructor;
	cache->flags = flags;
	copy_name(cache, name);
	qr_lock_acquire(&registry_lock);
	cache->number = free_number_locked();
	init_cache(cache);
	qr_list_add_tail(&cache->link, &made);
	qr_lock_release(&registry_lock);
	return cache;
no_nodes:
	qr_meta_free(cache, sizeof(*cache));
no_cache:
	*ret_error = ENOMEM;
	return NULL;
}

static size_t nr_inuse(const struct qr_cache *cache)
{
	size_t sum = 0;

	for (uint64_t left = qr_nodes_mask(); left; left &= left - 1) {
		struct qr_cache_node *node = qr_cache_node(cache, qr_ctz(left));

		qr_lock_acquire(&node->lock);
		sum += node->nr_inuse;
		qr_lock_release(&node->lock);
	}
	return sum;
}

size_t qr_cache_live(struct qr_cache *cache)
{
	struct qr_pcpu_counts idle;
	size_t inuse;

	qr_pcpu_count(cache, &idle);
	inuse = nr_inuse(cache);
	/* counted while others work, the parts need not fit */
	return inuse - qr_min(inuse, idle.in_arrays + idle.in_barns);
}

size_t qr_cache_shrink(struct qr_cache *cache)
{
	size_t bytes = 0;

	qr_pcpu_drain(cache);
	for (uint64_t left = qr_nodes_mask(); left; left &= left - 1)
		bytes += qr_slab_shrink(cache, qr_ctz(left));
	return bytes;
}

int qr_cache_destroy(struct qr_cache *cache, size_t *ret_live)
{
	size_t live;

	qr_cache_shrink(cache);
	live = nr_inuse(cache);
	if (live) {
		*ret_live = live;
		return -EBUSY;
	}
	qr_lock_acquire(&registry_lock);
	qr_list_del(&cache->link);
	qr_pcpu_forget(cache);
	qr_lock_release(&registry_lock);
	for (uint64_t left = qr_nodes_mask(); left; left &= left - 1) {
		struct qr_barn *barn =
			&qr_cache_node(cache, qr_ctz(left))->barn;

		if (barn->objects)
			qr_meta_free(barn->objects,
				     barn->capacity * sizeof(void *));
	}
	qr_meta_free(cache->nodes, nodes_size());
	qr_meta_free(cache, sizeof(*cache));
	return 0;
}

void qr_caches_for_each(void (*visit)(struct qr_cache *cache, void *arg),
			void *arg)
{
	qr_lock_acquire(&registry_lock);
	for (unsigned class = 1; class <= QR_NR_CLASSES; class ++)
		visit(&general[class - 1], arg);
	QR_LIST_FOR_EACH(link, safe, &made)
		visit(QR_CONTAINER_OF(link, struct qr_cache, link), arg);
	qr_lock_release(&registry_lock);
}

/*
 * fork.  What the registry guards cannot change meanwhile, so the two walks
 * see the same caches.
 */

enum act { ACQUIRE, RELEASE, RESET };

static void apply(enum act act, struct qr_lock *lock)
{
	if (act == ACQUIRE)
		qr_lock_acquire(lock);
	else
		qr_lock_after_fork(lock, act == RESET);
}

static void for_each_node(enum act act, struct qr_cache *cache, bool barns)
{
	for (uint64_t left = qr_nodes_mask(); left; left &= left - 1) {
		struct qr_cache_node *node = qr_cache_node(cache, qr_ctz(left));

		apply(act, barns ? &node->barn.lock : &node->lock);
	}
}

static void for_each_lock(enum act act, bool barns)
{
	for (unsigned class = 1; class <= QR_NR_CLASSES; class ++)
		for_each_node(act, &general[class - 1], barns);
	QR_LIST_FOR_EACH(link, safe, &made)
		for_each_node(act, QR_CONTAINER_OF(link, struct qr_cache, link),
			      barns);
}

void qr_caches_lock_all(void)
{
	qr_lock_acquire(&registry_lock);
	qr_pcpu_lock_all();
	for_each_lock(ACQUIRE, true);
	for_each_lock(ACQUIRE, false);
}

void qr_caches_unlock_all(bool child)
{
	for_each_lock(child ? RESET : RELEASE, false);
	for_each_lock(child ? RESET : RELEASE, true);
	qr_pcpu_unlock_all(child);
	qr_lock_after_fork(&registry_lock, child);
}
