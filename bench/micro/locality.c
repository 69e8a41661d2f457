/*
 * How fast is data walked that the allocator placed?  A list of 100 000 nodes
 * is made in order and walked: on a fresh heap, and on one where twice as many
 * blocks of that size were made and a random half of them freed before.  The
 * allocator is not called while the clock runs; where it put the nodes decides.
 */
#include "bench.h"

#include <stdio.h>

#define NODES 100000

struct node {
	struct node *next;
	uint64_t value;
};

static size_t node_size;

static struct node *make_list(void)
{
	struct node *head = NULL, **end = &head;

	for (size_t i = 0; i < NODES; i++) {
		struct node *n = bench_must(malloc(node_size));

		n->value = i;
		*end = n;
		end = &n->next;
	}
	*end = NULL;
	return head;
}

static double walk(const struct node *head)
{
	int rounds = bench_quick ? 5 : 50;
	uint64_t sum = 0, cpu = bench_cpu();

	for (int i = 0; i < rounds; i++)
		for (const struct node *n = head; n; n = n->next)
			sum += n->value;
	BENCH_KEEP(sum);
	return (double)(bench_cpu() - cpu) / ((double)rounds * NODES);
}

static void churn(void)
{
	void **blocks = bench_own(2 * NODES * sizeof(*blocks));
	uint64_t seed = bench_seed;

	for (size_t i = 0; i < 2 * NODES; i++) {
		blocks[i] = bench_must(malloc(node_size));
		*(volatile char *)blocks[i] = 1;
	}
	/* Shuffle, then free the first half in that order. */
	for (uint32_t i = 2 * NODES; i > 1; i--) {
		uint32_t j = bench_below(&seed, i);
		void *old = blocks[i - 1];

		blocks[i - 1] = blocks[j];
		blocks[j] = old;
	}
	for (size_t i = 0; i < NODES; i++)
		free(blocks[i]);
}

static void fresh(const void *argument, double *results)
{
	node_size = *(const size_t *)argument;
	results[0] = walk(make_list());
}

static void churned(const void *argument, double *results)
{
	node_size = *(const size_t *)argument;
	churn();
	results[0] = walk(make_list());
}

int main(int argc, char **argv)
{
	static const size_t sizes[] = {16, 48, 128};

	bench_begin("locality", argc, argv);
	for (size_t i = 0; i < 2 * BENCH_LENGTH(sizes); i++) {
		size_t size = sizes[i / 2];
		char label[64];
		double ns;

		bench_in_children(bench_quick ? 1 : 3, i % 2 ? churned : fresh,
				  &size, &ns, 1);
		snprintf(label, sizeof(label), "%s size=%zu",
			 i % 2 ? "churned" : "fresh", size);
		bench_value(label, "ns_per_node", ns, "ns", "less");
	}
	return 0;
}
