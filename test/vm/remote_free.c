/*
 * What one node allocated and another freed goes home: the other node never
 * gets it for itself, and the first gets its memory back.
 */
#include "vm.h"

enum { OBJECTS = 20000 };

static void *objects[OBJECTS], *others[OBJECTS];

static size_t allocate(void **to, size_t size, unsigned node)
{
	size_t here = 0;

	for (int i = 0; i < OBJECTS; i++) {
		to[i] = malloc(size);
		CHECK(to[i], " ");
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

static int by_address(const void *a, const void *b)
{
	uintptr_t x = *(const uintptr_t *)a, y = *(const uintptr_t *)b;

	return (x > y) - (x < y);
}

/* Pages of @now that @before had as well. */
static size_t pages_again(void **before, void **now, size_t *ret_pages)
{
	size_t i = 0, again = 0, all = 0;
	uintptr_t last = 0;

	qsort(before, OBJECTS, sizeof(*before), by_address);
	qsort(now, OBJECTS, sizeof(*now), by_address);
	for (int n = 0; n < OBJECTS; n++) {
		uintptr_t page = (uintptr_t)now[n] / PAGE;

		if (page == last)
			continue;
		last = page;
		all++;
		while (i < OBJECTS && (uintptr_t)before[i] / PAGE < page)
			i++;
		again += i < OBJECTS && (uintptr_t)before[i] / PAGE == page;
	}
	*ret_pages = all;
	return again;
}

int main(void)
{
	static const size_t sizes[] = {48, 256, 1024};
	static void *before[OBJECTS];
	unsigned home = cpu_of_node(0), away = cpu_of_node(1);

	for (int s = 0; s < 3; s++) {
		size_t here, there, again, pages;

		run_on_cpu(home);
		here = allocate(objects, sizes[s], 0);
		memcpy(before, objects, sizeof(before));

		run_on_cpu(away);
		free_all(objects);
		there = allocate(others, sizes[s], 1);

		run_on_cpu(home);
		CHECK(allocate(objects, sizes[s], 0) == OBJECTS, " ");
		again = pages_again(before, objects, &pages);

		printf("%zu bytes: %zu of %d on node 0; after node 1 freed "
		       "them "
		       "it got %zu of %d on node 1, and node 0 got %zu of %zu "
		       "pages again\n",
		       sizes[s], here, OBJECTS, there, OBJECTS, again, pages);
		CHECK(here == OBJECTS, " ");
		CHECK(there == OBJECTS, " ");
		/* a few objects may wait for a batch to be full */
		CHECK(again * 10 >= pages * 9, " ");
		free_all(objects);
		run_on_cpu(away);
		free_all(others);
	}
	return 0;
}
