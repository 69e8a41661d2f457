/*
 * Under a cgroup's memory limit nobody says NULL, the kernel kills: so a
 * program whose live memory fits must not be killed for what the allocator
 * keeps.  Limit 256 MiB; up to 140 MiB live, of sizes from 16 bytes to 8 MiB,
 * of which a half is freed and allocated anew, thirty times.
 */
#include "check.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>

enum { SLOTS = 1 << 18 };
enum { PHASES = 30 };
static const size_t limit = 256 * MIB, live_bar = 140 * MIB;

static char group[PATH_MAX];

static bool write_file(const char *name, const char *value)
{
	char path[PATH_MAX + 32];
	bool done;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", group, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	done = write(fd, value, strlen(value)) > 0;
	close(fd);
	return done;
}

static void remove_group(void)
{
	rmdir(group);
}

/* A new group below the hierarchy's root, with the limit; v1 or v2. */
static bool make_group(void)
{
	static const char *const roots[][2] = {
		{"/sys/fs/cgroup/memory", "memory.limit_in_bytes"},
		{"/sys/fs/cgroup", "memory.max"},
		{"/sys/fs/cgroup/unified", "memory.max"},
	};
	char bytes[32];

	snprintf(bytes, sizeof(bytes), "%zu", limit);
	for (size_t i = 0; i < sizeof(roots) / sizeof(roots[0]); i++) {
		snprintf(group, sizeof(group), "%s/quarry-test-%d", roots[i][0],
			 (int)getpid());
		if (mkdir(group, 0755))
			continue;
		if (write_file(roots[i][1], bytes)) {
			write_file("memory.swap.max", "0");
			return true;
		}
		remove_group();
	}
	return false;
}

static struct {
	void *ptr;
	size_t size;
} slots[SLOTS];
static size_t live;

static void drop(size_t i)
{
	CHECK(is_signed(slots[i].ptr, slots[i].size, i));
	free(slots[i].ptr);
	live -= slots[i].size;
	slots[i].ptr = NULL;
}

/* One object in @rarity may be of up to 2^23 bytes. */
static void fill(uint64_t *state, unsigned rarity)
{
	for (unsigned tries = 0; live < live_bar && tries < 4 * SLOTS;
	     tries++) {
		size_t i = draw(state) % SLOTS;
		size_t size = draw_size(state, tries % rarity ? 14 : 23);

		if (slots[i].ptr || live + size > live_bar)
			continue;
		CHECK(slots[i].ptr = malloc(size));
		memset(slots[i].ptr, 1, size);
		sign(slots[i].ptr, size, i);
		slots[i].size = size;
		live += size;
	}
}

static int churn(void)
{
	uint64_t state = seed();
	size_t worst = 0;

	for (unsigned phase = 0; phase < PHASES; phase++) {
		fill(&state, phase % 2 ? 100 : 1000);
		CHECK(live > live_bar * 3 / 4);
		if (anonymous() > worst)
			worst = anonymous();
		for (size_t i = 0; i < SLOTS; i++) {
			if (slots[i].ptr && draw(&state) % 2)
				drop(i);
		}
	}
	printf("figure: churn-under-cgroup-limit %zu MiB (limit %zu, live "
	       "%zu)\n",
	       worst / MIB, limit / MIB, live_bar / MIB);
	return 0;
}

/* In a process of its own, which waits until it is in the group. */
static pid_t start(int gate)
{
	pid_t pid;
	char go;

	fflush(stdout);
	pid = fork();
	CHECK(pid >= 0);
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (read(gate, &go, 1) != 1)
		_exit(125);
	execl("/proc/self/exe", "cgroup_limit", "churn", NULL);
	_exit(126);
}

int main(int argc, char **argv)
{
	int gate[2], status;
	char number[16];
	bool moved;
	pid_t pid;

	check_library();
	if (argc == 2 && !strcmp(argv[1], "churn"))
		return churn();
	if (available() < 2 * limit)
		skip("less than 512 MiB of memory left");
	if (!make_group())
		skip("no cgroup with a memory limit can be made here");
	CHECK(!pipe(gate));
	pid = start(gate[0]);
	snprintf(number, sizeof(number), "%d", (int)pid);
	moved = write_file("cgroup.procs", number);
	if (moved)
		CHECK(write(gate[1], "g", 1) == 1);
	else
		kill(pid, SIGKILL);
	status = wait_status(pid);
	remove_group();
	if (!moved)
		skip("no process can be moved to a cgroup here");
	if (status)
		printf("status %d; 137 is the kernel's out of memory\n",
		       status);
	return status != 0;
}
