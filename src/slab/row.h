/*
 * Rows: one cache's two arrays of free objects in one CPU's region, and how
 * they are read and changed.  Of this layer's own use; slab/pcpu.h has the
 * states and the rules.
 *
 * A site is a row together with what is needed to change it.  Changes go
 * through qr_row_change(), which does all or nothing; readers may see indices
 * of different moments, and look whether they are plausible before they act.
 *
 * Locking: who empties or counts the rows of other CPUs holds drain_lock (rank
 * DRAIN); where there are no sequences, each region has a lock (rank CPU).
 */
#ifndef QR_SLAB_ROW_H
#define QR_SLAB_ROW_H

#include "slab/cache.h"
#include "sys/lock.h"
#include "sys/rseq.h"

enum {
	QR_MAX_IDS = 8192,
	QR_MAX_LOCKED_IDS = 64,
	QR_FIRST_AUX = 2 * QR_NR_ROWS,
	QR_FIRST_SMALL = 3 * QR_NR_ROWS,
	QR_SMALL_CAPACITY = 7, /* and a slot unused */
	QR_FIRST_FULL =
		QR_FIRST_SMALL + 2 * (QR_SMALL_CAPACITY + 1) * QR_NR_ROWS,
};

static const uint32_t QR_ROW_STOPPED = UINT32_MAX;

/*
 * What the slow path remembers of a row.  Whoever holds a site of the row may
 * change it, so all is read and written at once, and nothing that keeps the
 * arrays whole is read twice.
 */
struct qr_row_aux {
	uint16_t capacity; /* 0: as at first; the row's may lag behind */
	uint8_t missed; /* when it last missed, by hand.h's clock */
	uint8_t turns;	/* changes of roles, lately; see pcpu.c */
	uint32_t seen; /* tops of the row when last looked at */
};

static_assert(sizeof(struct qr_row_aux) == 8, "one slot");

/* A row of the CPU that we run on. */
struct qr_site {
	struct qr_cache *cache;
	int32_t id;
	uint64_t *region;
	struct qr_row *row;
	struct qr_row_aux *aux;
	unsigned capacity; /* read once: others may change it meanwhile */
};

extern struct qr_pcpu {
	unsigned nr_ids;	    /* 0: no regions */
	_Atomic unsigned nr_ready;  /* of these, used */
	_Atomic unsigned nr_locked; /* ids given to threads, mode OFF */
	size_t next_slot; /* of the general caches' full-sized arrays */
	struct qr_lock drain_lock;	   /* rank DRAIN */
	_Atomic uint8_t ready[QR_MAX_IDS]; /* region is writable */
} qr_pcpu QR_HIDDEN;

/* Without sequences each region has a lock, and a thread a region. */
struct qr_region_lock {
	struct qr_lock lock; /* rank CPU */
} QR_ALIGNED(64);

extern struct qr_region_lock qr_region_locks[QR_MAX_LOCKED_IDS] QR_HIDDEN;

/*
 * The site of @cache on the CPU that we run on.  False: the caller has no
 * arrays, for now or for good.
 */
bool qr_site_here(struct qr_cache *cache, struct qr_site *ret_site);

/* Of any CPU; false: there is none yet. */
bool qr_site_of(int32_t id, unsigned number, struct qr_site *ret_site);

/* Objects that were freed: are they such, and no two the same?  Else abort. */
void qr_row_verify(const struct qr_cache *cache, void *const *objects,
		   size_t n);

/*
 * A row whose tops are where they were when it was last asked for is taken as
 * not in use.  Wrong now and then, which costs a refill.
 */
bool qr_row_is_idle(const struct qr_site *site);

/*
 * Bytes of objects that one array may hold: a share of the heap, so that a
 * small program's caches are small too.
 */
size_t qr_row_bytes(void);

/* Set up an untouched row. */
void qr_row_init(const struct qr_site *site);

QR_INLINE bool qr_row_is_stopped(struct qr_row row)
{
	return row.al == QR_ROW_STOPPED;
}

QR_INLINE bool qr_row_is_untouched(struct qr_row row)
{
	return !row.al;
}

QR_INLINE unsigned qr_row_small_slot(const struct qr_cache *cache)
{
	return QR_FIRST_SMALL + (QR_SMALL_CAPACITY + 1u) * cache->number;
}

QR_INLINE bool qr_row_is_small(struct qr_row row)
{
	return row.al < QR_FIRST_FULL;
}

/* The start of the array that @index points into, or of the other one. */
QR_INLINE unsigned qr_row_array(const struct qr_cache *cache, unsigned index,
				bool other)
{
	unsigned first = cache->first_slot, n = cache->max_capacity + 1u;

	if (index < QR_FIRST_FULL) {
		first = qr_row_small_slot(cache);
		n = QR_SMALL_CAPACITY + 1;
	}
	return (index >= first + n) != other ? first + n : first;
}

QR_INLINE unsigned qr_row_free_bottom(const struct qr_cache *cache,
				      struct qr_row row)
{
	return qr_row_array(cache, row.al, true);
}

/* How many of an array's slots may be used now. */
QR_INLINE unsigned qr_site_limit(const struct qr_site *site, bool small)
{
	return small ? (unsigned)qr_min(site->capacity, QR_SMALL_CAPACITY)
		     : site->capacity;
}

/* @n words, as others may see them: the locked mode has readers. */
QR_INLINE void qr_row_copy(uint64_t *dst, const uint64_t *src, size_t n)
{
	for (size_t i = 0; i < n; i++)
		__atomic_store_n(&dst[i],
				 __atomic_load_n(&src[i], __ATOMIC_RELAXED),
				 __ATOMIC_RELAXED);
}

QR_INLINE bool qr_row_is(struct qr_row a, struct qr_row b)
{
	return a.at == b.at && a.al == b.al && a.ft == b.ft && a.fl == b.fl;
}

/*
 * The indices one by one, for one store of them is what the last hit left
 * behind.  They may be of different moments, when we were interrupted in
 * between: who acts on them does so through qr_row_change(), and before that
 * looks whether they are plausible.
 */
QR_INLINE struct qr_row qr_row_read(const struct qr_site *site)
{
	const struct qr_row *row = site->row;

	return (struct qr_row){
		__atomic_load_n(&row->at, __ATOMIC_RELAXED),
		__atomic_load_n(&row->al, __ATOMIC_RELAXED),
		__atomic_load_n(&row->ft, __ATOMIC_RELAXED),
		__atomic_load_n(&row->fl, __ATOMIC_RELAXED),
	};
}

/* Do the indices point into the arrays that they should? */
QR_INLINE bool qr_row_is_plausible(const struct qr_cache *cache,
				   struct qr_row row)
{
	return row.at - row.al <= cache->max_capacity &&
	       row.ft - qr_row_free_bottom(cache, row) <= cache->max_capacity;
}

QR_INLINE void qr_row_write(struct qr_row *row, struct qr_row value)
{
	__atomic_store_n(&row->at, value.at, __ATOMIC_RELAXED);
	__atomic_store_n(&row->al, value.al, __ATOMIC_RELAXED);
	__atomic_store_n(&row->ft, value.ft, __ATOMIC_RELAXED);
	__atomic_store_n(&row->fl, value.fl, __ATOMIC_RELAXED);
}

/*
 * Copy @n slots and change the row, both or nothing: 0, or it was not
 * @expect, or we no longer run there.
 */
int qr_row_change_locked(const struct qr_site *site, struct qr_row expect,
			 struct qr_row row, void *dst, const void *src,
			 size_t n);

QR_INLINE int qr_row_change(const struct qr_site *site, struct qr_row expect,
			    struct qr_row row, void *dst, const void *src,
			    size_t n)
{
	if (qr_likely(qr_rseq.mode != QR_RSEQ_OFF))
		return qr_rseq_change(site->id, site->row, &expect, &row, dst,
				      src, n);
	return qr_row_change_locked(site, expect, row, dst, src, n);
}

#endif
