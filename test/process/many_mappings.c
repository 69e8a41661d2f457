/*
 * 10^5 large objects, each past the largest block of the buddy, with the
 * vm.max_map_count that the system has: none of them crashes anything, the
 * program can still map something of its own, and afterwards the mappings
 * are gone.
 */
#include "check.h"

#include <sys/mman.h>
#include <sys/prctl.h>

enum { COUNT = 100000, TOUCH = 16 };
static void *objects[COUNT];

static size_t mappings(void)
{
	static char buffer[1 << 16];
	size_t lines = 0;
	ssize_t n;
	int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);

	CHECK(fd >= 0);
	while ((n = read(fd, buffer, sizeof(buffer))) > 0)
		for (ssize_t i = 0; i < n; i++)
			lines += buffer[i] == '\n';
	close(fd);
	return lines;
}

static size_t size_of(size_t i)
{
	return 4 * MIB + 4 * KIB * (1 + i % 7);
}

int main(void)
{
	size_t granted = 0, before = mappings();
	void *own;

	check_library();
	if (available() < 256 * MIB)
		skip("less than 256 MiB of memory left");
	/* a touched byte is one page */
	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
	for (size_t i = 0; i < COUNT; i++) {
		errno = 0;
		objects[i] =
			i % 5 ? malloc(size_of(i))
			      : aligned_alloc(64 * KIB,
					      size_of(i) & ~(64 * KIB - 1));
		if (!objects[i]) {
			CHECK(errno == ENOMEM);
			continue;
		}
		granted++;
		if (i % TOUCH == 0)
			memcpy(objects[i], &i, sizeof(i));
	}
	printf("figure: mappings-of-100000-large-objects %zu mappings (none)\n",
	       mappings());
	own = mmap(NULL, 1 * MIB, PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(own != MAP_FAILED);
	CHECK(!munmap(own, 1 * MIB));
	for (size_t i = 0; i < COUNT; i += TOUCH)
		CHECK(!objects[i] || !memcmp(objects[i], &i, sizeof(i)));
	/* first every second one, so that holes would be the most */
	for (size_t i = 0; i < COUNT; i += 2)
		free(objects[i]);
	own = malloc(8 * MIB);
	CHECK(own || errno == ENOMEM);
	free(own);
	for (size_t i = 1; i < COUNT; i += 2) {
		if (i % TOUCH == 0 && objects[i])
			CHECK(!memcmp(objects[i], &i, sizeof(i)));
		free(objects[i]);
	}
	malloc_trim(0);
	figure_at_least("large-objects-of-100000-granted", (double)granted,
			"objects", 60000);
	figure_at_most("mappings-after-freeing-them",
		       (double)mappings() - (double)before, "mappings", 1000);
	own = malloc(8 * MIB);
	CHECK(own);
	free(own);
	return 0;
}
