/*
 * How much memory does a long run keep against what is alive?  Five phases
 * change the mix of sizes while the live bytes stay the same.  A phase first
 * replaces the old population in random order, then goes on replacing random
 * blocks of its own ("reuse").  At the end of each phase the resident memory is
 * divided by the live bytes.  In the second case one block in a hundred
 * outlives its phase.
 *
 * The work is the same for everybody and paced: without --quick the reuse of
 * each phase lasts 5 s at least, so that what works by the clock has its time.
 * Live bytes are those that were asked for.
 */
#include "bench.h"

#include <math.h>
#include <stdio.h>
#include <unistd.h>

/* Not in every C library. */
int malloc_trim(size_t pad) __attribute__((weak));

#define PHASES 5
#define SLICES_MAX 50
#define SAMPLES_MAX (PHASES * (SLICES_MAX + 1))

struct block {
	void *p;
	size_t size;
};

struct population {
	struct block *blocks;
	/* [0, kept) outlive the phase, [kept, old) are of the last one. */
	size_t kept, old, count;
	size_t live, target;
	uint64_t seed;
};

struct samples {
	size_t count;
	double at[SAMPLES_MAX], resident[SAMPLES_MAX], live[SAMPLES_MAX];
};

static const char *const phase_names[PHASES] = {
	"16..128", "256..2048", "16..64KiB", "8..128KiB", "16..128 again"};

static size_t draw_size(int phase, uint64_t *seed)
{
	switch (phase) {
	case 1:
		return 256 + bench_below(seed, 1793);
	case 2: /* most of them small, a few large */
		return (size_t)(16 * pow(4096, pow(bench_below(seed, 1 << 20) /
							   1048576.,
						   3)));
	case 3:
		return 8192 + bench_below(seed, 122881);
	default:
		return 16 + bench_below(seed, 113);
	}
}

/* Frees one block at random: an old one as long as there are any. */
static void free_one(struct population *p)
{
	size_t first = p->old > p->kept ? p->kept : p->old;
	size_t end = p->old > p->kept ? p->old : p->count;
	size_t i = first + bench_below(&p->seed, (uint32_t)(end - first));

	free(p->blocks[i].p);
	p->live -= p->blocks[i].size;
	p->blocks[i] = p->blocks[end - 1];
	if (end == p->old) {
		p->old--;
		p->blocks[end - 1] = p->blocks[p->count - 1];
	}
	p->count--;
}

static void replace(struct population *p, int phase)
{
	size_t size = draw_size(phase, &p->seed);

	while (p->live + size > p->target && p->count > p->kept)
		free_one(p);
	void *block = bench_must(malloc(size));

	memset(block, phase + 1, size);
	p->blocks[p->count++] = (struct block){block, size};
	p->live += size;
}

/* All blocks are old now; @survivors per thousand go to the front. */
static void begin_phase(struct population *p, size_t survivors)
{
	p->old = p->count;
	p->kept = p->count * survivors / 1000;
	for (size_t i = 0; i < p->kept; i++) {
		size_t j = i + bench_below(&p->seed, (uint32_t)(p->count - i));
		struct block b = p->blocks[i];

		p->blocks[i] = p->blocks[j];
		p->blocks[j] = b;
	}
}

static void sample(struct samples *s, double at, size_t live)
{
	s->at[s->count] = at;
	s->resident[s->count] = (double)bench_resident() / (double)BENCH_MIB;
	s->live[s->count++] = (double)live / (double)BENCH_MIB;
}

static void run_phase(struct population *p, int phase, struct samples *s)
{
	int slices = bench_quick ? 10 : SLICES_MAX;
	uint64_t slice_ns = bench_quick ? 4000000 : 100000000;
	size_t slice_bytes =
		p->target * (bench_quick ? 4 : 20) / (size_t)slices;

	while (p->old > p->kept)
		replace(p, phase);
	sample(s, phase, p->live);
	for (int i = 0; i < slices; i++) {
		uint64_t end = bench_now() + slice_ns;

		for (size_t done = 0; done < slice_bytes;) {
			replace(p, phase);
			done += p->blocks[p->count - 1].size;
		}
		uint64_t now = bench_now();

		if (now < end)
			usleep((useconds_t)((end - now) / 1000));
		sample(s, phase + (i + 1.) / slices, p->live);
	}
}

static void free_all(struct population *p)
{
	p->kept = p->old = 0;
	while (p->count)
		free_one(p);
}

static void ask(const char *name, struct population *p, size_t survivors)
{
	static struct samples s;
	uint64_t cpu = bench_cpu();
	size_t before = bench_anonymous();
	char label[64];
	double sum = 0;

	s.count = 0;
	for (int phase = 0; phase < PHASES; phase++) {
		begin_phase(p, survivors);
		run_phase(p, phase, &s);
		double ratio =
			(double)(bench_anonymous() - before) / (double)p->live;

		sum += ratio;
		snprintf(label, sizeof(label), "%s %d: %s", name, phase + 1,
			 phase_names[phase]);
		bench_value(label, "resident_per_live", ratio, "ratio", "less");
	}
	bench_series(name, "rss", s.count, s.at, s.resident, "MiB");
	bench_series(name, "live", s.count, s.at, s.live, "MiB");
	bench_detail(name, "mean_resident_per_live", sum / PHASES, "ratio",
		     "less");
	bench_detail(name, "cpu_ms", (double)(bench_cpu() - cpu) / 1e6, "ms",
		     "less");
	free_all(p);
	bench_detail(name, "left_after_free",
		     ((double)bench_anonymous() - (double)before) / BENCH_MIB,
		     "MiB", "less");
	if (malloc_trim)
		malloc_trim(0);
	bench_detail(name, "left_after_trim",
		     ((double)bench_anonymous() - (double)before) / BENCH_MIB,
		     "MiB", "less");
}

/* A heap that has seen nothing yet: each case in a child of its own. */
static void in_child(const void *argument, double *results)
{
	size_t survivors = *(const size_t *)argument;
	struct population p = {
		.target = (bench_quick ? 12 : 96) * BENCH_MIB,
		.seed = bench_seed,
	};

	p.blocks = bench_own(p.target / 16 * sizeof(*p.blocks));
	ask(survivors ? "survivors" : "replaced", &p, survivors);
	results[0] = 0;
}

int main(int argc, char **argv)
{
	double nothing;

	bench_begin("phases", argc, argv);
	for (size_t survivors = 0; survivors <= 10; survivors += 10)
		bench_in_children(1, in_child, &survivors, &nothing, 1);
	return 0;
}
