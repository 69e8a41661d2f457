/*
 * What does a pair cost when threads come and go but their blocks stay?  Each
 * thread replaces random ones of 1000 blocks it inherited, then dies and leaves
 * them to the next: the pattern of a server with short-lived workers (after
 * Larson and Krishnan).  Two heirs run at a time.  Elapsed time answers.
 */
#include "bench.h"

#include <pthread.h>
#include <stdio.h>

#define LIVE 1000
#define LINES 2

struct line {
	pthread_t thread;
	uint64_t seed, pairs;
	void *blocks[LIVE];
};

static void *work(void *argument)
{
	struct line *l = argument;

	for (uint64_t i = 0; i < l->pairs; i++) {
		void **slot = &l->blocks[bench_below(&l->seed, LIVE)];

		free(*slot);
		*slot = malloc(16 + bench_below(&l->seed, 497));
		*(volatile char *)*slot = 1;
	}
	return NULL;
}

static void ask(struct line *lines, uint64_t pairs_per_life, uint64_t total)
{
	uint64_t lives = total / pairs_per_life / LINES;
	uint64_t cpu = bench_cpu(), start = bench_now();
	char label[64];

	for (uint64_t life = 0; life < lives; life++) {
		for (int i = 0; i < LINES; i++) {
			lines[i].pairs = pairs_per_life;
			pthread_create(&lines[i].thread, NULL, work, &lines[i]);
		}
		for (int i = 0; i < LINES; i++)
			pthread_join(lines[i].thread, NULL);
	}
	double pairs = (double)(lives * pairs_per_life * LINES);

	snprintf(label, sizeof(label), "pairs_per_life=%llu",
		 (unsigned long long)pairs_per_life);
	bench_value(label, "ns_per_pair", (double)(bench_now() - start) / pairs,
		    "ns", "less");
	bench_detail(label, "cpu_ns_per_pair",
		     (double)(bench_cpu() - cpu) / pairs, "ns", "less");
}

int main(int argc, char **argv)
{
	bench_begin("relay", argc, argv);
	struct line *lines = bench_own(LINES * sizeof(*lines));
	uint64_t total = bench_quick ? 1 << 21 : 1 << 24;

	for (int i = 0; i < LINES; i++)
		lines[i].seed = bench_seed + (uint64_t)i;
	ask(lines, 1000, total / 8);
	ask(lines, 10000, total);
	ask(lines, 100000, total);
	return 0;
}
