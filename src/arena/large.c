/*
 * See large.h.
 *
 *	state	is					changed by
 *	LIVE	an object; its whole mapping		whoever frees or resizes
 *	BUSY	on its way				the one thread that made
 *							it so
 *	CACHED	free, with its memory			lock
 *	PARKED	free, purged: reads as zeros		lock
 *	STALE	free; could not be purged (mlock)	lock
 *
 * A mapping changes hands by LIVE -> BUSY, a compare and exchange: of two
 * threads that free one object the second is told that it is none.
 *
 *	alloc	from the cache (at most 12.5 % too large); else cut from what
 *		is parked; else map.  Limit met: shed the cache, again.
 *	free	to the cache; what that no longer holds, oldest first, is
 *	release	unmapped, or parked where unmapping would split a mapping of
 *		the kernel and those are nearly spent
 *	realloc	mremap, with a sixteenth of address space to spare, so that
 *		growth in small steps moves seldom; else alloc, copy, free
 *
 * An address leaves the tree before the kernel may give it to another thread,
 * and enters it after the kernel gave it to us:
 *
 *	map, insert		unlink, unmap, forget
 *				unlink, mremap, link
 *
 * The budget (arena/budget.h) counts what is LIVE, CACHED, or BUSY between the
 * two; PARKED and STALE it does not.
 *
 * Parking needs no memory of ours, so that a free never fails: unlinking may
 * find none, and unmapping may be refused.
 *
 * When mappings are nearly spent (qr_vma_tight) a new one goes into a hole
 * between ours, so that the kernel makes one of the two, or comes as the
 * first part of a wider one, the rest of which is parked.
 *
 * Locking: lock (rank LARGE) guards the bins and the states CACHED, PARKED,
 * STALE.  It is not held across a system call.
 */
#include "arena/large.h"

#include "arena/budget.h"
#include "arena/huge.h"
#include "arena/large_bins.h"
#include "arena/policy.h"
#include "arena/vma.h"
#include "base/bits.h"
#include "sys/lock.h"
#include "sys/map.h"

#include <string.h>

enum state { LIVE = 1, BUSY, CACHED, PARKED, STALE };

enum {
	HOLES_TO_TRY = 8,
	SLACK_SHIFT = 4, /* growth leaves a sixteenth to grow into */
	FIT_SHIFT = 3,	 /* the cache may give an eighth too much */
};

static const size_t MAX_SIZE = PTRDIFF_MAX / 2;
static const size_t BATCH = (size_t)1 << 30; /* most mapped in advance */
static const size_t LEAST_TAIL = (size_t)1 << 16;
static const uintptr_t LOWEST = 1 << 16;

static struct qr_lock lock = QR_LOCK_INIT(QR_RANK_LARGE);
/* under the lock */
static struct qr_large_bins cache, parked, stale;
static struct qr_window unused; /* least cache.bytes */

static _Atomic size_t cache_limit = (size_t)32 << 20;
static _Atomic size_t live, nr_live;
static _Atomic uint64_t nr_allocs, nr_hits, nr_remaps;

static void add(_Atomic size_t *counter, size_t n)
{
	atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

static void count(_Atomic uint64_t *counter)
{
	atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

static enum state state_of(const struct qr_vma *vma)
{
	/* acquire: pairs with set_state */
	return atomic_load_explicit(&vma->state, memory_order_acquire);
}

static void set_state(struct qr_vma *vma, enum state state)
{
	/* release: pairs with state_of and grab */
	atomic_store_explicit(&vma->state, state, memory_order_release);
}

/* The live object that starts at @ptr becomes the caller's; else NULL. */
static struct qr_vma *grab(const void *ptr)
{
	unsigned token = qr_vma_read_begin();
	struct qr_vma *vma = qr_vma_find((uintptr_t)ptr);
	uint32_t expected = LIVE;

	if (!vma || vma->kind != QR_VMA_LARGE || vma->start != (uintptr_t)ptr ||
	    !atomic_compare_exchange_strong_explicit(&vma->state, &expected,
						     BUSY, memory_order_acq_rel,
						     memory_order_relaxed))
		vma = NULL;
	qr_vma_read_end(token);
	return vma;
}

static struct qr_large_bins *bins_of(enum state state)
{
	return state == CACHED ? &cache : state == PARKED ? &parked : &stale;
}

static void add_to_bins_locked(struct qr_vma *vma, enum state state)
{
	set_state(vma, state);
	qr_large_bins_add(bins_of(state), vma);
}

static void take_from_bins_locked(struct qr_vma *vma)
{
	qr_large_bins_del(bins_of(state_of(vma)), vma);
	set_state(vma, BUSY);
}

/* ---- parking ---- */

/*
 * Keep the addresses of @vma, BUSY.  Those that touch become one, if there is
 * memory for the change.
 */
static void park(struct qr_vma *vma)
{
	enum state state = qr_map_purge((void *)vma->start, qr_vma_size(vma))
				   ? STALE
				   : PARKED;
	struct qr_vma *low, *high, *both;

	qr_lock_acquire(&lock);
	qr_vma_neighbours(vma, state, &low, &high);
	if (low) {
		take_from_bins_locked(low);
		if (!qr_vma_merge(low, vma, &both))
			vma = both;
		else
			add_to_bins_locked(low, state);
	}
	if (high) {
		take_from_bins_locked(high);
		if (!qr_vma_merge(vma, high, &both))
			vma = both;
		else
			add_to_bins_locked(high, state);
	}
	add_to_bins_locked(vma, state);
	qr_lock_release(&lock);
}

/* Unmap @vma, BUSY, or park it; bytes unmapped. */
static size_t release(struct qr_vma *vma)
{
	uintptr_t start = vma->start;
	size_t size = qr_vma_size(vma);
	struct qr_vma *fresh;

	if (qr_vma_tight() && qr_vma_unmap_splits(vma)) {
		park(vma);
		return 0;
	}
	fresh = qr_vma_unlink(vma);
	if (!fresh) {
		park(vma);
		return 0;
	}
	if (!qr_map_unmap((void *)start, size)) {
		qr_vma_forget(fresh);
		return size;
	}
	qr_vma_link(fresh, start, size);
	park(fresh);
	return 0;
}

/* Cut [@start, @start + @size) out of @vma, BUSY; NULL: no memory for it. */
static struct qr_vma *cut(struct qr_vma *vma, uintptr_t start, size_t size,
			  enum state rest_state)
{
	struct qr_vma *parts[2];

	if (start > vma->start) {
		if (qr_vma_split(vma, start, parts))
			goto no_memory;
		add_to_bins_locked(parts[0], rest_state);
		vma = parts[1];
	}
	if (qr_vma_size(vma) > size) {
		if (qr_vma_split(vma, start + size, parts))
			goto no_memory;
		add_to_bins_locked(parts[1], rest_state);
		vma = parts[0];
	}
	return vma;
no_memory:
	add_to_bins_locked(vma, rest_state);
	return NULL;
}

static struct qr_vma *take_parked(size_t size, size_t align, enum state state)
{
	struct qr_large_wish wish = {size, align, 0, QR_VMA_ANY_NODE};
	struct qr_vma *vma;

	qr_lock_acquire(&lock);
	vma = qr_large_bins_fit(bins_of(state), &wish);
	if (vma) {
		take_from_bins_locked(vma);
		vma = cut(vma, qr_round_up(vma->start, align), size, state);
	}
	qr_lock_release(&lock);
	return vma;
}

/* Unmap what is parked, as far as that splits nothing: bytes. */
static size_t unpark(enum state state)
{
	size_t bytes = 0, rounds = SIZE_MAX;

	for (size_t i = 0; i < rounds; i++) {
		struct qr_vma *vma;

		qr_lock_acquire(&lock);
		vma = qr_large_bins_oldest(bins_of(state));
		if (!i) /* what is refused comes back as the newest */
			rounds = bins_of(state)->nr;
		if (vma)
			take_from_bins_locked(vma);
		qr_lock_release(&lock);
		if (!vma)
			break;
		bytes += release(vma);
	}
	return bytes;
}

/* ---- new mappings ---- */

static struct qr_vma *insert(void *ptr, size_t size)
{
	struct qr_vma new = {.start = (uintptr_t)ptr,
			     .end = (uintptr_t)ptr + size,
			     .kind = QR_VMA_LARGE,
			     .node = QR_VMA_ANY_NODE,
			     .state = BUSY};
	struct qr_vma *vma;

	if (!qr_vma_insert(&new, &vma))
		return vma;
	qr_map_unmap(ptr, size);
	return NULL;
}

static struct qr_vma *map_new(size_t size, size_t align)
{
	void *ptr = qr_map_map(size, align);

	if (!ptr)
		return NULL;
	qr_huge_note_mapping(ptr, size);
	return insert(ptr, size);
}

/* In a hole between ours, next to one of them. */
static struct qr_vma *map_in_hole(size_t size, size_t align)
{
	struct qr_vma_gap wish = {.low = LOWEST, .size = size, .align = align};
	uintptr_t at;

	wish.high = qr_vma_end();
	for (int i = 0; i < HOLES_TO_TRY; i++) {
		at = qr_vma_find_gap(&wish);
		if (!at)
			return NULL;
		if (!qr_map_extend((void *)at, size)) {
			qr_huge_note_mapping((void *)at, size);
			return insert((void *)at, size);
		}
		wish.high = at;
	}
	return NULL;
}

/* The first part of a wider mapping; the rest is parked. */
static struct qr_vma *map_batch(size_t size, size_t align)
{
	struct qr_vma *vma;

	if (size > BATCH / 2)
		return NULL;
	vma = map_new(qr_round_down(BATCH, size), align);
	if (!vma)
		return NULL;
	qr_lock_acquire(&lock);
	vma = cut(vma, vma->start, size, PARKED);
	qr_lock_release(&lock);
	return vma;
}

static struct qr_vma *take_cached(size_t size, size_t align, unsigned node)
{
	struct qr_large_wish wish = {size, align, size + (size >> FIT_SHIFT),
				     node};
	struct qr_vma *vma;

	qr_lock_acquire(&lock);
	vma = qr_large_bins_fit(&cache, &wish);
	if (vma)
		take_from_bins_locked(vma);
	qr_window_note_least(&unused, cache.bytes);
	qr_lock_release(&lock);
	return vma;
}

static struct qr_vma *map_somewhere(size_t size, size_t align)
{
	struct qr_vma *vma = NULL;

	if (qr_vma_tight()) {
		vma = map_in_hole(size, align);
		if (!vma)
			vma = map_batch(size, align);
	}
	return vma ? vma : map_new(size, align);
}

/*
 * A mapping of at least @size bytes, BUSY, or NULL, with memory as @node says
 * (arena/policy.h); *@ret_zero: it is so.
 */
static struct qr_vma *obtain(size_t size, size_t align, unsigned node,
			     bool *ret_zero)
{
	struct qr_vma *vma = take_cached(size, align, node);
	bool fresh;

	*ret_zero = !vma;
	if (vma) {
		count(&nr_hits);
		return vma;
	}
	if (!qr_budget_take(size))
		return NULL;
	vma = take_parked(size, align, PARKED);
	fresh = !vma;
	if (fresh)
		vma = map_somewhere(size, align);
	if (vma) {
		qr_nodes_reclaim_for(size);
	} else {
		vma = take_parked(size, align, STALE);
		*ret_zero = fresh = false;
	}
	if (vma)
		qr_policy_place_mapping((void *)vma->start, qr_vma_size(vma),
					node, fresh);
	else
		qr_budget_give(size);
	return vma;
}

/* A limit was met: give back all that is free.  True: there was some. */
static bool shed(void)
{
	return qr_large_trim(0);
}

void *qr_large_alloc(size_t size, size_t align, bool *ret_zero)
{
	size_t page = qr_page_size();
	struct qr_vma *vma;
	unsigned node;
	bool zero;

	if (size > MAX_SIZE || align > MAX_SIZE)
		return NULL;
	size = qr_round_up(qr_max(size, 1), page);
	align = qr_max(align, page);
	node = qr_policy_of_mapping();
	vma = obtain(size, align, node, &zero);
	if (!vma && shed())
		vma = obtain(size, align, node, &zero);
	qr_vma_quiesce();
	if (!vma)
		return NULL;
	add(&live, qr_vma_size(vma));
	add(&nr_live, 1);
	count(&nr_allocs);
	if (ret_zero)
		*ret_zero = zero;

	void *ptr = (void *)vma->start;

	vma->node = (uint8_t)node;
	set_state(vma, LIVE);
	return ptr;
}

/* ---- free, trim ---- */

/* Unmap the oldest of the cache until @keep bytes are left: bytes. */
static size_t shrink_cache(size_t keep)
{
	size_t bytes = 0;

	for (;;) {
		struct qr_vma *vma = NULL;

		qr_lock_acquire(&lock);
		if (cache.bytes > keep) {
			vma = qr_large_bins_oldest(&cache);
			take_from_bins_locked(vma);
		}
		qr_lock_release(&lock);
		if (!vma)
			return bytes;
		bytes += qr_vma_size(vma);
		qr_budget_give(qr_vma_size(vma));
		release(vma);
	}
}

/* @vma, BUSY, is free from now on. */
static void give_back(struct qr_vma *vma)
{
	size_t keep = atomic_load_explicit(&cache_limit, memory_order_relaxed);

	if (qr_vma_size(vma) > keep) {
		qr_budget_give(qr_vma_size(vma));
		release(vma);
		return;
	}
	qr_lock_acquire(&lock);
	add_to_bins_locked(vma, CACHED);
	qr_lock_release(&lock);
	shrink_cache(keep);
}

static void forget_live(const struct qr_vma *vma)
{
	atomic_fetch_sub_explicit(&live, qr_vma_size(vma),
				  memory_order_relaxed);
	atomic_fetch_sub_explicit(&nr_live, 1, memory_order_relaxed);
}

bool qr_large_free(void *ptr)
{
	struct qr_vma *vma = grab(ptr);

	if (!vma)
		return false;
	forget_live(vma);
	give_back(vma);
	qr_vma_quiesce();
	return true;
}

size_t qr_large_trim(size_t keep)
{
	size_t bytes = shrink_cache(keep);

	if (!keep)
		bytes += unpark(STALE) + unpark(PARKED);
	return bytes;
}

size_t qr_large_age(void)
{
	size_t keep;

	qr_lock_acquire(&lock);
	keep = cache.bytes - qr_min(cache.bytes, qr_window_least(&unused));
	qr_window_turn(&unused, cache.bytes);
	qr_lock_release(&lock);
	return shrink_cache(keep);
}

/* ---- realloc ---- */

/* Cut the tail off @vma, BUSY, if it is worth it. */
static void shrink(struct qr_vma *vma, size_t size)
{
	size_t tail = qr_vma_size(vma) - size;
	struct qr_vma *parts[2];

	if (tail < LEAST_TAIL || tail < qr_vma_size(vma) >> FIT_SHIFT ||
	    qr_vma_split(vma, vma->start + size, parts)) {
		set_state(vma, LIVE);
		return;
	}
	atomic_fetch_sub_explicit(&live, tail, memory_order_relaxed);
	set_state(parts[0], LIVE);
	qr_budget_give(tail);
	release(parts[1]);
}

static void *remap_within_budget(uintptr_t start, size_t old, size_t size)
{
	void *ptr;

	if (!qr_budget_take(size - old))
		return NULL;
	ptr = qr_map_remap((void *)start, old, size, true);
	if (!ptr)
		qr_budget_give(size - old);
	return ptr;
}

/*
 * mremap of *@vma, BUSY, to a little more than @size, or to @size.  NULL: it
 * failed, and *@vma is where it was (but may be another structure).
 */
static void *remap(struct qr_vma **vma, size_t size)
{
	uintptr_t start = (*vma)->start;
	size_t old = qr_vma_size(*vma);
	size_t wide = size + qr_round_up(size >> SLACK_SHIFT, qr_page_size());
	struct qr_vma *fresh = qr_vma_unlink(*vma);
	void *ptr;

	if (!fresh)
		return NULL;
	*vma = fresh;
	ptr = remap_within_budget(start, old, wide);
	if (ptr)
		size = wide;
	else
		ptr = remap_within_budget(start, old, size);
	if (!ptr) {
		qr_vma_link(fresh, start, old);
		return NULL;
	}
	add(&live, size - old);
	count(&nr_remaps);
	set_state(fresh, LIVE);
	qr_vma_link(fresh, (uintptr_t)ptr, size);
	return ptr;
}

/* Where mremap cannot: the program changed a part of the mapping. */
static void *copy(struct qr_vma *vma, size_t size)
{
	void *ptr = qr_large_alloc(size, 1, NULL);

	if (!ptr) {
		set_state(vma, LIVE);
		return NULL;
	}
	memcpy(ptr, (void *)vma->start, qr_vma_size(vma));
	forget_live(vma);
	give_back(vma);
	return ptr;
}

void *qr_large_realloc(void *ptr, size_t size)
{
	struct qr_vma *vma;

	if (size > MAX_SIZE)
		return NULL;
	vma = grab(ptr);
	if (!vma)
		return NULL;
	size = qr_round_up(qr_max(size, 1), qr_page_size());
	if (size <= qr_vma_size(vma)) {
		shrink(vma, size);
	} else {
		ptr = remap(&vma, size);
		if (!ptr && shed())
			ptr = remap(&vma, size);
		if (!ptr)
			ptr = copy(vma, size);
	}
	qr_vma_quiesce();
	return ptr;
}

/* ---- questions ---- */

size_t qr_large_size(const void *ptr)
{
	uintptr_t start;
	size_t size;

	if (!qr_large_find((uintptr_t)ptr, &start, &size) ||
	    start != (uintptr_t)ptr)
		return 0;
	return size;
}

bool qr_large_find(uintptr_t addr, uintptr_t *ret_start, size_t *ret_size)
{
	unsigned token = qr_vma_read_begin();
	struct qr_vma *vma = qr_vma_find(addr);
	bool found = vma && vma->kind == QR_VMA_LARGE && state_of(vma) == LIVE;

	if (found) {
		*ret_start = vma->start;
		*ret_size = qr_vma_size(vma);
	}
	qr_vma_read_end(token);
	return found;
}

bool qr_large_is_live(uint32_t state)
{
	return state == LIVE || state == BUSY;
}

const char *qr_large_state_name(uint32_t state)
{
	switch ((enum state)state) {
	case LIVE:
		return "live";
	case BUSY:
		return "busy";
	case CACHED:
		return "cached";
	case PARKED:
		return "parked";
	case STALE:
		return "stale";
	}
	return "?";
}

void qr_large_read_stats(struct qr_large_stats *ret_stats)
{
	qr_lock_acquire(&lock);
	ret_stats->cached = cache.bytes;
	ret_stats->nr_cached = cache.nr;
	ret_stats->parked = parked.bytes + stale.bytes;
	ret_stats->nr_parked = parked.nr + stale.nr;
	qr_lock_release(&lock);
	ret_stats->live = atomic_load_explicit(&live, memory_order_relaxed);
	ret_stats->nr_live =
		atomic_load_explicit(&nr_live, memory_order_relaxed);
	ret_stats->allocs =
		atomic_load_explicit(&nr_allocs, memory_order_relaxed);
	ret_stats->cache_hits =
		atomic_load_explicit(&nr_hits, memory_order_relaxed);
	ret_stats->remaps =
		atomic_load_explicit(&nr_remaps, memory_order_relaxed);
}

void qr_large_set_limit(size_t limit)
{
	atomic_store_explicit(&cache_limit, limit, memory_order_relaxed);
}

bool qr_large_check(void)
{
	qr_lock_acquire(&lock);

	bool ok = qr_large_bins_check(&cache) && qr_large_bins_check(&parked) &&
		  qr_large_bins_check(&stale);

	qr_lock_release(&lock);
	return ok && qr_vma_check();
}

/* ---- fork ---- */

void qr_large_lock_all(void)
{
	qr_lock_acquire(&lock);
	qr_vma_lock_all();
}

void qr_large_unlock_all(bool child)
{
	qr_vma_unlock_all(child);
	qr_lock_after_fork(&lock, child);
}
