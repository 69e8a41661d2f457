/*
 * What every micro benchmark shares: options, output, clocks, memory readings.
 *
 * A program asks one question about the allocator it finds: the one preloaded,
 * or the one linked in.  It prints JSON lines:
 *
 *	{"bench":B,"case":C,"metric":M,"value":V,"unit":U,"better":"less"}
 *	{"bench":B,"case":C,"series":S,"x":[..],"y":[..],"unit":U}
 *
 * One value of a case answers the question; the others stand beside it to
 * explain it and carry "secondary":true.  Nothing here calls malloc, and the
 * tables of the program itself come from bench_own(), so that the allocator
 * sees what the question is made of and nothing else.
 */
#ifndef BENCH_MICRO_BENCH_H
#define BENCH_MICRO_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define BENCH_KIB ((size_t)1024)
#define BENCH_MIB ((size_t)1024 * 1024)
#define BENCH_LENGTH(a) (sizeof(a) / sizeof((a)[0]))

/* The compiler must believe that @p escapes and is read elsewhere. */
#define BENCH_KEEP(p) __asm__ volatile("" : : "r"(p) : "memory")

#ifdef __cplusplus
extern "C" {
#endif

/* Less work for --quick, which every program takes. */
extern bool bench_quick;
/* Every random choice starts from here (--seed N). */
extern uint64_t bench_seed;

/* Reads --quick, --json FILE and --seed N.  Leaves on anything else. */
void bench_begin(const char *name, int argc, char **argv);

/* The answer of a case.  @better: "less" or "more". */
void bench_value(const char *label, const char *metric, double value,
		 const char *unit, const char *better);
/* A value that explains the answer. */
void bench_detail(const char *label, const char *metric, double value,
		  const char *unit, const char *better);
void bench_series(const char *label, const char *series, size_t count,
		  const double *x, const double *y, const char *unit);

/* Monotonic time, and CPU time of the whole process, helpers included: ns. */
uint64_t bench_now(void);
uint64_t bench_cpu(void);
/* Seconds since bench_begin(). */
double bench_elapsed(void);
/*
 * Page faults taken, all threads together.  ru_minflt counts each page that
 * MADV_POPULATE_WRITE fills as a fault, although none was taken; so this asks
 * perf, and only where perf is forbidden ru_minflt: bench_faults_metric names
 * which ("faults" or "minflt").  bench_minflt() is ru_minflt, always.
 */
uint64_t bench_faults(void);
uint64_t bench_minflt(void);
const char *bench_faults_metric(void);
/*
 * Anonymous and shared memory resident now, in bytes, without what bench_own()
 * gave: once from the kernel's counters, quick and up to some 64 pages per CPU
 * late, and once exact, by a walk of the page tables.
 */
size_t bench_resident(void);
size_t bench_anonymous(void);
/* The whole resident set, code and files too, exact. */
size_t bench_rss(void);
/* Zeroed, resident memory of the program's own; never given back. */
void *bench_own(size_t bytes);
/* The program itself made so many more, or fewer, bytes resident. */
void bench_own_changed(ptrdiff_t bytes);

/*
 * Runs @work in a child of fork, on a heap that nothing has used yet, and
 * copies back the @count values it leaves in @results.  @times times over:
 * what comes back is the median of each.  Leaves when a child fails.
 */
#define BENCH_RESULTS_MAX 8
typedef void bench_work(const void *argument, double *results);
void bench_in_children(int times, bench_work *work, const void *argument,
		       double *results, size_t count);

/* The next number of splitmix64. */
static inline uint64_t bench_random(uint64_t *state)
{
	uint64_t z = (*state += 0x9e3779b97f4a7c15u);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

/* A number below @limit; the bias is below limit / 2^32. */
static inline uint32_t bench_below(uint64_t *state, uint32_t limit)
{
	return (uint32_t)(((bench_random(state) >> 32) * limit) >> 32);
}

/* Leaves with a sentence when the allocator returned NULL. */
void *bench_must(void *p);

/* Write to the start of a block as its user would: one cache line at most. */
static inline void bench_touch(void *p, size_t size)
{
	memset(p, 0x5a, size < 64 ? size : 64);
	BENCH_KEEP(p);
}

/* Write one byte in each page and the first line. */
static inline void bench_touch_pages(void *p, size_t size)
{
	bench_touch(p, size);
	for (size_t at = 4096; at < size; at += 4096)
		((volatile char *)p)[at] = 1;
}

#ifdef __cplusplus
}
#endif

#endif
