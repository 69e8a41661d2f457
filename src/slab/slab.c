#include "slab/slab.h"

#include "slab/misuse.h"
#include "sys/vector.h"

#include <string.h>

enum {
	MAX_SLAB_ORDER = 5,
	FRAME_BITS = 256, /* free bits in one descriptor */
};

/* Modulo 2^32, by Newton's iteration: each step doubles the right bits. */
static uint32_t inverse_of_odd(uint32_t odd)
{
	uint32_t x = odd; /* right in 3 bits */

	for (int i = 0; i < 4; i++)
		x *= 2 - odd * x;
	return x;
}

static unsigned pages_of(size_t bytes)
{
	return (unsigned)((bytes + QR_FRAME_SIZE - 1) / QR_FRAME_SIZE);
}

/*
 * Is a block of @order good enough for objects of @size bytes?  Small slabs
 * run empty sooner, large ones waste less: an eighth of the pages that are
 * kept, and a quarter of the block, the rest of which others may use.
 */
static bool suits(size_t size, unsigned order)
{
	size_t wish = size <= 512 ? 8 : size <= 2048 ? 4 : size < 8192 ? 2 : 1;
	size_t block = (size_t)QR_FRAME_SIZE << order;
	size_t used = block / size * size;
	size_t kept = (size_t)pages_of(used) * QR_FRAME_SIZE;

	return used >= wish * size &&
	       (kept - used) * (size <= 2048 ? 16 : 8) <= kept &&
	       (block - used) * 4 <= block;
}

void qr_slab_layout(struct qr_cache *cache)
{
	size_t size = cache->size, n;
	unsigned order = 0;

	while (order < MAX_SLAB_ORDER && !suits(size, order))
		order++;
	n = ((size_t)QR_FRAME_SIZE << order) / size;
	cache->order = (uint8_t)order;
	cache->nr_pages = (uint8_t)pages_of(n * size);
	cache->nr_objects = (uint16_t)n;
	cache->inverse =
		(uint32_t)((UINT64_C(1) << 32) / size + !qr_is_pow2(size));
	cache->size_shift = (uint8_t)qr_ctz(size);
	cache->odd_inverse = inverse_of_odd((uint32_t)(size >> qr_ctz(size)));
}

static unsigned map_words(const struct qr_cache *cache)
{
	return (cache->nr_objects + 63u) / 64;
}

static uint64_t *map_word(struct qr_page *page, unsigned word)
{
	return &page[word / (FRAME_BITS / 64)].map[word % (FRAME_BITS / 64)];
}

/* Which list a slab belongs on: 0 the fullest; its own number of none. */
static unsigned bucket_of(const struct qr_page *page)
{
	unsigned n = page->nr_objects, nr_free = n - page->inuse;

	if (!nr_free)
		return QR_NR_BUCKETS;
	return (nr_free > n / 4) + (nr_free > n / 2) +
	       (nr_free > n / 4 + n / 2);
}

/* Put the slab where it now belongs. */
static void rebucket(struct qr_cache_node *node, struct qr_page *page)
{
	unsigned bucket = bucket_of(page);

	if (bucket == page->bucket)
		return;
	qr_list_del(&page->link);
	if (bucket < QR_NR_BUCKETS)
		qr_list_add(&page->link, &node->partial[bucket]);
	page->bucket = (uint8_t)bucket;
}

/* Up to @n free objects of one slab, lowest first. */
static size_t take(struct qr_cache *cache, struct qr_page *page, void **objects,
		   size_t n)
{
	char *start = (char *)qr_page_addr(page);
	unsigned words = map_words(cache);
	size_t got = 0;

	for (unsigned w = 0; w < words && got < n; w++) {
		uint64_t *word = map_word(page, w);
		uint64_t bits = *word;
		char *base = start + (size_t)w * 64 * cache->size;

		for (; bits && got < n; bits &= bits - 1)
			objects[got++] =
				base + qr_ctz(bits) * (size_t)cache->size;
		*word = bits;
	}
	page->inuse = (uint16_t)(page->inuse + got);
	return got;
}

static struct qr_page *fullest(struct qr_cache_node *node)
{
	for (int b = 0; b < QR_NR_BUCKETS; b++) {
		if (!qr_list_empty(&node->partial[b]))
			return QR_LIST_FIRST(&node->partial[b], struct qr_page,
					     link);
	}
	return NULL;
}

static size_t refill_locked(struct qr_cache *cache, struct qr_cache_node *node,
			    void **objects, size_t n)
{
	struct qr_page *page;
	size_t got = 0;

	while (got < n && (page = fullest(node))) {
		got += take(cache, page, objects + got, n - got);
		rebucket(node, page);
	}
	node->nr_inuse += got;
	node->refills++;
	return got;
}

static void set_bytes(const struct qr_cache *cache, struct qr_page *page,
		      uint8_t byte)
{
	struct qr_zone *zone = qr_page_zone(page);

	memset(&zone->span->frame_bytes[qr_zone_frame(zone, page)], byte,
	       cache->nr_pages);
}

static unsigned page_node(const struct qr_page *page)
{
	unsigned node = qr_page_zone(page)->node;

	return node == QR_NO_NODE ? qr_node_with_memory(0) : node;
}

static struct qr_page *pages_alloc(const struct qr_cache *cache,
				   const struct qr_place *place, unsigned cpu)
{
	return qr_is_pow2(cache->nr_pages)
		       ? qr_block_alloc_at(place, cpu, cache->order)
		       : qr_pages_alloc_at(place, cpu, cache->nr_pages);
}

static void pages_free(const struct qr_cache *cache, struct qr_page *page,
		       unsigned cpu)
{
	if (qr_is_pow2(cache->nr_pages))
		qr_block_free(page, cpu, cache->order);
	else
		qr_pages_free(page, cpu, cache->nr_pages);
}

static struct qr_page *make_slab(struct qr_cache *cache,
				 const struct qr_place *place, unsigned cpu)
{
	struct qr_page *page = pages_alloc(cache, place, cpu);
	unsigned n = cache->nr_objects;
	char *start;

	if (!page)
		return NULL;
	start = (char *)qr_page_addr(page);
	for (unsigned w = 0; w < map_words(cache); w++)
		*map_word(page, w) =
			qr_bit_range(0, (unsigned)qr_min(64, n - w * 64));
	page->state = QR_PAGE_SLAB;
	page->cache = cache;
	page->inuse = 0;
	page->nr_objects = cache->nr_objects;
	page->bucket = QR_NR_BUCKETS;
	qr_list_init(&page->link);
	if (cache->constructor) {
		for (unsigned i = 0; i < n; i++)
			cache->constructor(start + (size_t)i * cache->size);
	}
	/* the objects' addresses are told to nobody yet */
	set_bytes(cache, page, cache->number);
	return page;
}

static void unmake_slab(struct qr_cache *cache, struct qr_page *page,
			unsigned cpu)
{
	set_bytes(cache, page, QR_FRAME_NONE);
	pages_free(cache, page, cpu);
}

size_t qr_slab_refill_at(struct qr_cache *cache, const struct qr_place *place,
			 unsigned cpu, void **objects, size_t n)
{
	struct qr_cache_node *node = qr_cache_node(cache, place->node);
	struct qr_page *page;
	size_t got;

	qr_lock_acquire(&node->lock);
	got = refill_locked(cache, node, objects, n);
	qr_lock_release(&node->lock);
	if (got)
		return got;

	page = make_slab(cache, place, cpu);
	if (!page)
		return 0;
	/* pages may have come from another node: its slabs stay there */
	node = qr_cache_node(cache, page_node(page));
	qr_lock_acquire(&node->lock);
	node->nr_slabs++;
	rebucket(node, page);
	got = take(cache, page, objects, n);
	rebucket(node, page);
	node->nr_inuse += got;
	node->refills++;
	qr_lock_release(&node->lock);
	return got;
}

size_t qr_slab_refill(struct qr_cache *cache, unsigned node, unsigned cpu,
		      void **objects, size_t n)
{
	struct qr_place place = qr_place_near(node);

	return qr_slab_refill_at(cache, &place, cpu, objects, n);
}

static struct qr_page *page_of(const struct qr_cache *cache, const void *object)
{
	uintptr_t start = qr_slab_start(cache, (uintptr_t)object);
	struct qr_span *span = qr_span_find(start);

	return &span->mem_map[qr_span_frame(span, start)];
}

struct qr_cache *qr_slab_cache_of(const struct qr_span *span, size_t frame)
{
	/* blocks are aligned: one of these few is its first frame */
	for (unsigned order = 0; order <= MAX_SLAB_ORDER; order++) {
		size_t first = qr_round_down(frame, 1ul << order);
		struct qr_page *page = &span->mem_map[first];

		if (page->state == QR_PAGE_SLAB &&
		    frame - first < page->cache->nr_pages)
			return page->cache;
	}
	return NULL;
}

unsigned qr_slab_node(const struct qr_cache *cache, const void *object)
{
	return page_node(page_of(cache, object));
}

/* Is an empty slab worth keeping?  One a node: the next refill wants it. */
static bool keep_empty(const struct qr_cache_node *node)
{
	return node->nr_slabs == 1;
}

/* Set the free bits of @n objects of one slab; false: one is free already. */
static bool set_bits(const struct qr_cache *cache, struct qr_page *page,
		     void *const *objects, size_t n, size_t *ret_bad)
{
	for (size_t i = 0; i < n; i++) {
		unsigned nr = qr_slab_index(cache, (uintptr_t)objects[i]);
		uint64_t bit = UINT64_C(1) << nr % 64;
		uint64_t *word = map_word(page, nr / 64);

		if (qr_unlikely(*word & bit)) {
			*ret_bad = i;
			return false;
		}
		*word |= bit;
	}
	return true;
}

/* @n objects of one slab; the slab, if it is empty now and not to be kept. */
static struct qr_page *put_locked(struct qr_cache *cache,
				  struct qr_cache_node *node,
				  struct qr_page *page, void *const *objects,
				  size_t n)
{
	size_t bad = 0;

	/* the slab may even be gone, when all its objects were free before */
	if (qr_unlikely(page->state != QR_PAGE_SLAB || page->cache != cache ||
			!set_bits(cache, page, objects, n, &bad))) {
		qr_lock_release(&node->lock);
		qr_misuse_double_free(objects[bad], cache);
	}
	page->inuse = (uint16_t)(page->inuse - n);
	node->nr_inuse -= n;
	rebucket(node, page);
	if (page->inuse || keep_empty(node))
		return NULL;
	qr_list_del(&page->link);
	page->bucket = QR_NR_BUCKETS;
	node->nr_slabs--;
	return page;
}

/* How many of @objects, from the first on, are of its slab. */
static size_t count_of_slab(const struct qr_cache *cache, void *const *objects,
			    size_t n)
{
	uintptr_t start = qr_slab_start(cache, (uintptr_t)objects[0]);
	size_t same = 1;

	while (same < n &&
	       qr_slab_start(cache, (uintptr_t)objects[same]) == start)
		same++;
	return same;
}

/* Objects of one node; @next collects what belongs to another. */
static size_t flush_node(struct qr_cache *cache, unsigned cpu,
			 void *const *objects, size_t n, void **next)
{
	struct qr_page *empty[QR_MAX_BATCH];
	unsigned node_nr = page_node(page_of(cache, objects[0]));
	struct qr_cache_node *node = qr_cache_node(cache, node_nr);
	size_t nr_empty = 0, nr_next = 0, same;

	qr_lock_acquire(&node->lock);
	for (size_t i = 0; i < n; i += same) {
		struct qr_page *page = page_of(cache, objects[i]);

		same = count_of_slab(cache, objects + i, n - i);
		if (qr_unlikely(page_node(page) != node_nr)) {
			memmove(next + nr_next, objects + i,
				same * sizeof(*next));
			nr_next += same;
			continue;
		}
		page = put_locked(cache, node, page, objects + i, same);
		if (page)
			empty[nr_empty++] = page;
	}
	node->flushes++;
	qr_lock_release(&node->lock);

	for (size_t i = 0; i < nr_empty; i++)
		unmake_slab(cache, empty[i], cpu);
	return nr_next;
}

void qr_slab_flush(struct qr_cache *cache, unsigned cpu, void *const *objects,
		   size_t n)
{
	void *next[QR_MAX_BATCH];

	for (size_t i = 0; i < n; i++)
		__builtin_prefetch(page_of(cache, objects[i]), 1);
	while (n) {
		n = flush_node(cache, cpu, objects, n, next);
		objects = next;
	}
}

/*
 * A multiple of the size, multiplied by the inverse of its odd part and
 * rotated by the even one, is the quotient; all other offsets come out above
 * any quotient (Granlund and Montgomery).
 *
 * Eight objects at a time, because this is done for every object that a change
 * of roles passes on; the last eight may overlap those before.
 */
typedef uint64_t four_words __attribute__((vector_size(32)));
typedef uint32_t eight_halves __attribute__((vector_size(32)));
/* as it lies in an array of pointers */
typedef uint64_t four_pointers
	__attribute__((vector_size(32), aligned(8), may_alias));

enum { EIGHT = 8 };

/* Sets bits of *@wrong if an offender is among @objects. */
QR_INLINE void glance_at_eight(const struct qr_cache *cache,
			       void *const *objects, eight_halves *wrong)
{
	uint32_t mask = ((uint32_t)QR_FRAME_SIZE << cache->order) - 1;
	unsigned shift = cache->size_shift;
	four_words a = *(const four_pointers *)objects;
	four_words b = *(const four_pointers *)(objects + 4);
	four_words twice;
	eight_halves q;

	/* the low halves, in whatever order */
	q = __builtin_shufflevector((eight_halves)a, (eight_halves)b, 0, 2, 8,
				    10, 4, 6, 12, 14);
	q = (q & mask) * cache->odd_inverse;
	q = q >> shift | q << (-shift & 31);
	twice = (four_words)((a == *(const four_pointers *)(objects - 1)) |
			     (a == *(const four_pointers *)(objects - 2)) |
			     (b == *(const four_pointers *)(objects + 3)) |
			     (b == *(const four_pointers *)(objects + 2)));
	*wrong |= (eight_halves)(q >= cache->nr_objects) | (eight_halves)twice;
}

static bool glance_at_one(const struct qr_cache *cache, const void *object)
{
	uint32_t mask = ((uint32_t)QR_FRAME_SIZE << cache->order) - 1;
	unsigned shift = cache->size_shift;
	uint32_t q = ((uint32_t)(uintptr_t)object & mask) * cache->odd_inverse;

	return (q >> shift | q << (-shift & 31)) >= cache->nr_objects;
}

QR_INLINE bool glance_at_few(const struct qr_cache *cache, void *const *objects,
			     size_t n)
{
	bool wrong = n > 0 && glance_at_one(cache, objects[0]);

	if (n > 1)
		wrong |= glance_at_one(cache, objects[1]) |
			 (objects[1] == objects[0]);
	for (size_t i = 2; i < n; i++)
		wrong |= glance_at_one(cache, objects[i]) |
			 (objects[i] == objects[i - 1]) |
			 (objects[i] == objects[i - 2]);
	return !wrong;
}

QR_VECTOR_CLONES bool qr_slab_glance(const struct qr_cache *cache,
				     void *const *objects, size_t n)
{
	eight_halves wrong = {0};
	four_words any;

	if (n < 2 + EIGHT)
		return glance_at_few(cache, objects, n);
	for (size_t i = 2; i < n - EIGHT; i += EIGHT)
		glance_at_eight(cache, objects + i, &wrong);
	glance_at_eight(cache, objects + n - EIGHT, &wrong);
	any = (four_words)wrong;
	return glance_at_few(cache, objects, 2) &&
	       !(any[0] | any[1] | any[2] | any[3]);
}

/*
 * Twice the same in one batch: every address leaves its position in a small
 * table at its hash; who finds a position there that holds its own address
 * is the second.  Another address may have overwritten the position, so this
 * may miss one, which the slab's free bit then finds.
 */
static bool all_differ(void *const *objects, size_t n)
{
	uint8_t seen[256];
	bool twice = false;

	for (size_t i = 0; i < n; i++) {
		uintptr_t addr = (uintptr_t)objects[i];
		uint8_t *at = &seen[(addr >> 4 ^ addr >> 12) % sizeof(seen)];
		size_t before = *at < i ? *at : i; /* or never written */

		twice |= objects[before] == objects[i] && before != i;
		*at = (uint8_t)i;
	}
	return !twice;
}

void *qr_slab_find_offender(const struct qr_cache *cache, void *const *objects,
			    size_t n, bool *ret_twice)
{
	if (qr_likely(qr_slab_glance(cache, objects, n) &&
		      all_differ(objects, n)))
		return NULL;
	for (size_t i = 0; i < n; i++) {
		*ret_twice = false;
		if (!qr_slab_is_object(cache, (uintptr_t)objects[i]))
			return objects[i];
		*ret_twice = true;
		for (size_t before = 0; before < i; before++) {
			if (objects[before] == objects[i])
				return objects[i];
		}
	}
	return NULL;
}

bool qr_slab_looks_free(const struct qr_cache *cache, const void *object)
{
	struct qr_page *page = page_of(cache, object);
	unsigned i = qr_slab_index(cache, (uintptr_t)object);

	return page->state != QR_PAGE_SLAB || page->cache != cache ||
	       (__atomic_load_n(map_word(page, i / 64), __ATOMIC_RELAXED) >>
			i % 64 &
		1);
}

size_t qr_slab_shrink(struct qr_cache *cache, unsigned node_nr)
{
	struct qr_cache_node *node = qr_cache_node(cache, node_nr);
	struct qr_list empty = QR_LIST_INIT(empty);
	size_t bytes = 0;

	/* an empty slab is always in the last bucket */
	qr_lock_acquire(&node->lock);
	QR_LIST_FOR_EACH(link, safe, &node->partial[QR_NR_BUCKETS - 1]) {
		struct qr_page *page =
			QR_CONTAINER_OF(link, struct qr_page, link);

		if (page->inuse)
			continue;
		qr_list_del(&page->link);
		qr_list_add(&page->link, &empty);
		page->bucket = QR_NR_BUCKETS;
		node->nr_slabs--;
	}
	qr_lock_release(&node->lock);

	QR_LIST_FOR_EACH(link, safe, &empty) {
		struct qr_page *page =
			QR_CONTAINER_OF(link, struct qr_page, link);

		qr_list_del(&page->link);
		unmake_slab(cache, page, UINT32_MAX);
		bytes += (size_t)QR_FRAME_SIZE * cache->nr_pages;
	}
	return bytes;
}

size_t qr_slab_age(struct qr_cache *cache, unsigned node_nr)
{
	struct qr_cache_node *node = qr_cache_node(cache, node_nr);
	bool idle;

	qr_lock_acquire(&node->lock);
	idle = node->seen == node->refills + node->flushes;
	node->seen = node->refills + node->flushes;
	qr_lock_release(&node->lock);
	return idle ? qr_slab_shrink(cache, node_nr) : 0;
}

static const char *check_page(struct qr_cache *cache, struct qr_page *page,
			      unsigned bucket)
{
	unsigned nr_free = 0;

	for (unsigned w = 0; w < map_words(cache); w++)
		nr_free += qr_popcount(*map_word(page, w));
	if (page->state != QR_PAGE_SLAB || page->cache != cache)
		return "a page on a slab list is not a slab of the cache";
	if (page->nr_objects != cache->nr_objects)
		return "a slab's number of objects is not its cache's";
	if (page->inuse + nr_free != page->nr_objects)
		return "objects in use and free do not add up";
	if (page->bucket != bucket || bucket_of(page) != bucket)
		return "a slab is in the wrong bucket";
	return NULL;
}

static const char *check_locked(struct qr_cache *cache,
				struct qr_cache_node *node)
{
	size_t nr_partial = 0, inuse = 0;

	for (unsigned b = 0; b < QR_NR_BUCKETS; b++) {
		QR_LIST_FOR_EACH(link, safe, &node->partial[b]) {
			struct qr_page *page =
				QR_CONTAINER_OF(link, struct qr_page, link);
			const char *wrong = check_page(cache, page, b);

			if (wrong)
				return wrong;
			nr_partial++;
			inuse += page->inuse;
		}
	}
	if (nr_partial > node->nr_slabs)
		return "more partial slabs than slabs";
	inuse += (node->nr_slabs - nr_partial) * cache->nr_objects;
	if (inuse != node->nr_inuse)
		return "nr_inuse is not the sum over the slabs";
	return NULL;
}

const char *qr_slab_check(struct qr_cache *cache, unsigned node_nr)
{
	struct qr_cache_node *node = qr_cache_node(cache, node_nr);
	const char *wrong;

	qr_lock_acquire(&node->lock);
	wrong = check_locked(cache, node);
	qr_lock_release(&node->lock);
	return wrong;
}
