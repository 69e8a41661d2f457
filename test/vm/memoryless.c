/*
 * The CPUs of a node without memory are served by the nearest node that has
 * some, and by no other.
 */
#include "vm.h"

int main(void)
{
	static const size_t sizes[] = {40, 2000, 50000, 6u << 20};
	unsigned nodes = nr_nodes(), without = nodes, list[MAX_NODES];

	for (unsigned node = 0; node < nodes; node++) {
		if (!node_memory(node, "MemTotal"))
			without = node;
	}
	CHECK(without < nodes, "every node has memory");
	nearest(without, list);
	run_on_cpu(cpu_of_node(without));
	for (int s = 0; s < 4; s++) {
		size_t pages[MAX_NODES] = {0}, all = 0;

		for (int i = 0; i < 8; i++) {
			void *p = malloc(sizes[s]);

			CHECK(p, "%zu bytes", sizes[s]);
			count_pages(p, sizes[s], pages);
		}
		for (unsigned node = 0; node < nodes; node++)
			all += pages[node];
		printf("%zu bytes from node %u: %zu of %zu pages on node %u\n",
		       sizes[s], without, pages[list[0]], all, list[0]);
		CHECK(pages[list[0]] == all, "%zu bytes", sizes[s]);
	}
	return 0;
}
