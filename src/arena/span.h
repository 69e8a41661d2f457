/*
 * Spans: the address space that frames live in.
 *
 *	base (multiple of 4 MiB)       first_frame                      end
 *	|frame bytes|pageblocks|mem_map| node 0's frames ... | node 1's ...|
 *	 1 B a frame 128 B/512  64 B    committed ->frontier   ->frontier
 *	 ->               <-    ->
 *
 * Frame numbers count from base, so the metadata's own frames have numbers
 * too; their frame bytes stay QR_FRAME_NONE, and they have no descriptors.
 * Frame bytes are readable for the whole span; all else is committed as the
 * zones need it, and only ever grows, so commit never splits a mapping.  The
 * arrow shows which way an array grows: pageblocks lie backwards, so that the
 * first of them and the first descriptors are committed by one call.
 *
 * Two kinds of span:
 *	reserved	PROT_NONE at once, committed by mprotect
 *	extended	under a finite RLIMIT_AS: only the metadata is reserved,
 *			frames are mapped as the frontier reaches them
 *
 * Locking: a span never changes once qr_spans knows it.  What of it is
 * committed its zones know.  Look-ups take no lock.  qr_span_lock (rank SPAN)
 * is held where spans are added, zones grow and pcps and policies are set up.
 */
#ifndef QR_ARENA_SPAN_H
#define QR_ARENA_SPAN_H

#include "arena/page.h"
#include "sys/lock.h"

#include <stdatomic.h>

enum {
	QR_MAX_SPANS = 32,
	/* All of this goes in steps of 64 frames: a page of descriptors. */
	QR_STEP_ORDER = 6,
	QR_STEP_FRAMES = 1 << QR_STEP_ORDER,
};

struct qr_span {
	uintptr_t base;
	size_t nr_frames;	/* metadata's own included */
	size_t first_frame;	/* first that is not metadata */
	uint8_t *frame_bytes;	/* == base */
	struct qr_pageblock *pageblocks;	/* of frame 0, were there one */
	struct qr_page *mem_map;		/* likewise */
	bool extended;
	uintptr_t raw_base;	/* as reserved */
	size_t raw_size;
};

extern struct qr_span qr_spans[QR_MAX_SPANS];
extern _Atomic unsigned qr_nr_spans;
extern struct qr_lock qr_span_lock;

/*
 * Reserve a span for @size bytes of frames in @nr_nodes equal parts, and make
 * it qr_spans[qr_nr_spans]; less is had where @size is not to be had.
 * @extended: see above.
 * NULL: not even 8 MiB a node.  The caller holds qr_span_lock, and publishes
 * it with qr_span_publish.
 */
struct qr_span *qr_span_reserve(size_t size, unsigned nr_nodes, bool extended);
void qr_span_publish(void);

/*
 * Commit the metadata of frames [@from, @to), or the frames themselves, both
 * multiples of QR_STEP_FRAMES.  0 or -ENOMEM; -EEXIST: something else lies
 * there.  qr_span_lock is held.
 */
int qr_span_describe(struct qr_span *span, size_t from, size_t to);
int qr_span_commit(struct qr_span *span, size_t from, size_t to);

/* The span that holds @addr, or NULL. */
QR_INLINE struct qr_span *qr_span_find(uintptr_t addr)
{
	/* acquire: pairs with qr_span_publish */
	unsigned n = atomic_load_explicit(&qr_nr_spans, memory_order_acquire);

	for (unsigned i = 0; i < n; i++) {
		struct qr_span *span = &qr_spans[i];

		if ((addr - span->base) >> QR_FRAME_SHIFT < span->nr_frames)
			return span;
	}
	return NULL;
}

QR_INLINE size_t qr_span_frame(const struct qr_span *span, uintptr_t addr)
{
	return (addr - span->base) >> QR_FRAME_SHIFT;
}

QR_INLINE uintptr_t qr_span_addr(const struct qr_span *span, size_t frame)
{
	return span->base + (frame << QR_FRAME_SHIFT);
}

QR_INLINE struct qr_pageblock *qr_span_pageblock(const struct qr_span *span,
						 size_t frame)
{
	return span->pageblocks - (frame >> QR_PAGEBLOCK_ORDER);
}

/* How many of the frames [@frame, @frame + @n) are resident; mark them. */
size_t qr_span_count_resident(const struct qr_span *span, size_t frame,
			      size_t n);
void qr_span_set_resident(struct qr_span *span, size_t frame, size_t n);
void qr_span_clear_resident(struct qr_span *span, size_t frame, size_t n);

/* Give back the metadata pages of unused frames [@frame, @frame + @n). */
void qr_span_purge_metadata(struct qr_span *span, size_t frame, size_t n);

#endif
