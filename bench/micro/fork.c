/*
 * What does fork cost with this allocator in the process?  The child makes and
 * frees 100 blocks and leaves; the parent waits; CPU time of both.  With an
 * empty heap, and with 32 MiB of small blocks (page tables to copy, pages to
 * copy on write).  And with a thread that allocates all the while (locks to
 * take): elapsed time until fork returns.
 */
#include "bench.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define HEAP_BLOCKS (32 * BENCH_MIB / 256)
#define BUSY 1

static atomic_bool stop;

static void child(void)
{
	void *blocks[100];

	for (size_t i = 0; i < BENCH_LENGTH(blocks); i++) {
		blocks[i] = bench_must(malloc(16 + i * 16));
		*(volatile char *)blocks[i] = 1;
	}
	for (size_t i = 0; i < BENCH_LENGTH(blocks); i++)
		free(blocks[i]);
	_exit(0);
}

static double spent_us(void)
{
	struct rusage self, children;

	getrusage(RUSAGE_SELF, &self);
	getrusage(RUSAGE_CHILDREN, &children);
	return (double)(self.ru_utime.tv_sec + self.ru_stime.tv_sec +
			children.ru_utime.tv_sec + children.ru_stime.tv_sec) *
		       1e6 +
	       (double)(self.ru_utime.tv_usec + self.ru_stime.tv_usec +
			children.ru_utime.tv_usec + children.ru_stime.tv_usec);
}

/* @busy: others are computing, so CPU time says nothing. */
static void ask(const char *label, int total, bool busy)
{
	double cpu = spent_us();
	uint64_t forked = 0;

	for (int i = 0; i < total; i++) {
		uint64_t start = bench_now();
		int status;
		pid_t pid = fork();

		if (!pid)
			child();
		forked += bench_now() - start;
		waitpid(pid, &status, 0);
		if (pid < 0 || status) {
			fprintf(stderr, "bench-fork: a child failed\n");
			_exit(1);
		}
	}
	cpu = (spent_us() - cpu) / total;
	double in_fork = (double)forked / 1e3 / total;

	if (busy) {
		bench_value(label, "us_in_fork", in_fork, "us", "less");
		return;
	}
	bench_value(label, "cpu_us_per_child", cpu, "us", "less");
	bench_detail(label, "us_in_fork", in_fork, "us", "less");
}

static void *be_busy(void *argument)
{
	void *own[64] = {NULL};
	uint64_t seed = (uint64_t)(uintptr_t)argument;

	while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
		void **slot = &own[bench_below(&seed, 64)];

		free(*slot);
		*slot = malloc(16 + bench_below(&seed, 497));
		BENCH_KEEP(*slot);
	}
	for (size_t i = 0; i < 64; i++)
		free(own[i]);
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t threads[BUSY];

	bench_begin("fork", argc, argv);
	int total = bench_quick ? 20 : 500;
	void **heap = bench_own(HEAP_BLOCKS * sizeof(*heap));

	ask("empty heap", total, false);
	for (size_t i = 0; i < BUSY; i++)
		pthread_create(&threads[i], NULL, be_busy,
			       (void *)(uintptr_t)(i + 1));
	ask("busy thread", total, true);
	atomic_store(&stop, true);
	for (size_t i = 0; i < BUSY; i++)
		pthread_join(threads[i], NULL);
	for (size_t i = 0; i < HEAP_BLOCKS; i++) {
		heap[i] = bench_must(malloc(256));
		memset(heap[i], 1, 256);
	}
	ask("32MiB heap", total, false);
	return 0;
}
