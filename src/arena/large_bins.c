#include "arena/large_bins.h"

#include "base/bits.h"

enum { LOOK_AT = 16 };

static unsigned bin_of(size_t size)
{
	unsigned shift = qr_fls(size);

	return (shift - QR_LARGE_MIN_SHIFT) * 8 +
	       (unsigned)(size >> (shift - 3) & 7);
}

void qr_large_bins_add(struct qr_large_bins *bins, struct qr_vma *vma)
{
	unsigned bin = bin_of(qr_vma_size(vma));

	if (!bins->lru.next)
		qr_list_init(&bins->lru);
	if (!bins->bins[bin].next)
		qr_list_init(&bins->bins[bin]);
	qr_list_add(&vma->link, &bins->bins[bin]);
	qr_list_add(&vma->lru, &bins->lru);
	bins->used[bin / 64] |= UINT64_C(1) << bin % 64;
	bins->bytes += qr_vma_size(vma);
	bins->nr++;
}

void qr_large_bins_del(struct qr_large_bins *bins, struct qr_vma *vma)
{
	unsigned bin = bin_of(qr_vma_size(vma));

	qr_list_del(&vma->link);
	qr_list_del(&vma->lru);
	if (qr_list_empty(&bins->bins[bin]))
		bins->used[bin / 64] &= ~(UINT64_C(1) << bin % 64);
	bins->bytes -= qr_vma_size(vma);
	bins->nr--;
}

/* The first used bin at or after @bin; QR_NR_LARGE_BINS: none. */
static unsigned next_used(const struct qr_large_bins *bins, unsigned bin)
{
	for (unsigned word = bin / 64; word < QR_ARRAY_SIZE(bins->used);
	     word++) {
		uint64_t left = bins->used[word];

		if (word == bin / 64)
			left &= ~UINT64_C(0) << bin % 64;
		if (left)
			return word * 64 + qr_ctz(left);
	}
	return QR_NR_LARGE_BINS;
}

static bool fits(const struct qr_vma *vma, const struct qr_large_wish *wish)
{
	size_t size = wish->size, align = wish->align, high = wish->high;
	size_t skip = (size_t)(-vma->start & (align - 1));

	if (wish->node != QR_VMA_ANY_NODE && vma->node != wish->node)
		return false;
	if (high && (skip || qr_vma_size(vma) > high))
		return false;
	return skip <= qr_vma_size(vma) && qr_vma_size(vma) - skip >= size;
}

struct qr_vma *qr_large_bins_fit(const struct qr_large_bins *bins,
				 const struct qr_large_wish *wish)
{
	unsigned last = wish->high ? bin_of(wish->high) : QR_NR_LARGE_BINS - 1;
	unsigned bin = next_used(bins, bin_of(wish->size));
	struct qr_vma *best = NULL;

	for (; bin <= last && !best; bin = next_used(bins, bin + 1)) {
		unsigned seen = 0;

		QR_LIST_FOR_EACH(node, safe, &bins->bins[bin]) {
			struct qr_vma *vma =
				QR_CONTAINER_OF(node, struct qr_vma, link);

			if (seen++ == LOOK_AT)
				break;
			if (fits(vma, wish) &&
			    (!best || qr_vma_size(vma) < qr_vma_size(best)))
				best = vma;
		}
	}
	return best;
}

struct qr_vma *qr_large_bins_oldest(const struct qr_large_bins *bins)
{
	if (!bins->nr)
		return NULL;
	return QR_LIST_LAST(&bins->lru, struct qr_vma, lru);
}

bool qr_large_bins_check(const struct qr_large_bins *bins)
{
	size_t bytes = 0, nr = 0, nr_lru = 0;

	for (unsigned bin = 0; bin < QR_NR_LARGE_BINS; bin++) {
		bool used = bins->used[bin / 64] >> bin % 64 & 1;

		if (!bins->bins[bin].next) {
			if (used)
				return false;
			continue;
		}
		if (used == qr_list_empty(&bins->bins[bin]))
			return false;
		QR_LIST_FOR_EACH(node, safe, &bins->bins[bin]) {
			struct qr_vma *vma =
				QR_CONTAINER_OF(node, struct qr_vma, link);

			if (bin_of(qr_vma_size(vma)) != bin)
				return false;
			bytes += qr_vma_size(vma);
			nr++;
		}
	}
	if (bins->lru.next) {
		QR_LIST_FOR_EACH(node, safe, &bins->lru)
			nr_lru++;
	}
	return bytes == bins->bytes && nr == bins->nr && nr_lru == nr;
}
