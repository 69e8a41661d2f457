/*
 * Memory lies on the node of the CPU that asks for it, whatever its size, and
 * also when every CPU has asked before.
 */
#include "vm.h"

static const size_t sizes[] = {24,    100,    1000,	9000,
			       40000, 300000, 3u << 20, 9u << 20};

enum { BLOCKS = 16, NR_SIZES = sizeof(sizes) / sizeof(sizes[0]) };

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
			CHECK(pages[node] == all, "CPU %u", cpu);
		}
	}
	return 0;
}
