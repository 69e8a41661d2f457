/*
 * What one node allocated and another freed goes home: the other node never
 * gets it for itself, and the first lives off it, so that the memory of a
 * producer whose consumer runs on another node does not grow.
 */
#include "vm.h"

enum { OBJECTS = 20000, ROUNDS = 12 };

static void *objects[OBJECTS], *others[OBJECTS];
static uintptr_t pages[ROUNDS * OBJECTS];

static size_t allocate(void **to, size_t size, unsigned node)
{
	size_t here = 0;

	for (int i = 0; i < OBJECTS; i++) {
		to[i] = malloc(size);
		CHECK(to[i], "object %d", i);
		memset(to[i], 1, size);
		here += node_of(to[i]) == node;
	}
	return here;
}

static void free_all(void **from)
{
	for (int i = 0; i < OBJECTS; i++)
		free(from[i]);
}

static int compare(const void *a, const void *b)
{
	uintptr_t x = *(const uintptr_t *)a, y = *(const uintptr_t *)b;

	return (x > y) - (x < y);
}

/* How many different pages the first @n of pages[] are. */
static size_t distinct(size_t n)
{
	size_t all = 0;

	qsort(pages, n, sizeof(*pages), compare);
	for (size_t i = 0; i < n; i++)
		all += !i || pages[i] != pages[i - 1];
	return all;
}

int main(void)
{
	static const size_t sizes[] = { 48, 256, 1024 };
	unsigned home = cpu_of_node(0), away = cpu_of_node(1);

	for (int s = 0; s < 3; s++) {
		size_t first = 0, ever, n = 0;

		for (int round = 0; round < ROUNDS; round++) {
			size_t there;

			run_on_cpu(home);
			CHECK(allocate(objects, sizes[s], 0) == OBJECTS,
			      "round %d of %zu bytes", round, sizes[s]);
			for (int i = 0; i < OBJECTS; i++)
				pages[n++] = (uintptr_t)objects[i] / PAGE;
			if (!round)
				first = distinct(n);
			run_on_cpu(away);
			free_all(objects);
			there = allocate(others, sizes[s], 1);
			CHECK(there == OBJECTS,
			      "node 1 got %zu of its own in round %d of %zu bytes",
			      there, round, sizes[s]);
			free_all(others);
		}
		ever = distinct(n);
		printf("%4zu bytes: %d objects of node 0, freed on node 1, %d "
		       "times over: %zu pages the first time, %zu in all\n",
		       sizes[s], OBJECTS, ROUNDS, first, ever);
		/* some wait for a batch to be full */
		CHECK(ever < 2 * first, "%zu bytes", sizes[s]);
	}
	return 0;
}
