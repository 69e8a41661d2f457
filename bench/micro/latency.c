/*
 * How long does the slowest malloc and free in ten thousand take?  Each thread
 * replaces random ones of its own blocks, mostly small, some of several KiB,
 * few of 64 KiB, and times every call with the time-stamp counter.
 *
 * p50 to p99.99 are printed in ns; the cost of the reading itself, the least
 * ever seen between two readings, is taken off.  Interrupts of the machine are
 * in there and hit everybody alike; with more threads than CPUs so are waits
 * for a thread that was put aside in the wrong place, which is the point.
 */
#include "bench.h"

#include <pthread.h>
#include <stdio.h>
#if defined(__x86_64__)
#include <x86intrin.h>
#endif

#define THREADS_MAX 16
#define LIVE 2000
#define SCRIPT 16384
/* Buckets of a histogram: 32 to each power of two. */
#define SUB_BITS 5
#define BUCKETS (64 << SUB_BITS)

struct histogram {
	uint64_t count[BUCKETS];
	uint64_t total;
};

struct worker {
	pthread_t thread;
	uint64_t seed, pairs;
	struct histogram malloc, free;
	uint32_t sizes[SCRIPT];
	void *live[LIVE];
};

static pthread_barrier_t barrier;
static uint64_t reading_cost;
static double ns_per_tick;

static inline uint64_t ticks(void)
{
#if defined(__x86_64__)
	unsigned cpu;
	uint64_t t = __rdtscp(&cpu);

	_mm_lfence();
	return t;
#else
	return bench_now();
#endif
}

static void calibrate(void)
{
	uint64_t start = bench_now(), start_ticks = ticks();

	reading_cost = UINT64_MAX;
	while (bench_now() - start < 20000000) {
		uint64_t a = ticks(), b = ticks();

		if (b - a < reading_cost)
			reading_cost = b - a;
	}
	ns_per_tick =
		(double)(bench_now() - start) / (double)(ticks() - start_ticks);
}

static void note(struct histogram *h, uint64_t value)
{
	size_t bucket = value;

	value = value > reading_cost ? value - reading_cost : 0;
	bucket = value;
	if (value >= 2u << SUB_BITS) {
		unsigned top = 63 - (unsigned)__builtin_clzll(value);
		unsigned shift = top - SUB_BITS;

		bucket = ((size_t)shift << SUB_BITS) + (value >> shift);
	}
	h->count[bucket]++;
	h->total++;
}

/* The upper end of a bucket, in ticks. */
static double bucket_end(size_t bucket)
{
	size_t shift = bucket >> SUB_BITS;

	if (shift < 2)
		return (double)bucket;
	shift--;
	return (double)(((bucket - (shift << SUB_BITS)) + 1) << shift);
}

static double percentile(const struct histogram *h, double part)
{
	double wanted = part * (double)h->total, seen = 0;

	for (size_t i = 0; i < BUCKETS; i++) {
		seen += (double)h->count[i];
		if (seen >= wanted && h->count[i])
			return bucket_end(i) * ns_per_tick;
	}
	return 0;
}

static uint32_t draw_size(uint64_t *seed)
{
	uint32_t kind = bench_below(seed, 1000);

	if (kind < 900)
		return 16 + bench_below(seed, 497);
	if (kind < 995)
		return 512 + bench_below(seed, 8192);
	return 16384 + bench_below(seed, 65536);
}

static void *work(void *argument)
{
	struct worker *w = argument;

	for (size_t i = 0; i < SCRIPT; i++)
		w->sizes[i] = draw_size(&w->seed);
	for (size_t i = 0; i < LIVE; i++)
		w->live[i] = bench_must(malloc(w->sizes[i]));
	pthread_barrier_wait(&barrier);
	for (uint64_t i = 0; i < w->pairs; i++) {
		uint32_t size = w->sizes[i % SCRIPT];
		void **slot = &w->live[bench_below(&w->seed, LIVE)];
		uint64_t a = ticks();

		free(*slot);
		uint64_t b = ticks();

		*slot = malloc(size);
		uint64_t c = ticks();

		bench_touch_pages(*slot, size);
		note(&w->free, b - a);
		note(&w->malloc, c - b);
	}
	for (size_t i = 0; i < LIVE; i++)
		free(w->live[i]);
	return NULL;
}

static void report(int threads, const char *call, const struct histogram *h)
{
	static const double parts[] = {50, 90, 99, 99.9, 99.99};
	double y[BENCH_LENGTH(parts)];
	char label[64], metric[32];

	snprintf(label, sizeof(label), "%s threads=%d", call, threads);
	for (size_t i = 0; i < BENCH_LENGTH(parts); i++) {
		y[i] = percentile(h, parts[i] / 100);
		snprintf(metric, sizeof(metric), "p%g_ns", parts[i]);
		if (parts[i] > 99.9)
			bench_value(label, metric, y[i], "ns", "less");
		else
			bench_detail(label, metric, y[i], "ns", "less");
	}
	bench_series(label, "percentiles", BENCH_LENGTH(parts), parts, y, "ns");
}

static void ask(struct worker *workers, int threads, uint64_t total)
{
	memset(workers, 0, THREADS_MAX * sizeof(*workers));
	pthread_barrier_init(&barrier, NULL, (unsigned)threads);
	for (int i = 0; i < threads; i++) {
		workers[i].seed = bench_seed + (uint64_t)i;
		workers[i].pairs = total / (uint64_t)threads;
		pthread_create(&workers[i].thread, NULL, work, &workers[i]);
	}
	for (int i = 0; i < threads; i++)
		pthread_join(workers[i].thread, NULL);
	pthread_barrier_destroy(&barrier);
	for (int i = 1; i < threads; i++)
		for (size_t k = 0; k < BUCKETS; k++) {
			workers[0].malloc.count[k] +=
				workers[i].malloc.count[k];
			workers[0].free.count[k] += workers[i].free.count[k];
			workers[0].malloc.total += workers[i].malloc.count[k];
			workers[0].free.total += workers[i].free.count[k];
		}
	report(threads, "malloc", &workers[0].malloc);
	report(threads, "free", &workers[0].free);
}

int main(int argc, char **argv)
{
	static const int threads[] = {1, 2, 4, 16};

	bench_begin("latency", argc, argv);
	struct worker *workers = bench_own(THREADS_MAX * sizeof(*workers));

	calibrate();
	for (size_t i = 0; i < BENCH_LENGTH(threads); i++)
		ask(workers, threads[i], bench_quick ? 1 << 19 : 1 << 23);
	return 0;
}
