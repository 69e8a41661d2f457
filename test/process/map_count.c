/*
 * What happens when the process has used up vm.max_map_count: malloc gives
 * what needs no new mapping, else NULL with ENOMEM; free and realloc of large
 * objects, whose unmapping may be refused too, lose nothing and crash
 * nothing; and all is well again afterwards.
 */
#include "check.h"

#include <sys/mman.h>

enum { LARGE = 64, SMALL = 1000 };
static const size_t large_size = 5 * MIB;

static char *used_up;
static size_t used_up_size;

static size_t max_map_count(void)
{
	char text[32] = "";
	int fd = open("/proc/sys/vm/max_map_count", O_RDONLY | O_CLOEXEC);

	if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
		skip("vm.max_map_count cannot be read");
	close(fd);
	return strtoul(text, NULL, 10);
}

/* Every second page of a mapping writable: a mapping each. */
static void use_up(size_t count)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), i = 0;

	used_up_size = 2 * count * page;
	used_up = mmap(NULL, used_up_size, PROT_NONE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	CHECK(used_up != MAP_FAILED);
	while (i < count &&
	       !mprotect(used_up + 2 * i * page, page, PROT_READ | PROT_WRITE))
		i++;
	CHECK(i < count && errno == ENOMEM);
	printf("%zu mappings more used up vm.max_map_count\n", 2 * i);
}

static void ask_for_everything(void)
{
	size_t granted = 0, refused = 0;

	for (size_t size = 1; size <= 64 * MIB; size += 1 + size / 3) {
		void *p;

		errno = 0;
		p = malloc(size);
		if (!p) {
			CHECK(errno == ENOMEM);
			refused++;
			continue;
		}
		sign(p, size, size);
		CHECK(is_signed(p, size, size));
		free(p);
		granted++;
	}
	printf("%zu sizes granted, %zu refused\n", granted, refused);
}

int main(void)
{
	size_t count = max_map_count();
	void *large[LARGE], *small[SMALL], *p;

	check_library();
	if (count > 300000)
		skip("vm.max_map_count is too high to be reached");
	for (size_t i = 0; i < LARGE; i++) {
		CHECK(large[i] = malloc(large_size));
		sign(large[i], large_size, i);
	}
	for (size_t i = 0; i < SMALL; i++) {
		CHECK(small[i] = malloc(100 + i));
		sign(small[i], 100 + i, i);
	}
	use_up(count);

	ask_for_everything();
	for (size_t i = 0; i < LARGE; i += 2) {
		errno = EDOM;
		free(large[i]);
		CHECK(errno == EDOM);
	}
	ask_for_everything();
	for (size_t i = 1; i < LARGE; i += 2) {
		size_t new_size = large_size + i % 3 * MIB;

		CHECK(is_signed(large[i], large_size, i));
		p = realloc(large[i], new_size);
		CHECK(p || errno == ENOMEM);
		if (p)
			large[i] = p;
		CHECK(!memcmp(large[i], &(uint64_t){i}, 8));
	}
	for (size_t i = 0; i < SMALL; i++) {
		CHECK(is_signed(small[i], 100 + i, i));
		free(small[i]);
	}
	malloc_trim(0);
	ask_for_everything();

	CHECK(!munmap(used_up, used_up_size));
	for (size_t i = 0; i < LARGE; i += 2) {
		CHECK(large[i] = malloc(large_size));
		sign(large[i], large_size, i);
	}
	for (size_t i = 0; i < LARGE; i++) {
		CHECK(!memcmp(large[i], &(uint64_t){i}, 8));
		free(large[i]);
	}
	return 0;
}
