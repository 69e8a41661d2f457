/*
 * For the programs of this directory: plain C programs that check themselves,
 * on whatever malloc they find.  With LIB set (see on.sh) they also check
 * that this is the library, and hold figures to their bars; on libc the
 * figures are only printed.
 */
#ifndef QR_TEST_CHECK_H
#define QR_TEST_CHECK_H

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <malloc.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define KIB ((size_t)1 << 10)
#define MIB ((size_t)1 << 20)
#define GIB ((size_t)1 << 30)

#define CHECK(what)                                              \
	do {                                                     \
		if (!(what))                                     \
			check_failed(__FILE__, __LINE__, #what); \
	} while (0)

/* Allocates nothing: the allocator may be what is broken. */
static inline void check_failed(const char *file, int line, const char *what)
{
	dprintf(STDERR_FILENO, "%s:%d: not so: %s (errno %d)\n", file, line,
		what, errno);
	_exit(1);
}

static inline void skip(const char *why)
{
	printf("skipped: %s\n", why);
	fflush(stdout);
	_exit(77);
}

/* The library's path, or NULL: the program runs on libc. */
static inline const char *library(void)
{
	const char *lib = getenv("LIB");

	return lib && *lib ? lib : NULL;
}

/* Malloc is the library's. */
static inline void check_library(void)
{
	void *(*function)(size_t) = malloc;
	char wanted[PATH_MAX], found[PATH_MAX];
	Dl_info info;
	void *address;

	if (!library())
		return;
	memcpy(&address, &function, sizeof(address));
	CHECK(dladdr(address, &info));
	CHECK(realpath(library(), wanted));
	CHECK(realpath(info.dli_fname, found));
	CHECK(!strcmp(wanted, found));
}

/* One line; at most @bar where the library is under test. */
static inline void figure_at_most(const char *name, double value,
				  const char *unit, double bar)
{
	printf("figure: %s %.6g %s (bar at most %.6g)\n", name, value, unit,
	       bar);
	fflush(stdout);
	CHECK(!library() || value <= bar);
}

static inline void figure_at_least(const char *name, double value,
				   const char *unit, double bar)
{
	printf("figure: %s %.6g %s (bar at least %.6g)\n", name, value, unit,
	       bar);
	fflush(stdout);
	CHECK(!library() || value >= bar);
}

/* What a file says, as far as it fits; empty if it cannot be read. */
static inline void read_file(const char *path, char *buffer, size_t size)
{
	size_t used = 0;
	ssize_t n;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	while (fd >= 0 && (n = read(fd, buffer + used, size - 1 - used)) > 0)
		used += (size_t)n;
	if (fd >= 0)
		close(fd);
	buffer[used] = 0;
}

/* A number of bytes from a file of /proc: the line that begins with @key. */
static inline size_t proc_bytes(const char *path, const char *key)
{
	char buffer[8192], *line;

	read_file(path, buffer, sizeof(buffer));
	line = strstr(buffer, key);
	CHECK(line);
	return strtoul(line + strlen(key), NULL, 10) * KIB;
}

/* Resident anonymous memory of this process, in bytes. */
static inline size_t anonymous(void)
{
	return proc_bytes("/proc/self/smaps_rollup", "\nAnonymous:");
}

/* The number after @key in the file @name of the folder @group, or @none. */
static inline size_t cgroup_bytes(const char *group, const char *name,
				  const char *key, size_t none)
{
	char path[PATH_MAX + 64], text[8192], *at;

	snprintf(path, sizeof(path), "%s/%s", group, name);
	read_file(path, text, sizeof(text));
	at = strstr(text, key);
	at = at ? at + strlen(key) : text;
	return *at >= '0' && *at <= '9' ? strtoul(at, NULL, 10) : none;
}

/* Room in one group; the page cache makes room. */
static inline size_t group_room(const char *group, bool v2)
{
	size_t most = cgroup_bytes(
		group, v2 ? "memory.max" : "memory.limit_in_bytes", "",
		SIZE_MAX);
	size_t used = cgroup_bytes(
		group, v2 ? "memory.current" : "memory.usage_in_bytes", "", 0);
	size_t cache =
		cgroup_bytes(group, "memory.stat",
			     v2 ? "\ninactive_file " : "\ntotal_inactive_file ",
			     0) +
		cgroup_bytes(group, "memory.stat",
			     v2 ? "\nactive_file " : "\ntotal_active_file ",
			     0);

	if (most == SIZE_MAX)
		return SIZE_MAX;
	used -= cache < used ? cache : used;
	return most - (used < most ? used : most);
}

/*
 * The least of the groups from @path up to the hierarchy's root.  In a
 * container the path may be another's view; then the root is all there is.
 */
static inline size_t cgroup_room(const char *root, const char *path, bool v2)
{
	char group[PATH_MAX];
	size_t room = SIZE_MAX, more;

	snprintf(group, sizeof(group), "%s%s", root, path);
	for (;;) {
		more = group_room(group, v2);
		room = more < room ? more : room;
		if (strlen(group) <= strlen(root))
			return room;
		*strrchr(group, '/') = 0;
	}
}

/* Memory that the machine, or the container, still has. */
static inline size_t available(void)
{
	size_t room = proc_bytes("/proc/meminfo", "\nMemAvailable:"), more;
	char text[8192], *line, *path, *next;

	read_file("/proc/self/cgroup", text, sizeof(text));
	for (line = text; (next = strchr(line, '\n')); line = next + 1) {
		bool v2 = !strncmp(line, "0::", 3);

		*next = 0;
		path = strrchr(line, ':') + 1;
		if (!v2 && !strstr(line, ":memory:"))
			continue;
		more = cgroup_room(v2 ? "/sys/fs/cgroup"
				      : "/sys/fs/cgroup/memory",
				   path, v2);
		room = more < room ? more : room;
	}
	return room;
}

/* Deterministic numbers; SplitMix64. */
static inline uint64_t draw(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

/* Small sizes are frequent, large ones rare: up to 2^@max_shift bytes. */
static inline size_t draw_size(uint64_t *state, unsigned max_shift)
{
	uint64_t r = draw(state);
	unsigned shift = 4 + (unsigned)(r % (max_shift - 3));

	if (r >> 32 & 1)
		shift = 4 + shift / 3;
	return 1 + (size_t)(draw(state) & (((uint64_t)1 << shift) - 1));
}

/* QUARRY_TEST_SEED in the environment, else a fixed one; printed. */
static inline uint64_t seed(void)
{
	const char *text = getenv("QUARRY_TEST_SEED");
	uint64_t value = text ? strtoull(text, NULL, 0) : 1;

	printf("QUARRY_TEST_SEED=%" PRIu64 "\n", value);
	return value;
}

/* @ptr, of which the compiler knows nothing any more. */
static inline void *opaque(const volatile void *ptr)
{
	volatile uintptr_t address = (uintptr_t)ptr;

	return (void *)address;
}

/* A number for a thread's argument. */
static inline void *as_pointer(uintptr_t value)
{
	return (void *)value;
}

/* The first and last bytes of an object tell whose it is. */
static inline void sign(void *ptr, size_t size, uint64_t key)
{
	unsigned char *p = ptr;

	p[0] = p[size - 1] = (unsigned char)key;
	if (size >= 16) {
		memcpy(p, &key, 8);
		memcpy(p + size - 8, &key, 8);
	}
}

static inline bool is_signed(const void *ptr, size_t size, uint64_t key)
{
	const unsigned char *p = ptr;

	if (size >= 16)
		return !memcmp(p, &key, 8) && !memcmp(p + size - 8, &key, 8);
	return p[0] == (unsigned char)key && p[size - 1] == p[0];
}

/* Wait for @pid; its exit status, or 128 + the signal. */
static inline int wait_status(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		CHECK(errno == EINTR);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

#endif
