#include "mixed.h"

#include <errno.h>
#include <math.h>
#include <time.h>

/* Anything from @low to @high, each power of two as often as the others. */
static size_t between(uint64_t *seed, double low, double high)
{
	double part = (double)(bench_random(seed) >> 11) / 9007199254740992.;

	return (size_t)(low * pow(high / low, part));
}

static size_t draw_size(uint64_t *seed)
{
	/* the inverse of the mean sizes: as many bytes of each kind */
	uint32_t kind = bench_below(seed, 100000);

	if (kind < 96850)
		return between(seed, 16, 512);
	if (kind < 99940)
		return between(seed, 512, 16384);
	return between(seed, 16384, 1048576);
}

void mixed_grow(struct mixed *m, size_t live)
{
	while (m->live < live) {
		size_t size = draw_size(&m->seed);
		size_t list = bench_below(&m->seed, MIXED_LISTS);
		struct mixed_block *b = bench_must(malloc(size));

		bench_touch_pages(b, size);
		b->next = m->lists[list];
		b->size = size;
		m->lists[list] = b;
		m->live += size;
	}
}

void mixed_free(struct mixed *m, size_t lists)
{
	for (; lists > 0; lists--) {
		struct mixed_block *b = m->lists[m->first];

		m->lists[m->first] = NULL;
		m->first = (m->first + 1) % MIXED_LISTS;
		while (b) {
			struct mixed_block *next = b->next;

			m->live -= b->size;
			free(b);
			b = next;
		}
	}
}

void mixed_note(struct mixed *m)
{
	if (m->notes == MIXED_NOTES)
		return;
	m->at[m->notes] = bench_elapsed();
	m->live_mib[m->notes++] = (double)m->live / (double)BENCH_MIB;
}

void mixed_print(const struct mixed *m, const char *label)
{
	bench_series(label, "live", m->notes, m->at, m->live_mib, "MiB");
}

void mixed_idle_until(double seconds)
{
	double left = seconds - bench_elapsed();

	if (left <= 0)
		return;
	struct timespec t = {(time_t)left, (long)((left - floor(left)) * 1e9)};

	while (nanosleep(&t, &t) && errno == EINTR)
		;
}
