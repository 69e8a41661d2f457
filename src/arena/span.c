#include "arena/span.h"

#include "base/bitmap.h"
#include "sys/map.h"

#include <errno.h>
#include <string.h>

enum {
	SECTION_FRAMES = 1 << 16,	/* 256 MiB of frames */
};

static const uint64_t GIB = UINT64_C(1) << 30;

struct qr_span qr_spans[QR_MAX_SPANS];
_Atomic unsigned qr_nr_spans;
struct qr_lock qr_span_lock = QR_LOCK_INIT(QR_RANK_SPAN);

static size_t metadata_size(size_t frames)
{
	size_t blocks = frames >> QR_PAGEBLOCK_ORDER;

	return qr_round_up(frames, 1 << 16) +
	       qr_round_up(blocks * sizeof(struct qr_pageblock), 1 << 16) +
	       frames * sizeof(struct qr_page);
}

static void layout(struct qr_span *span, uintptr_t base, size_t frames)
{
	size_t blocks = frames >> QR_PAGEBLOCK_ORDER;

	span->base = base;
	span->nr_frames = frames;
	span->first_frame = qr_round_up(metadata_size(frames),
					QR_MAX_BLOCK_SIZE) >>
			    QR_FRAME_SHIFT;
	span->frame_bytes = (uint8_t *)base;
	span->pageblocks = (struct qr_pageblock *)(span->frame_bytes +
						   qr_round_up(frames,
							       1 << 16));
	span->mem_map =
		(struct qr_page *)((char *)span->pageblocks +
				   qr_round_up(blocks * sizeof(*span->pageblocks),
					       1 << 16));
}

/* All of it as PROT_NONE: addresses only. */
static bool reserve_whole(struct qr_span *span, size_t frames)
{
	size_t size = (frames << QR_FRAME_SHIFT) + QR_MAX_BLOCK_SIZE;
	void *raw = qr_map_reserve(size, qr_page_size());

	if (!raw)
		return false;
	span->raw_base = (uintptr_t)raw;
	span->raw_size = size;
	layout(span, qr_round_up((uintptr_t)raw, QR_MAX_BLOCK_SIZE), frames);
	return true;
}

/*
 * Only the metadata, at an address with room behind it: as far below the
 * place that the kernel offers as the limit could ever be spent.
 */
static bool reserve_metadata(struct qr_span *span, size_t frames)
{
	size_t size = frames << QR_FRAME_SHIFT;
	size_t meta = metadata_size(frames);
	char *hint = qr_map_reserve(meta, qr_page_size());

	if (!hint)
		return false;
	qr_map_unmap(hint, meta);
	for (unsigned tries = 1; tries <= 8; tries++) {
		uintptr_t at = qr_round_down((uintptr_t)hint - 2 * size * tries,
					     QR_MAX_BLOCK_SIZE);

		if (qr_map_reserve_at((void *)at, meta))
			continue;
		span->raw_base = at;
		span->raw_size = size;
		span->extended = true;
		layout(span, at, frames);
		return true;
	}
	return false;
}

struct qr_span *qr_span_reserve(size_t size, unsigned nr_nodes, bool extended)
{
	unsigned n = atomic_load_explicit(&qr_nr_spans, memory_order_relaxed);
	struct qr_span *span = &qr_spans[n];
	size_t least = (size_t)nr_nodes * 2 * QR_MAX_BLOCK_SIZE;

	if (n == QR_MAX_SPANS)
		return NULL;
	size = qr_min(size, QR_MAX_SECTIONS * (GIB / 4));
	for (; size >= least; size /= 2) {
		size_t frames = qr_round_up(size, QR_MAX_BLOCK_SIZE) >>
				QR_FRAME_SHIFT;

		memset(span, 0, sizeof(*span));
		if (extended ? reserve_metadata(span, frames) :
			       reserve_whole(span, frames))
			goto reserved;
	}
	return NULL;
reserved:
	/* any address of the span may be asked for */
	if (qr_map_commit_readonly(span->frame_bytes,
				   qr_round_up(span->nr_frames, 1 << 16))) {
		qr_map_unmap((void *)span->raw_base,
			     extended ? metadata_size(span->nr_frames) :
					span->raw_size);
		return NULL;
	}
	return span;
}

void qr_span_publish(struct qr_span *span)
{
	(void)span;
	/* release: pairs with qr_span_find */
	atomic_fetch_add_explicit(&qr_nr_spans, 1, memory_order_release);
}

/* [@from, @from + @size) widened to whole kernel pages. */
static int commit_wide(void *from, size_t size)
{
	uintptr_t page = qr_page_size();
	uintptr_t start = qr_round_down((uintptr_t)from, page);
	uintptr_t end = qr_round_up((uintptr_t)from + size, page);

	return qr_map_commit((void *)start, end - start);
}

static int commit_section(struct qr_span *span, size_t section)
{
	size_t frame = section * SECTION_FRAMES;
	size_t n = qr_min(SECTION_FRAMES, span->nr_frames - frame);

	if (commit_wide(span->frame_bytes + frame, n) ||
	    commit_wide(&span->pageblocks[frame >> QR_PAGEBLOCK_ORDER],
			(n >> QR_PAGEBLOCK_ORDER) *
				sizeof(struct qr_pageblock)) ||
	    commit_wide(&span->mem_map[frame], n * sizeof(struct qr_page)))
		return -ENOMEM;
	span->sections[section] = true;
	return 0;
}

int qr_span_commit(struct qr_span *span, size_t frame, size_t n)
{
	void *addr = (void *)qr_span_addr(span, frame);

	qr_lock_assert_held(&qr_span_lock);
	for (size_t s = frame / SECTION_FRAMES;
	     s <= (frame + n - 1) / SECTION_FRAMES; s++) {
		if (!span->sections[s] && commit_section(span, s))
			return -ENOMEM;
	}
	return span->extended ? qr_map_extend(addr, n << QR_FRAME_SHIFT) :
				qr_map_commit(addr, n << QR_FRAME_SHIFT);
}

/* Walk a range pageblock by pageblock. */
#define FOR_EACH_PART(span, frame, n, block, bit, len)                        \
	for (size_t at_ = (frame), end_ = (frame) + (n), bit, len;            \
	     at_ < end_ &&                                                    \
	     (bit = at_ % QR_PAGEBLOCK_FRAMES,                                \
	      len = qr_min(QR_PAGEBLOCK_FRAMES - bit, end_ - at_), true);     \
	     at_ += len)                                                      \
		for (struct qr_pageblock *block = qr_span_pageblock(span, at_); \
		     block; block = NULL)

bool qr_span_any_resident(const struct qr_span *span, size_t frame, size_t n)
{
	FOR_EACH_PART (span, frame, n, block, bit, len) {
		if (qr_bitmap_any_in_range(block->resident, bit, len))
			return true;
	}
	return false;
}

size_t qr_span_count_resident(const struct qr_span *span, size_t frame,
			      size_t n)
{
	size_t sum = 0;

	FOR_EACH_PART (span, frame, n, block, bit, len)
		sum += qr_bitmap_count_range(block->resident, bit, len);
	return sum;
}

void qr_span_set_resident(struct qr_span *span, size_t frame, size_t n)
{
	FOR_EACH_PART (span, frame, n, block, bit, len)
		qr_bitmap_set_range(block->resident, bit, len);
}

void qr_span_clear_resident(struct qr_span *span, size_t frame, size_t n)
{
	FOR_EACH_PART (span, frame, n, block, bit, len)
		qr_bitmap_clear_range(block->resident, bit, len);
}

/* Purge the whole kernel pages inside [@from, @from + @size). */
static void purge_inner(void *from, size_t size)
{
	uintptr_t page = qr_page_size();
	uintptr_t start = qr_round_up((uintptr_t)from, page);
	uintptr_t end = qr_round_down((uintptr_t)from + size, page);

	if (start < end)
		qr_map_purge((void *)start, end - start);
}

void qr_span_purge_metadata(struct qr_span *span, size_t frame, size_t n)
{
	purge_inner(span->frame_bytes + frame, n);
	purge_inner(&span->mem_map[frame], n * sizeof(struct qr_page));
}
