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
	uint8_t misses; /* since the last step */
	uint8_t clock;	/* all misses */
	uint8_t number; /* of the row it points at */
};

/* Behind the last one: a bit for every row that there may be something in. */
enum { NR_WORDS = QR_NR_ROWS / 64, FIRST_WORD = QR_NR_ROWS - NR_WORDS };

static_assert(QR_MAX_CACHES / 2 <= FIRST_WORD, "no cache has these");

static uint64_t *aux_of(int32_t id, unsigned i)
{
	char *region = qr_rseq.regions + (size_t)id * QR_REGION_SIZE;

	return (uint64_t *)(void *)region + QR_FIRST_AUX + i;
}

static struct hand *hand_of(int32_t id)
{
	return (struct hand *)(void *)aux_of(id, 0);
}

void qr_hand_mark(const struct qr_site *site)
{
	unsigned i = site->cache->number / 2u;

	__atomic_fetch_or(aux_of(site->id, FIRST_WORD + i / 64),
			  UINT64_C(1) << i % 64, __ATOMIC_RELAXED);
}

static void unmark(const struct qr_site *site)
{
	unsigned i = site->cache->number / 2u;

	__atomic_fetch_and(aux_of(site->id, FIRST_WORD + i / 64),
			   ~(UINT64_C(1) << i % 64), __ATOMIC_RELAXED);
}

/* The next marked row after @number, or the first; 0: there is none. */
static unsigned next_marked(int32_t id, unsigned number)
{
	unsigned from = number / 2 + 1;

	for (unsigned n = 0; n <= NR_WORDS; n++, from = (from / 64 + 1) * 64) {
		unsigned w = from / 64 % NR_WORDS;
		uint64_t word = __atomic_load_n(aux_of(id, FIRST_WORD + w),
						__ATOMIC_RELAXED);

		word &= ~qr_bit_range(0, from % 64);
		if (word)
			return 2 * (w * 64 + qr_ctz(word));
	}
	return 0;
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

static void look_at(const struct qr_site *site)
{
	unsigned home = qr_home_node();
	struct qr_cache_node *node = qr_cache_node(site->cache, home);
	struct qr_row row = qr_row_read(site);

	/* first, so that who begins to use it meanwhile marks it again */
	unmark(site);
	if (!qr_row_is_untouched(row) &&
	    (is_in_use(site, row) || !empty_row(site, row))) {
		qr_hand_mark(site);
		return;
	}
	empty_barn(site->cache, node, (unsigned)site->id);
	if (__atomic_load_n(&node->nr_slabs, __ATOMIC_RELAXED) < FEW_SLABS)
		qr_slab_shrink(site->cache, home);
	if (__atomic_load_n(&node->barn.nr_objects, __ATOMIC_RELAXED))
		qr_hand_mark(site);
}

void qr_hand_move(const struct qr_site *missed)
{
	struct hand *hand = hand_of(missed->id);
	unsigned n = __atomic_load_n(&hand->misses, __ATOMIC_RELAXED) + 1u;
	unsigned number = __atomic_load_n(&hand->number, __ATOMIC_RELAXED);
	struct qr_site site;

	__atomic_store_n(&hand->misses, (uint8_t)(n % MISSES_PER_STEP),
			 __ATOMIC_RELAXED);
	if (n < MISSES_PER_STEP)
		return;
	number = next_marked(missed->id, number);
	__atomic_store_n(&hand->number, (uint8_t)number, __ATOMIC_RELAXED);
	/* at a miss a row is where it was at the last one */
	if (number && number != missed->cache->number &&
	    qr_site_of(missed->id, number, &site))
		look_at(&site);
}

uint8_t qr_hand_clock(const struct qr_site *site)
{
	struct hand *hand = hand_of(site->id);
	unsigned now = __atomic_load_n(&hand->clock, __ATOMIC_RELAXED) + 1u;

	__atomic_store_n(&hand->clock, (uint8_t)now, __ATOMIC_RELAXED);
	return (uint8_t)now;
}
