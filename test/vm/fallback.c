/*
 * Who asks for more than a node has gets the rest from the nearest one, and
 * only then from those farther away.
 */
#include "vm.h"

#include <sys/wait.h>

enum { BLOCK = 1 << 20, MORE = 64, MAX_BLOCKS = 1024 };

/* In a child, so that the next one finds the memory free again. */
static void fill(unsigned node)
{
	static void *blocks[MAX_BLOCKS];
	size_t pages[MAX_NODES] = {0}, n;
	unsigned list[MAX_NODES], nodes = nearest(node, list);

	CHECK(list[0] == node, "node %u", node);
	run_on_cpu(cpu_of_node(node));
	n = node_memory(node, "MemFree") / BLOCK + MORE;
	CHECK(n <= MAX_BLOCKS, "%zu blocks", n);
	for (size_t i = 0; i < n; i++) {
		blocks[i] = malloc(BLOCK);
		CHECK(blocks[i], "block %zu of %zu", i, n);
		count_pages(blocks[i], BLOCK, pages);
	}
	printf("from node %u, %zu MiB:", node, n * BLOCK >> 20);
	for (unsigned i = 0; i < nodes; i++)
		printf("  %zu MiB on node %u", pages[list[i]] * PAGE >> 20,
		       list[i]);
	printf("\n");
	fflush(stdout);
	CHECK(pages[list[0]] > n * BLOCK / PAGE / 2, "node %u", list[0]);
	CHECK(pages[list[1]] > MORE / 2 * BLOCK / PAGE, "node %u", list[1]);
	for (unsigned i = 2; i < nodes; i++)
		CHECK(pages[list[i]] * 20 < pages[list[1]], "node %u", list[i]);
	for (size_t i = 0; i < n; i++)
		free(blocks[i]);
}

int main(void)
{
	unsigned nodes = nr_nodes();

	for (unsigned node = 0; node < nodes; node++) {
		int status;
		pid_t child = fork();

		if (child == 0) {
			fill(node);
			_exit(0);
		}
		CHECK(waitpid(child, &status, 0) == child, " ");
		CHECK(status == 0, "node %u: status %d", node, status);
	}
	return 0;
}
