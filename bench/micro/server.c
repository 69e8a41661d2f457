/*
 * What does a pair cost with the sizes and lifetimes of a server?  Sizes by a
 * power law from 16 bytes to 64 KiB; most blocks die young, by a power law too,
 * and one in ten lives for a random part of the whole run.  Then the same with
 * what real programs asked for, drawn from the tables of profiles.h.
 *
 * A script of 65 536 allocations is drawn before the clock runs and goes round:
 * blocks alive at its end die in the next round, so the heap is steady from the
 * second round on.  The first line of each block is written.
 */
#include "shim.h"

#include "profiles.h"

#include <math.h>
#include <stdio.h>

#define STEPS 65536

/* Step i first frees deaths [first_death[i], first_death[i + 1]). */
struct script {
	uint32_t size[STEPS];
	uint32_t first_death[STEPS + 1];
	uint32_t deaths[STEPS];
	uint32_t lifetime[STEPS];
	void *blocks[STEPS];
};

static double draw(uint64_t *seed)
{
	return ((double)(bench_random(seed) >> 12) + 1) / 4503599627370496.;
}

static uint32_t power_law(uint64_t *seed, double low, double high, double alpha)
{
	double value = low * pow(draw(seed), -1 / alpha);

	return (uint32_t)(value < high ? value : high);
}

static void draw_power_law(struct script *s, size_t i, uint64_t *seed)
{
	s->size[i] = power_law(seed, 16, 65536, 0.9);
	s->lifetime[i] = bench_below(seed, 10) == 0
				 ? bench_below(seed, STEPS - 1)
				 : power_law(seed, 1, STEPS - 1, 0.6);
}

/* A row of a profile by weight; the lifetime anywhere in its power of two. */
static void draw_recorded(struct script *s, size_t i, uint64_t *seed,
			  const struct profile *p)
{
	uint32_t at = bench_below(seed, p->total), row = 0;

	while (at >= p->rows[row].weight)
		at -= p->rows[row++].weight;
	/* Row 0 of lifetimes is 0 or 1. */
	uint32_t log2 = p->rows[row].log2_lifetime;
	uint32_t life = log2 ? 1u << log2 : 0;

	s->size[i] = p->rows[row].size;
	life += bench_below(seed, log2 ? life : 2);
	s->lifetime[i] = life < STEPS - 1 ? life : STEPS - 1;
}

/* Sorts the deaths by the step they fall in, round the end of the script. */
static void sort_deaths(struct script *s)
{
	memset(s->first_death, 0, sizeof(s->first_death));
	for (size_t i = 0; i < STEPS; i++)
		s->first_death[(i + s->lifetime[i] + 1) % STEPS + 1]++;
	for (size_t i = 0; i < STEPS; i++)
		s->first_death[i + 1] += s->first_death[i];
	for (size_t i = STEPS; i-- > 0;) {
		/* Fill each step's part from its end, then it is its start. */
		size_t step = (i + s->lifetime[i] + 1) % STEPS;

		s->deaths[--s->first_death[step + 1]] = (uint32_t)i;
	}
	/* Now first_death[step + 1] is the start of step: move it down. */
	memmove(s->first_death, s->first_death + 1,
		STEPS * sizeof(s->first_death[0]));
	s->first_death[STEPS] = STEPS;
}

static void run(void *context, const struct bench_case *c, uint64_t operations)
{
	struct script *s = context;

	(void)c;
	(void)operations; /* always one round */
	for (size_t i = 0; i < STEPS; i++) {
		for (uint32_t d = s->first_death[i]; d < s->first_death[i + 1];
		     d++) {
			free(s->blocks[s->deaths[d]]);
			s->blocks[s->deaths[d]] = NULL;
		}
		s->blocks[i] = malloc(s->size[i]);
		bench_touch(s->blocks[i], s->size[i]);
	}
}

static void *setup(const struct bench_case *c, int thread)
{
	static struct script *s;
	uint64_t seed = bench_seed;

	(void)thread;
	if (!s)
		s = bench_own(sizeof(*s));
	memset(s->blocks, 0, sizeof(s->blocks));
	for (size_t i = 0; i < STEPS; i++) {
		if (c->count == 0)
			draw_power_law(s, i, &seed);
		else
			draw_recorded(s, i, &seed, &profiles[c->count - 1]);
		/* A block must be gone when its step comes round again. */
		if (s->lifetime[i] > STEPS - 1)
			s->lifetime[i] = STEPS - 1;
	}
	sort_deaths(s);
	run(s, c, STEPS);
	return s;
}

static void teardown(void *context, const struct bench_case *c)
{
	struct script *s = context;

	(void)c;
	for (size_t i = 0; i < STEPS; i++)
		free(s->blocks[i]);
}

int main(int argc, char **argv)
{
	bench_begin("server", argc, argv);
	for (size_t i = 0; i <= BENCH_LENGTH(profiles); i++)
		bench_add(&(struct bench_case){.label = i ? profiles[i - 1].name
							  : "power law",
					       .operation = "pair",
					       .setup = setup,
					       .run = run,
					       .teardown = teardown,
					       .batch = STEPS,
					       .count = i});
	return bench_run();
}
