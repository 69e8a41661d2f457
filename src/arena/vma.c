/*
 * See vma.h.
 *
 *	block of 64 bytes	on
 *	spare			pool.free, nodes only
 *	in the tree		the newest version, seen by readers
 *	filling			old versions only; retired since the last batch
 *	waiting			the same, with the cookie of their grace period
 *
 * A change, under the lock:
 *	see that the pool has nodes for it
 *	make a version without the old and with the new intervals
 *	publish its root
 *	filling += the nodes and intervals that it no longer has
 *	while (waiting is empty or its cookie has passed)
 *		waiting becomes spare; filling becomes waiting
 */
#include "arena/vma.h"

#include "arena/meta.h"
#include "arena/vma_tree.h"
#include "base/bits.h"
#include "sys/lock.h"
#include "sys/map_count.h"
#include "sys/rcu.h"

#include <errno.h>

enum {
	MAX_CHANGE = 3,	  /* intervals that leave, that come */
	KEEP_SPARE = 512, /* blocks kept before meta gets them back */
	HURRY = 8192,	  /* retired blocks that are worth a wait */
	ASK_LIMIT = 4096, /* mappings, before the limit is read */
	/* what inserting takes at any height that is ever met; see need */
	RESERVATION = 3 * 42,
};

static struct qr_lock lock = QR_LOCK_INIT(QR_RANK_VMA);

static _Atomic(const struct qr_vma_node *) root; /* written under the lock */

/* under the lock */
static struct qr_vma_pool pool;
static struct qr_vma_node *filling, *waiting;
static size_t nr_filling, nr_waiting;
static unsigned long waiting_cookie;
static size_t reserved; /* nodes of the pool, for qr_vma_link */
static const struct qr_meta_chunk *known_chunks;

/* written under the lock, read by anyone */
static _Atomic size_t nr_vmas, nr_runs, nr_retired, nr_others;
static _Atomic size_t limit = QR_MAP_COUNT_DEFAULT;
static _Atomic bool limit_known;

static const struct qr_vma_node *current(void)
{
	/* seq_cst: see sys/rcu.h */
	return atomic_load_explicit(&root, memory_order_seq_cst);
}

/* ---- blocks ---- */

static bool fill_pool(size_t nr)
{
	while (pool.nr_free < nr) {
		struct qr_vma_node *node =
			qr_meta_alloc(sizeof(struct qr_vma_node));

		if (!node)
			return false;
		node->next = pool.free;
		pool.free = node;
		pool.nr_free++;
	}
	return true;
}

/* The most nodes that @nr_ops operations take: each adds at most a level. */
static size_t need(const struct qr_vma_node *version, unsigned nr_ops)
{
	return nr_ops * (qr_vma_tree_need(version) + 3 * nr_ops);
}

static void recycle(struct qr_vma_node *list)
{
	while (list) {
		struct qr_vma_node *next = list->next;

		if (pool.nr_free < KEEP_SPARE + reserved) {
			list->next = pool.free;
			pool.free = list;
			pool.nr_free++;
		} else {
			qr_meta_free(list, sizeof(*list));
		}
		list = next;
	}
}

static void reclaim(void)
{
	for (int i = 0; i < 3 && nr_filling + nr_waiting; i++) {
		if (nr_waiting) {
			qr_rcu_poll();
			if (!qr_rcu_passed(waiting_cookie))
				break;
			recycle(waiting);
		}
		waiting = filling;
		nr_waiting = nr_filling;
		waiting_cookie = qr_rcu_cookie();
		filling = NULL;
		nr_filling = 0;
	}
	atomic_store_explicit(&nr_retired, nr_filling + nr_waiting,
			      memory_order_relaxed);
}

/* An interval's block becomes one of the lists, as a node of no tree. */
static void retire_vma(struct qr_vma *vma)
{
	struct qr_vma_node *node = (struct qr_vma_node *)(void *)vma;

	static_assert(offsetof(struct qr_vma_node, next) >=
			      offsetof(struct qr_vma, link),
		      "readers still read what is before the links");
	node->next = filling;
	filling = node;
	nr_filling++;
}

static struct qr_vma *new_vma(const struct qr_vma *from)
{
	struct qr_vma *vma = qr_meta_alloc(sizeof(struct qr_vma_node));

	if (!vma)
		return NULL;
	vma->start = from->start;
	vma->end = from->end;
	vma->kind = from->kind;
	vma->node = from->node;
	vma->flags = from->flags;
	atomic_init(&vma->state,
		    atomic_load_explicit(&from->state, memory_order_relaxed));
	qr_list_init(&vma->link);
	qr_list_init(&vma->lru);
	return vma;
}

static void drop_new(struct qr_vma *vma)
{
	qr_meta_free(vma, sizeof(struct qr_vma_node));
}

/* ---- versions ---- */

static void publish(const struct qr_vma_node *version)
{
	struct qr_vma_node *node = pool.retired;

	/* seq_cst: see sys/rcu.h */
	atomic_store_explicit(&root, version, memory_order_seq_cst);
	atomic_store_explicit(&nr_runs, version ? version->runs : 0,
			      memory_order_relaxed);
	while (node) {
		struct qr_vma_node *next = node->next;

		node->next = filling;
		filling = node;
		nr_filling++;
		node = next;
	}
	pool.retired = NULL;
	pool.nr_retired = 0;
}

static void add_nr(size_t more)
{
	atomic_store_explicit(
		&nr_vmas,
		atomic_load_explicit(&nr_vmas, memory_order_relaxed) + more,
		memory_order_relaxed);
}

static bool is_in(const struct qr_vma_node *version, const struct qr_vma *vma)
{
	return qr_vma_tree_from(version, vma->start) == vma;
}

/* The first interval that reaches into @new, once @old are gone. */
static bool overlaps(const struct qr_vma_node *version,
		     const struct qr_vma *new, struct qr_vma *const *old,
		     unsigned nr_old)
{
	struct qr_vma *vma = qr_vma_tree_from(version, new->start);

	for (; vma && vma->start < new->end;
	     vma = qr_vma_tree_from(version, vma->end)) {
		bool leaves = false;

		for (unsigned i = 0; i < nr_old; i++)
			leaves |= vma == old[i];
		if (!leaves)
			return true;
	}
	return false;
}

static int check_change(const struct qr_vma_node *version,
			const struct qr_vma_change *change)
{
	if (change->nr_old > MAX_CHANGE || change->nr_new > MAX_CHANGE)
		return -EINVAL;
	for (unsigned i = 0; i < change->nr_old; i++) {
		if (!is_in(version, change->old[i]))
			return -EINVAL;
	}
	for (unsigned i = 0; i < change->nr_new; i++) {
		const struct qr_vma *new = &change->new[i];

		if (!new->start || new->start >= new->end)
			return -EINVAL;
		if (i && new->start < change->new[i - 1].end)
			return -EINVAL;
		if (overlaps(version, new, change->old, change->nr_old))
			return -EEXIST;
	}
	return 0;
}

static int replace_locked(const struct qr_vma_change *change,
			  struct qr_vma **ret_vmas)
{
	const struct qr_vma_node *version = current();
	struct qr_vma *made[MAX_CHANGE];
	int rc = check_change(version, change);
	unsigned nr_made = 0;

	qr_lock_assert_held(&lock);
	if (rc)
		return rc;
	if (!fill_pool(reserved +
		       need(version, change->nr_old + change->nr_new)))
		return -ENOMEM;
	for (; nr_made < change->nr_new; nr_made++) {
		made[nr_made] = new_vma(&change->new[nr_made]);
		if (!made[nr_made])
			goto no_memory;
	}
	for (unsigned i = 0; i < change->nr_old; i++)
		version = qr_vma_tree_remove(&pool, version,
					     change->old[i]->start);
	for (unsigned i = 0; i < change->nr_new; i++) {
		version = qr_vma_tree_insert(&pool, version, made[i]);
		if (ret_vmas)
			ret_vmas[i] = made[i];
	}
	publish(version);
	for (unsigned i = 0; i < change->nr_old; i++)
		retire_vma(change->old[i]);
	add_nr(change->nr_new - (size_t)change->nr_old);
	reclaim();
	return 0;
no_memory:
	while (nr_made)
		drop_new(made[--nr_made]);
	return -ENOMEM;
}

/* As an insertion; what it touches and is of its kind becomes one with it. */
static int merge_in_locked(const struct qr_vma *new)
{
	const struct qr_vma_node *version = current();
	struct qr_vma *near[2] = {
		qr_vma_tree_before(version, new->start),
		qr_vma_tree_from(version, new->end),
	};
	struct qr_vma *old[2], whole = {.start = new->start,
					.end = new->end,
					.kind = new->kind,
					.node = new->node};
	struct qr_vma_change change = {old, 0, &whole, 1};

	if (near[0] && near[0]->end == new->start &&
	    near[0]->kind == new->kind) {
		whole.start = near[0]->start;
		old[change.nr_old++] = near[0];
	}
	if (near[1] && near[1]->start == new->end &&
	    near[1]->kind == new->kind) {
		whole.end = near[1]->end;
		old[change.nr_old++] = near[1];
	}
	return replace_locked(&change, NULL);
}

/* Chunks of meta cannot announce themselves: they are made under our lock. */
static void note_chunks_locked(void)
{
	const struct qr_meta_chunk *newest = qr_meta_chunks();
	const struct qr_meta_chunk *chunk = newest;

	while (chunk != known_chunks) {
		struct qr_vma new = {.kind = QR_VMA_META,
				     .node = QR_VMA_ANY_NODE};
		size_t size;

		new.start = (uintptr_t)chunk;
		chunk = qr_meta_chunk_older(chunk, &size);
		new.end = new.start + size;
		if (merge_in_locked(&new) == -ENOMEM)
			return;
	}
	known_chunks = newest;
}

static void begin(void)
{
	qr_lock_acquire(&lock);
	if (qr_meta_chunks() != known_chunks)
		note_chunks_locked();
}

static void end(void)
{
	qr_lock_release(&lock);
}

/* ---- changes ---- */

int qr_vma_replace(const struct qr_vma_change *change, struct qr_vma **ret_vmas)
{
	begin();

	int rc = replace_locked(change, ret_vmas);

	end();
	return rc;
}

int qr_vma_insert(const struct qr_vma *new, struct qr_vma **ret_vma)
{
	return qr_vma_replace(&(struct qr_vma_change){NULL, 0, new, 1},
			      ret_vma);
}

int qr_vma_remove(struct qr_vma *vma)
{
	return qr_vma_replace(&(struct qr_vma_change){&vma, 1, NULL, 0}, NULL);
}

/* The fields that a new one has from @vma. */
static struct qr_vma like(const struct qr_vma *vma, uintptr_t start,
			  uintptr_t end_of_it)
{
	return (struct qr_vma){
		.start = start,
		.end = end_of_it,
		.kind = vma->kind,
		.node = vma->node,
		.flags = vma->flags,
		.state =
			atomic_load_explicit(&vma->state, memory_order_relaxed),
	};
}

static bool is_like(const struct qr_vma *vma, const struct qr_vma *other,
		    uint32_t state)
{
	return vma->kind == other->kind && vma->flags == other->flags &&
	       vma->node == other->node &&
	       atomic_load_explicit(&vma->state, memory_order_relaxed) == state;
}

int qr_vma_split(struct qr_vma *vma, uintptr_t at, struct qr_vma *ret_vmas[2])
{
	struct qr_vma new[2] = {like(vma, vma->start, at),
				like(vma, at, vma->end)};

	return qr_vma_replace(&(struct qr_vma_change){&vma, 1, new, 2},
			      ret_vmas);
}

int qr_vma_merge(struct qr_vma *low, struct qr_vma *high,
		 struct qr_vma **ret_vma)
{
	struct qr_vma *old[2] = {low, high};
	struct qr_vma new = like(low, low->start, high->end);

	if (low->end != high->start)
		return -EINVAL;
	return qr_vma_replace(&(struct qr_vma_change){old, 2, &new, 1},
			      ret_vma);
}

int qr_vma_resize(struct qr_vma *vma, size_t size, struct qr_vma **ret_vma)
{
	return qr_vma_move(vma, vma->start, size, ret_vma);
}

int qr_vma_move(struct qr_vma *vma, uintptr_t start, size_t size,
		struct qr_vma **ret_vma)
{
	if (size > UINTPTR_MAX - start)
		return -EINVAL;

	struct qr_vma new = like(vma, start, start + size);

	return qr_vma_replace(&(struct qr_vma_change){&vma, 1, &new, 1},
			      ret_vma);
}

struct qr_vma *qr_vma_unlink(struct qr_vma *vma)
{
	struct qr_vma copy = like(vma, vma->start, vma->end);
	struct qr_vma *fresh = NULL;

	begin();
	/* the removal below takes no more than it asks the pool for */
	if (fill_pool(reserved + RESERVATION + need(current(), 1)))
		fresh = new_vma(&copy);
	if (fresh &&
	    replace_locked(&(struct qr_vma_change){&vma, 1, NULL, 0}, NULL)) {
		drop_new(fresh);
		fresh = NULL;
	}
	if (fresh)
		reserved += RESERVATION;
	end();
	return fresh;
}

void qr_vma_link(struct qr_vma *vma, uintptr_t start, size_t size)
{
	vma->start = start;
	vma->end = start + size;
	begin();
	publish(qr_vma_tree_insert(&pool, current(), vma));
	reserved -= qr_min(reserved, RESERVATION);
	add_nr(1);
	reclaim();
	end();
}

void qr_vma_forget(struct qr_vma *vma)
{
	begin();
	reserved -= qr_min(reserved, RESERVATION);
	end();
	drop_new(vma);
}

int qr_vma_register(const void *addr, size_t size, enum qr_vma_kind kind)
{
	struct qr_vma new = {.start = (uintptr_t)addr,
			     .end = (uintptr_t)addr + size,
			     .kind = (uint8_t)kind,
			     .node = QR_VMA_ANY_NODE};

	begin();

	int rc = merge_in_locked(&new);

	end();
	return rc;
}

int qr_vma_unregister(const void *addr, size_t size)
{
	uintptr_t low = (uintptr_t)addr, high = low + size;
	struct qr_vma *vma;
	int rc = 0;

	begin();
	while (!rc && (vma = qr_vma_tree_from(current(), low)) &&
	       vma->start < high) {
		struct qr_vma new[2];
		struct qr_vma_change change = {&vma, 1, new, 0};

		if (vma->start < low)
			new[change.nr_new++] = like(vma, vma->start, low);
		if (vma->end > high)
			new[change.nr_new++] = like(vma, high, vma->end);
		rc = replace_locked(&change, NULL);
	}
	end();
	return rc;
}

/* ---- readers ---- */

unsigned qr_vma_read_begin(void)
{
	unsigned token = qr_rcu_read_lock();

	if (qr_unlikely(token == QR_RCU_NONE))
		qr_lock_acquire(&lock);
	return token;
}

void qr_vma_read_end(unsigned token)
{
	if (qr_unlikely(token == QR_RCU_NONE))
		qr_lock_release(&lock);
	else
		qr_rcu_read_unlock(token);
}

struct qr_vma *qr_vma_find(uintptr_t addr)
{
	struct qr_vma *vma = qr_vma_tree_from(current(), addr);

	return vma && vma->start <= addr ? vma : NULL;
}

struct qr_vma *qr_vma_find_from(uintptr_t addr)
{
	return qr_vma_tree_from(current(), addr);
}

bool qr_vma_next(uintptr_t addr, struct qr_vma_info *ret_info)
{
	unsigned token = qr_vma_read_begin();
	struct qr_vma *vma = qr_vma_find_from(addr);

	if (vma)
		*ret_info = (struct qr_vma_info){
			.start = vma->start,
			.end = vma->end,
			.kind = vma->kind,
			.node = vma->node,
			.state = atomic_load_explicit(&vma->state,
						      memory_order_relaxed),
		};
	qr_vma_read_end(token);
	return vma;
}

uintptr_t qr_vma_find_gap(const struct qr_vma_gap *wish)
{
	unsigned token = qr_vma_read_begin();
	uintptr_t at = qr_vma_tree_gap(current(), wish);

	qr_vma_read_end(token);
	return at;
}

uintptr_t qr_vma_end(void)
{
	unsigned token = qr_vma_read_begin();
	const struct qr_vma_node *version = current();
	uintptr_t at = version ? version->last : 0;

	qr_vma_read_end(token);
	return at;
}

void qr_vma_neighbours(const struct qr_vma *vma, uint32_t state,
		       struct qr_vma **ret_low, struct qr_vma **ret_high)
{
	begin();

	struct qr_vma *low = qr_vma_tree_before(current(), vma->start);
	struct qr_vma *high = qr_vma_tree_from(current(), vma->end);

	*ret_low = NULL;
	*ret_high = NULL;
	if (low && low->end == vma->start && is_like(low, vma, state))
		*ret_low = low;
	if (high && high->start == vma->end && is_like(high, vma, state))
		*ret_high = high;
	end();
}

bool qr_vma_unmap_splits(const struct qr_vma *vma)
{
	begin();

	struct qr_vma *low = qr_vma_tree_before(current(), vma->start);
	struct qr_vma *high = qr_vma_tree_from(current(), vma->end);
	bool splits = low && high && low->end == vma->start &&
		      high->start == vma->end && low->kind != QR_VMA_SPAN &&
		      high->kind != QR_VMA_SPAN;

	end();
	return splits;
}

/* ---- the budget, reports ---- */

void qr_vma_note_others(int more)
{
	atomic_fetch_add_explicit(&nr_others, (size_t)more,
				  memory_order_relaxed);
}

bool qr_vma_tight(void)
{
	size_t runs = atomic_load_explicit(&nr_runs, memory_order_relaxed) +
		      atomic_load_explicit(&nr_others, memory_order_relaxed);
	size_t allowed = atomic_load_explicit(&limit, memory_order_relaxed);

	if (runs < qr_min(ASK_LIMIT, allowed / 2))
		return false;
	if (!atomic_exchange_explicit(&limit_known, true,
				      memory_order_relaxed)) {
		allowed = qr_max_map_count();
		atomic_store_explicit(&limit, allowed, memory_order_relaxed);
	}
	return runs >= allowed - allowed / 4;
}

void qr_vma_set_limit(size_t new_limit)
{
	atomic_store_explicit(&limit,
			      new_limit ? new_limit : QR_MAP_COUNT_DEFAULT,
			      memory_order_relaxed);
	atomic_store_explicit(&limit_known, new_limit != 0,
			      memory_order_relaxed);
}

void qr_vma_quiesce(void)
{
	static _Atomic bool busy;

	if (qr_likely(atomic_load_explicit(&nr_retired, memory_order_relaxed) <
		      HURRY))
		return;
	if (atomic_exchange_explicit(&busy, true, memory_order_acquire))
		return;
	qr_rcu_hurry();
	begin();
	reclaim();
	end();
	atomic_store_explicit(&busy, false, memory_order_release);
}

void qr_vma_read_stats(struct qr_vma_stats *ret_stats)
{
	begin();
	ret_stats->runs = atomic_load_explicit(&nr_runs, memory_order_relaxed);
	ret_stats->nr = atomic_load_explicit(&nr_vmas, memory_order_relaxed);
	ret_stats->limit = atomic_load_explicit(&limit, memory_order_relaxed);
	ret_stats->retired = nr_filling + nr_waiting;
	ret_stats->spare = pool.nr_free;
	end();
}

bool qr_vma_check(void)
{
	size_t nr, spare = 0, old = 0;

	begin();

	bool ok = qr_vma_tree_check(current(), &nr) &&
		  nr == atomic_load_explicit(&nr_vmas, memory_order_relaxed);

	for (struct qr_vma_node *n = pool.free; n; n = n->next)
		spare++;
	for (struct qr_vma_node *n = filling; n; n = n->next)
		old++;
	for (struct qr_vma_node *n = waiting; n; n = n->next)
		old++;
	ok = ok && spare == pool.nr_free && old == nr_filling + nr_waiting &&
	     !pool.retired && spare >= reserved;
	end();
	return ok;
}

const char *qr_vma_kind_name(enum qr_vma_kind kind)
{
	static const char names[QR_NR_VMA_KINDS][12] = {
		[QR_VMA_SPAN] = "span",
		[QR_VMA_META] = "metadata",
		[QR_VMA_OTHER] = "other",
		[QR_VMA_LARGE] = "large",
	};

	return kind < QR_NR_VMA_KINDS ? names[kind] : "?";
}

/* ---- fork ---- */

void qr_vma_lock_all(void)
{
	qr_lock_acquire(&lock);
}

void qr_vma_unlock_all(bool child)
{
	if (!child) {
		qr_lock_release(&lock);
		return;
	}
	reserved = 0; /* whoever was to link again is not here */
	qr_lock_reset(&lock);
}
