#include "slab/hand.h"

#include "slab/barn.h"
#include "slab/row.h"
#include "slab/slab.h"

enum {
	MISSES_PER_STEP = 4,
	FEW_SLABS = 4, /* looked through for an empty one */
};

/* In place of the aux of number 0, which no cache has. */
struct hand {
	uint8_t misses;
	uint8_t number; /* of the row it points at */
};

static struct hand *hand_of(int32_t id)
{
	char *region = qr_rseq.regions + (size_t)id * QR_REGION_SIZE;

	return (struct hand *)(void *)(region + QR_FIRST_AUX * 8);
}

/* All that lies between @bottom and @top; @next says so.  False: too late. */
static bool empty_array(const struct qr_site *site, struct qr_row *row,
			struct qr_row next, unsigned bottom, unsigned top)
{
	void *objects[QR_MAX_BATCH];
	size_t n = top - bottom;

	if (!n)
		return true;
	if (qr_row_change(site, *row, next, objects, &site->region[bottom], n))
		return false;
	*row = next;
	qr_row_verify(site->cache, objects, n);
	qr_slab_flush(site->cache, (unsigned)site->id, objects, n);
	return true;
}

/* The row is untouched again.  False: somebody uses it. */
static bool empty_row(const struct qr_site *site, struct qr_row row)
{
	unsigned bottom = qr_row_free_bottom(site->cache, row);
	struct qr_row next = row;

	next.ft = bottom;
	if (!empty_array(site, &row, next, bottom, row.ft))
		return false;
	next.at = row.al;
	if (!empty_array(site, &row, next, row.al, row.at))
		return false;
	__atomic_store_n(&site->aux->capacity, 0, __ATOMIC_RELAXED);
	return qr_row_change(site, row, (struct qr_row){0}, NULL, NULL, 0) == 0;
}

static void empty_barn(struct qr_cache *cache, struct qr_cache_node *node,
		       unsigned cpu)
{
	void *objects[QR_MAX_BATCH];
	size_t n;

	if (!qr_barn_is_idle(&node->barn))
		return;
	while ((n = qr_barn_get(&node->barn, objects, QR_MAX_BATCH)))
		qr_slab_flush(cache, cpu, objects, n);
}

static bool is_in_use(const struct qr_site *site, struct qr_row row)
{
	return qr_row_is_stopped(row) || !qr_row_is_idle(site) ||
	       !qr_row_is_plausible(site->cache, row);
}

/* False: there was nothing to look at. */
static bool look_at(const struct qr_site *site)
{
	unsigned home = qr_home_node();
	struct qr_cache_node *node = qr_cache_node(site->cache, home);
	struct qr_row row = qr_row_read(site);

	if (qr_row_is_untouched(row)) {
		if (!__atomic_load_n(&node->barn.nr_objects, __ATOMIC_RELAXED))
			return false;
	} else if (is_in_use(site, row) || !empty_row(site, row)) {
		return true;
	}
	empty_barn(site->cache, node, (unsigned)site->id);
	if (__atomic_load_n(&node->nr_slabs, __ATOMIC_RELAXED) < FEW_SLABS)
		qr_slab_shrink(site->cache, home);
	return true;
}

/* The next general cache's row. */
static unsigned step(struct hand *hand)
{
	unsigned number = __atomic_load_n(&hand->number, __ATOMIC_RELAXED) + 2u;

	if (number > QR_MAX_GENERAL)
		number = 2;
	__atomic_store_n(&hand->number, (uint8_t)number, __ATOMIC_RELAXED);
	return number;
}

void qr_hand_move(const struct qr_site *missed)
{
	struct hand *hand = hand_of(missed->id);
	unsigned n = __atomic_load_n(&hand->misses, __ATOMIC_RELAXED) + 1u;
	struct qr_site site;

	__atomic_store_n(&hand->misses, (uint8_t)(n % MISSES_PER_STEP),
			 __ATOMIC_RELAXED);
	if (n < MISSES_PER_STEP)
		return;
	for (int i = 0; i < QR_NR_CLASSES; i++) {
		unsigned number = step(hand);

		/* at a miss a row is where it was at the last one */
		if (number != missed->cache->number &&
		    qr_site_of(missed->id, number, &site) && look_at(&site))
			return;
	}
}
