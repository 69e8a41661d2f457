/*
 * Under a cgroup's memory limit nobody says NULL, the kernel kills: so a
 * program whose live memory fits must not be killed for what the allocator
 * keeps.  Limit 256 MiB; up to 180 MiB live, of sizes from 16 bytes to 8 MiB,
 * of which a half is freed and allocated anew, fifteen times.  How others fare
 * is printed.  An argument says how often is enough where that takes too long;
 * it leaves the others out.
 */
#include "group.h"

enum { SLOTS = 1 << 18 };
static const size_t limit = 256 * MIB, live_bar = 180 * MIB;

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

static int churn(unsigned phases)
{
	uint64_t state = seed();
	size_t worst = 0;

	for (unsigned phase = 0; phase < phases; phase++) {
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

/* 128 + a signal: 137 is the kernel's.  -1: no process can be moved. */
static int fate_of(const char *who, const char *preload, const char *phases)
{
	int status;
	pid_t pid;

	setenv("LD_PRELOAD", preload, 1);
	pid = group_start("churn", phases);
	if (!pid)
		return -1;
	status = wait_status(pid);
	printf("figure: %s under the limit: status %d%s\n", who, status,
	       status == 137 ? ", killed" : "");
	fflush(stdout);
	return status;
}

static void print_others(const char *phases)
{
	static const char *const others[] = {"libjemalloc.so.2",
					     "libmimalloc.so.2"};
	char path[64];

	unsetenv("LIB");
	fate_of("libc", "", phases);
	for (int i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "/usr/lib/x86_64-linux-gnu/%s",
			 others[i]);
		if (!access(path, R_OK))
			fate_of(others[i], path, phases);
	}
}

int main(int argc, char **argv)
{
	const char *lib = library(), *phases = argc > 1 ? argv[1] : "15";
	int status;

	check_library();
	if (argc == 3 && !strcmp(argv[1], "churn"))
		return churn((unsigned)atoi(argv[2]));
	if (available() < 2 * limit)
		skip("less than 512 MiB of memory left");
	if (!group_make(limit))
		skip("no cgroup with a memory limit can be made here");
	status = fate_of(lib ? "the library" : "libc", lib ? lib : "",
			 phases);
	if (!status && lib && argc == 1)
		print_others(phases);
	group_remove();
	if (status < 0)
		skip("no process can be moved to a cgroup here");
	return status != 0;
}
