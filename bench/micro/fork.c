/*
 * What does fork cost with this allocator in the process?  The child makes and
 * frees 100 blocks and leaves; the parent waits.  With an empty heap, with
 * 64 MiB of small blocks (page tables to copy, pages to copy on write), and
 * with four threads allocating all the while (locks to take).
 */
#include "bench.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#define HEAP_BLOCKS (64 * BENCH_MIB / 256)
#define BUSY 4

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

static void ask(const char *label, int total)
{
	uint64_t elapsed_start = bench_now();
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
	bench_value(label, "us_per_child",
		    (double)(bench_now() - elapsed_start) / 1e3 / total, "us",
		    "less");
	bench_detail(label, "us_in_fork", (double)forked / 1e3 / total, "us",
		     "less");
}

static void *be_busy(void *argument)
{
	void *own[64] = { NULL };
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
	int total = bench_quick ? 100 : 1000;
	void **heap = bench_own(HEAP_BLOCKS * sizeof(*heap));

	ask("empty heap", total);
	for (size_t i = 0; i < BUSY; i++)
		pthread_create(&threads[i], NULL, be_busy,
			       (void *)(uintptr_t)(i + 1));
	ask("4 busy threads", total / 4);
	atomic_store(&stop, true);
	for (size_t i = 0; i < BUSY; i++)
		pthread_join(threads[i], NULL);
	for (size_t i = 0; i < HEAP_BLOCKS; i++) {
		heap[i] = bench_must(malloc(256));
		memset(heap[i], 1, 256);
	}
	ask("64MiB heap", total);
	return 0;
}
