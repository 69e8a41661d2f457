#include "arena/span.h"

#include "base/bitmap.h"
#include "sys/map.h"

#include <errno.h>
#include <string.h>

enum {
	ARRAY_ALIGN = 1 << 16, /* the largest kernel page that we expect */
	RESERVE_TRIES = 8,
};

/* More than any address space of today. */
static const size_t MAX_SPAN_SIZE = (size_t)1 << 46;

struct qr_span qr_spans[QR_MAX_SPANS];
_Atomic unsigned qr_nr_spans;
struct qr_lock qr_span_lock = QR_LOCK_INIT(QR_RANK_SPAN);

/* Bytes of the arrays for @frames frames. */
static size_t bytes_size(size_t frames)
{
	return qr_round_up(frames, ARRAY_ALIGN);
}

static size_t pageblocks_size(size_t frames)
{
	return qr_round_up((frames >> QR_PAGEBLOCK_ORDER) *
				   sizeof(struct qr_pageblock),
			   ARRAY_ALIGN);
}

static size_t metadata_size(size_t frames)
{
	return bytes_size(frames) + pageblocks_size(frames) +
	       frames * sizeof(struct qr_page);
}

static void layout(struct qr_span *span, uintptr_t base, size_t frames)
{
	size_t first = qr_round_up(metadata_size(frames), QR_MAX_BLOCK_SIZE) >>
		       QR_FRAME_SHIFT;
	uintptr_t middle = base + bytes_size(frames) + pageblocks_size(frames);

	span->base = base;
	span->nr_frames = frames;
	span->first_frame = first;
	span->frame_bytes = (uint8_t *)base;
	span->pageblocks = (struct qr_pageblock *)middle - 1 +
			   (first >> QR_PAGEBLOCK_ORDER);
	span->mem_map = (struct qr_page *)middle - first;
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
 * Whether a span there would have addresses of another one's.  Of an extended
 * span the kernel does not know: it has no frames mapped yet.
 */
static bool meets_another(uintptr_t base, size_t size)
{
	unsigned n = atomic_load_explicit(&qr_nr_spans, memory_order_relaxed);

	for (unsigned i = 0; i < n; i++) {
		const struct qr_span *other = &qr_spans[i];

		if (base < qr_span_addr(other, other->nr_frames) &&
		    other->base < base + size)
			return true;
	}
	return false;
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
	for (unsigned tries = 1; tries <= RESERVE_TRIES; tries++) {
		uintptr_t at = qr_round_down((uintptr_t)hint - 2 * size * tries,
					     QR_MAX_BLOCK_SIZE);

		if ((uintptr_t)hint <= 2 * size * tries)
			break;
		if (meets_another(at, size) ||
		    qr_map_reserve_at((void *)at, meta))
			continue;
		span->raw_base = at;
		span->raw_size = meta;
		span->extended = true;
		layout(span, at, frames);
		return true;
	}
	return false;
}

static bool reserve(struct qr_span *span, size_t size, bool extended)
{
	size_t frames = qr_round_up(size, QR_MAX_BLOCK_SIZE) >> QR_FRAME_SHIFT;

	memset(span, 0, sizeof(*span));
	if (!(extended ? reserve_metadata(span, frames)
		       : reserve_whole(span, frames)))
		return false;
	/* any address of the span may be asked for */
	if (qr_map_commit_readonly(span->frame_bytes, bytes_size(frames)) == 0)
		return true;
	qr_map_unmap((void *)span->raw_base, span->raw_size);
	return false;
}

struct qr_span *qr_span_reserve(size_t size, unsigned nr_nodes, bool extended)
{
	unsigned n = atomic_load_explicit(&qr_nr_spans, memory_order_relaxed);
	size_t least = (size_t)nr_nodes * 2 * QR_MAX_BLOCK_SIZE;

	qr_lock_assert_held(&qr_span_lock);
	if (n == QR_MAX_SPANS)
		return NULL;
	for (size = qr_min(size, MAX_SPAN_SIZE); size >= least; size /= 2) {
		if (reserve(&qr_spans[n], size, extended))
			return &qr_spans[n];
	}
	return NULL;
}

void qr_span_publish(void)
{
	/* release: pairs with qr_span_find */
	atomic_fetch_add_explicit(&qr_nr_spans, 1, memory_order_release);
}

/* [@from, @to) widened to whole kernel pages. */
static int commit_wide(const void *from, const void *to)
{
	uintptr_t page = qr_page_size();
	uintptr_t start = qr_round_down((uintptr_t)from, page);
	uintptr_t end = qr_round_up((uintptr_t)to, page);

	return qr_map_commit((void *)start, end - start);
}

int qr_span_describe(struct qr_span *span, size_t from, size_t to)
{
	const struct qr_page *pages = &span->mem_map[from];
	const void *blocks = qr_span_pageblock(span, to - 1);
	const void *blocks_end = qr_span_pageblock(span, from) + 1;

	qr_lock_assert_held(&qr_span_lock);
	if (commit_wide(&span->frame_bytes[from], &span->frame_bytes[to]))
		return -ENOMEM;
	if (blocks_end == pages)
		return commit_wide(blocks, &span->mem_map[to]);
	return commit_wide(blocks, blocks_end)
		       ? -ENOMEM
		       : commit_wide(pages, &span->mem_map[to]);
}

int qr_span_commit(struct qr_span *span, size_t from, size_t to)
{
	void *addr = (void *)qr_span_addr(span, from);
	size_t size = (to - from) << QR_FRAME_SHIFT;

	qr_lock_assert_held(&qr_span_lock);
	return span->extended ? qr_map_extend(addr, size)
			      : qr_map_commit(addr, size);
}

/* Walk a range pageblock by pageblock. */
#define FOR_EACH_PART(span, frame, n, block, bit, len)                   \
	for (size_t at_ = (frame), end_ = (frame) + (n), bit, len;       \
	     at_ < end_ &&                                               \
	     (bit = at_ % QR_PAGEBLOCK_FRAMES,                           \
	     len = qr_min(QR_PAGEBLOCK_FRAMES - bit, end_ - at_), true); \
	     at_ += len)                                                 \
		for (struct qr_pageblock *block =                        \
			     qr_span_pageblock(span, at_);               \
		     block; block = NULL)

size_t qr_span_count_resident(const struct qr_span *span, size_t frame,
			      size_t n)
{
	size_t sum = 0;

	FOR_EACH_PART(span, frame, n, block, bit, len)
		sum += qr_bitmap_count_range(block->resident, bit, len);
	return sum;
}

void qr_span_set_resident(struct qr_span *span, size_t frame, size_t n)
{
	FOR_EACH_PART(span, frame, n, block, bit, len)
		qr_bitmap_set_range(block->resident, bit, len);
}

void qr_span_clear_resident(struct qr_span *span, size_t frame, size_t n)
{
	FOR_EACH_PART(span, frame, n, block, bit, len)
		qr_bitmap_clear_range(block->resident, bit, len);
}

/* Purge the whole kernel pages inside [@from, @to). */
static void purge_inner(const void *from, const void *to)
{
	uintptr_t page = qr_page_size();
	uintptr_t start = qr_round_up((uintptr_t)from, page);
	uintptr_t end = qr_round_down((uintptr_t)to, page);

	if (start < end)
		qr_map_purge((void *)start, end - start);
}

void qr_span_purge_metadata(struct qr_span *span, size_t frame, size_t n)
{
	purge_inner(&span->frame_bytes[frame], &span->frame_bytes[frame + n]);
	purge_inner(&span->mem_map[frame], &span->mem_map[frame + n]);
}
