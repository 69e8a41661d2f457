/*
 * Memory lies on the node of the CPU that asks for it, whatever its size, and
 * also when every CPU has asked before; and, but for 1 %, while a thread on
 * every CPU frees what the others allocated.
 */
#include "vm.h"

#include <pthread.h>
#include <stdatomic.h>

static const size_t sizes[] = {24,    100,    1000,	9000,
			       40000, 300000, 3u << 20, 9u << 20};

enum { BLOCKS = 16, NR_SIZES = sizeof(sizes) / sizeof(sizes[0]) };

enum { MAX_CPUS = 64, STEPS = 4000, WARM = 1000 };

static struct worker {
	pthread_t thread;
	unsigned cpu;
	size_t pages[MAX_NODES];
} workers[MAX_CPUS];

static void *_Atomic slots[97];

/* What comes into a slot another thread takes out, and frees. */
static void *exchange_blocks(void *arg)
{
	struct worker *me = arg;
	unsigned long x = me->cpu + 1;

	run_on_cpu(me->cpu);
	for (int i = 0; i < STEPS; i++) {
		size_t none[MAX_NODES] = {0}, size;
		void *p;

		x = x * 6364136223846793005u + 1442695040888963407u;
		size = sizes[(x >> 33) % (i % 64 ? 4 : NR_SIZES)];
		p = malloc(size);
		CHECK(p, "%zu bytes", size);
		count_pages(p, size, i < WARM ? none : me->pages);
		free(atomic_exchange(&slots[(x >> 45) % 97], p));
	}
	return NULL;
}

static void all_at_once(unsigned cpus)
{
	size_t right = 0, all = 0;

	CHECK(cpus <= MAX_CPUS, "%u CPUs", cpus);
	for (unsigned cpu = 0; cpu < cpus; cpu++) {
		workers[cpu].cpu = cpu;
		CHECK(!pthread_create(&workers[cpu].thread, NULL,
				      exchange_blocks, &workers[cpu]),
		      " ");
	}
	for (unsigned cpu = 0; cpu < cpus; cpu++)
		pthread_join(workers[cpu].thread, NULL);
	for (unsigned cpu = 0; cpu < cpus; cpu++) {
		run_on_cpu(cpu);
		right += workers[cpu].pages[node_of_this_cpu()];
		for (unsigned n = 0; n < MAX_NODES; n++)
			all += workers[cpu].pages[n];
	}
	printf("all at once: %zu of %zu pages on the right node\n", right, all);
	CHECK(right * 100 >= all * 99, " ");
}

int main(void)
{
	unsigned cpus = (unsigned)sysconf(_SC_NPROCESSORS_ONLN);

	for (int round = 0; round < 2; round++) {
		for (unsigned cpu = 0; cpu < cpus; cpu++) {
			size_t pages[MAX_NODES] = {0}, all = 0;
			unsigned node;
			void *blocks[NR_SIZES][BLOCKS];

			run_on_cpu(cpu);
			node = node_of_this_cpu();
			for (size_t s = 0; s < NR_SIZES; s++) {
				int n = sizes[s] < 1u << 20 ? BLOCKS : 1;

				for (int i = 0; i < n; i++) {
					blocks[s][i] = malloc(sizes[s]);
					CHECK(blocks[s][i], " ");
					count_pages(blocks[s][i], sizes[s],
						    pages);
				}
				for (int i = 0; i < n; i++)
					free(blocks[s][i]);
			}
			for (unsigned n = 0; n < MAX_NODES; n++)
				all += pages[n];
			printf("round %d, CPU %u: %zu of %zu pages on node "
			       "%u\n",
			       round, cpu, pages[node], all, node);
			CHECK(pages[node] == all, "CPU %u, %zu KiB free", cpu,
			      node_memory(node, "MemFree") >> 10);
		}
	}
	all_at_once(cpus);
	return 0;
}
