/*
 * Something to report about: a few objects of every kind, some of them freed.
 */
#include <stdlib.h>
#include <string.h>

int main(void)
{
	static void *ptrs[300];

	for (size_t i = 0; i < 300; i++) {
		size_t size = i < 298 ? i * i : i * 100000;

		ptrs[i] = malloc(size);
		if (!ptrs[i])
			return 1;
		memset(ptrs[i], 1, size);
	}
	for (size_t i = 0; i < 300; i += 3)
		free(ptrs[i]);
	return 0;
}
