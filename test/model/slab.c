/*
 * Caches against a list of what is live.
 *
 * Random operations on a dozen caches, general ones and made ones, some of
 * which share the number of those without arrays: allocate, free, in bulk,
 * drain, shrink, create, destroy.  Every object carries its own address and
 * the step it was had at, in all of its words; after each step the counts of
 * the cache that was touched are exact and its slabs are sound.
 */
#include "../unit/slab.h"

#include "quarry.h"

#include <errno.h>

enum {
	STEPS = 100000,
	CACHES = 64,	/* more than have numbers of their own */
	MAX_LIVE = 600,
	BULK = 150,
};

struct twin {
	struct qr_cache *cache;
	bool made, constructed;
	size_t nr_live;
	void *live[MAX_LIVE];
};

static struct twin twins[CACHES];
static struct draw draw;

static void construct(void *object)
{
	*(uint64_t *)object = 0xc0;
}

static void fill(const struct twin *twin, void *object)
{
	uint64_t *words = object;

	/* a constructed object leaves and comes back as constructed */
	for (size_t i = twin->constructed; i < twin->cache->size / 8; i++)
		words[i] = (uintptr_t)object ^ i;
}

static void check_content(const struct twin *twin, void *object)
{
	uint64_t *words = object;

	for (size_t i = twin->constructed; i < twin->cache->size / 8; i++)
		cr_assert_eq(words[i], (uintptr_t)object ^ i);
}

static void add(struct twin *twin, void *object)
{
	cr_assert(object);
	cr_assert_eq((uintptr_t)object % twin->cache->align, 0);
	if (twin->constructed)
		cr_assert_eq(*(uint64_t *)object, 0xc0);
	fill(twin, object);
	twin->live[twin->nr_live++] = object;
}

static void *take(struct twin *twin)
{
	size_t i = draw_below(&draw, twin->nr_live);
	void *object = twin->live[i];

	twin->live[i] = twin->live[--twin->nr_live];
	check_content(twin, object);
	return object;
}

static void alloc_some(struct twin *twin, size_t n)
{
	void *objects[BULK];

	n = qr_min(n, MAX_LIVE - twin->nr_live);
	if (n == 1)
		objects[0] = qr_pcpu_alloc(twin->cache);
	else
		cr_assert_eq(qr_pcpu_alloc_bulk(twin->cache, objects, n), n);
	for (size_t i = 0; i < n; i++)
		add(twin, objects[i]);
}

static void free_some(struct twin *twin, size_t n)
{
	void *objects[BULK];

	n = qr_min(n, twin->nr_live);
	for (size_t i = 0; i < n; i++)
		objects[i] = take(twin);
	if (n == 1)
		qr_pcpu_free(twin->cache, objects[0]);
	else
		qr_pcpu_free_bulk(twin->cache, objects, n);
}

static void create(struct twin *twin)
{
	static const size_t sizes[] = { 8, 40, 200, 1000, 5000, 32768 };
	static const size_t aligns[] = { 0, 8, 64, 256, 4096 };
	size_t size = sizes[draw_below(&draw, QR_ARRAY_SIZE(sizes))];
	size_t align = aligns[draw_below(&draw, QR_ARRAY_SIZE(aligns))];
	int error;

	twin->constructed = draw_below(&draw, 2);
	twin->made = true;
	twin->cache = qr_cache_create("model", size, align,
				      twin->constructed ? construct : NULL, 0,
				      &error);
	cr_assert(twin->cache);
	cr_assert_geq(twin->cache->size, size);
}

static void destroy(struct twin *twin)
{
	size_t live = 0;

	if (twin->nr_live) {
		cr_assert_eq(qr_cache_destroy(twin->cache, &live), -EBUSY);
		cr_assert_eq(live, twin->nr_live);
		return;
	}
	cr_assert_eq(qr_cache_destroy(twin->cache, &live), 0);
	create(twin);
}

static void step(struct twin *twin)
{
	switch (draw_below(&draw, 32)) {
	case 0:
		qr_pcpu_drain(twin->cache);
		break;
	case 1:
		qr_cache_shrink(twin->cache);
		break;
	case 2:
		if (twin->made)
			destroy(twin);
		break;
	case 3:
		alloc_some(twin, draw_below(&draw, BULK));
		break;
	case 4:
	case 5:
		free_some(twin, draw_below(&draw, BULK));
		break;
	default:
		if (draw_below(&draw, 2))
			alloc_some(twin, 1);
		else
			free_some(twin, 1);
	}
}

static void check(struct twin *twin, unsigned n)
{
	const char *wrong = qr_slab_check(twin->cache, 0);

	cr_assert_null(wrong, "step %u: %s", n, wrong);
	cr_assert_eq(qr_cache_live(twin->cache), twin->nr_live, "step %u", n);
}

Test(slab_model, caches_do_as_the_twin, .timeout = 300)
{
	slab_init();
	draw = draw_init("slab_model");
	for (unsigned i = 0; i < CACHES; i++) {
		if (i < 4)
			twins[i].cache = cache_of((size_t)50 << 3 * i);
		else
			create(&twins[i]);
	}
	for (unsigned n = 0; n < STEPS; n++) {
		struct twin *twin = &twins[draw_below(&draw, CACHES)];

		step(twin);
		check(twin, n);
	}
}
