/*
 * Google Benchmark for C: chooses the number of operations, starts the
 * threads, repeats, and keeps the time.
 *
 * A case does @operations of something in a plain loop of its own; the shim is
 * called once per batch, not per operation.  A case with one thread answers
 * with CPU time of the process per operation, helper threads of the allocator
 * included; one with several answers with elapsed time per operation of all
 * threads together, which is what throughput means.  The other time of the two
 * follows as a detail.  The value is the median of the repetitions.
 */
#ifndef BENCH_MICRO_SHIM_H
#define BENCH_MICRO_SHIM_H

#include "bench.h"

#ifdef __cplusplus
extern "C" {
#endif

struct bench_case {
	const char *label;
	/* What one operation is: "pair" gives the metric ns_per_pair. */
	const char *operation;
	/* Called by each thread, before and after the clock runs. */
	void *(*setup)(const struct bench_case *c, int thread);
	void (*run)(void *context, const struct bench_case *c,
		    uint64_t operations);
	void (*teardown)(void *context, const struct bench_case *c);
	uint64_t batch; /* operations per call of run(); 0: 4096 */
	int threads;	/* 0: one */
	bool slow;	/* a single batch takes milliseconds: repeat less */
	/* What the case is about, for its own functions. */
	size_t low, high, count;
};

/* Copies the case; the strings stay the caller's. */
void bench_add(const struct bench_case *c);
/* Formats a label that is never freed. */
const char *bench_label(const char *text, ...)
	__attribute__((format(printf, 1, 2)));
/* Runs every case added so far; returns the exit status of main(). */
int bench_run(void);

#ifdef __cplusplus
}
#endif

#endif
