/*
 * The hit path of malloc and free, all of it.
 *
 * malloc	size -> class (table) -> row of this CPU -> pop
 * free		address -> frame byte -> row of this CPU -> push
 *
 * Whatever is not a hit leaves through one cold call in tail position.  There
 * is no option, no statistic and no debugging aid in here: whoever wants to
 * see an object keeps the row from hitting (sys/rseq.h), or gives the frame a
 * byte whose row never hits.
 *
 * Before boot, and where there are no restartable sequences, nr_sizes and
 * nr_frames are 0, so that nothing hits.
 *
 * The kinds of instructions are frozen in test/lint/budget.
 */
#ifndef QR_SLAB_HOT_H
#define QR_SLAB_HOT_H

#include "slab/size_class.h"
#include "sys/rseq.h"

/* Written at boot only. */
struct qr_hot {
	size_t nr_sizes;	/* of qr_number_table that may hit */
	uint8_t *frame_bytes;	/* of the first span, which begins there */
	size_t nr_frames;
};

extern struct qr_hot qr_hot QR_HIDDEN;

QR_INLINE void *qr_hot_malloc(size_t size, void *(*miss)(size_t size))
{
	size_t i = (size - 1) >> QR_SIZE_SHIFT; /* size 0 misses */
	void *object;

	if (qr_unlikely(i >= qr_hot.nr_sizes))
		return miss(size);
	object = qr_rseq_pop(qr_number_table[i]);
	if (qr_unlikely(!object))
		return miss(size);
	return object;
}

QR_INLINE void qr_hot_free(void *object, void (*miss)(void *object))
{
	uint8_t *bytes = qr_hot.frame_bytes;
	size_t frame = ((uintptr_t)object - (uintptr_t)bytes) >> 12;

	if (qr_unlikely(frame >= qr_hot.nr_frames ||
			!qr_rseq_push(bytes[frame], object)))
		miss(object);
}

#endif
