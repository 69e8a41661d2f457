/*
 * Policies: of the process (each case is this program again, with the option),
 * of a thread, and of a cache.  What is bound lies where it should, all of it;
 * what is interleaved lies within 5 % of evenly; and who shares a CPU with a
 * thread that has a policy does not get its memory.
 */
#include "vm.h"

#include "quarry.h"

#include <pthread.h>
#include <sys/prctl.h>
#include <sys/wait.h>

enum { MANY = 1200 };

/* Of large ones as many as can be shared evenly. */
static const struct {
	size_t size, n;
} kinds[] = {{24, MANY},  {100, MANY},	{1000, MANY},  {9000, MANY},
	     {40000, 96}, {300000, 12}, {3u << 20, 4}, {9u << 20, 1}};

enum { NR_KINDS = sizeof(kinds) / sizeof(kinds[0]) };

/* Bytes by node. */
struct spread {
	size_t bytes[MAX_NODES];
};

/* An object, touched: each of its bytes where its page lies. */
static void add(struct spread *spread, char *object, size_t size)
{
	memset(object, 0x5a, size);
	for (size_t at = 0, n; at < size; at += n) {
		n = PAGE - (uintptr_t)(object + at) % PAGE;
		n = n < size - at ? n : size - at;
		spread->bytes[node_of(object + at)] += n;
	}
}

/* Objects of every size, small ones many, and the nodes they lie on. */
static void count(struct spread *spread)
{
	static _Thread_local void *blocks[NR_KINDS][MANY];

	for (size_t k = 0; k < NR_KINDS; k++) {
		for (size_t i = 0; i < kinds[k].n; i++) {
			blocks[k][i] = malloc(kinds[k].size);
			CHECK(blocks[k][i], "%zu bytes", kinds[k].size);
			add(spread, blocks[k][i], kinds[k].size);
		}
	}
	for (size_t k = 0; k < NR_KINDS; k++) {
		for (size_t i = 0; i < kinds[k].n; i++)
			free(blocks[k][i]);
	}
}

static size_t all_of(const struct spread *spread)
{
	size_t all = 0;

	for (unsigned node = 0; node < MAX_NODES; node++)
		all += spread->bytes[node];
	return all;
}

static void show(const char *what, const struct spread *spread)
{
	printf("%-32s", what);
	for (unsigned node = 0; node < nr_nodes(); node++)
		printf(" %8zu", spread->bytes[node] >> 10);
	printf("  KiB\n");
	fflush(stdout);
}

/* At least @percent on the nodes of @mask. */
static void check_within(const char *what, const struct spread *spread,
			 unsigned mask, size_t percent)
{
	size_t within = 0;

	show(what, spread);
	for (unsigned node = 0; node < MAX_NODES; node++)
		within += mask >> node & 1 ? spread->bytes[node] : 0;
	CHECK(within * 100 >= all_of(spread) * percent, "%s: %zu of %zu", what,
	      within, all_of(spread));
}

/* All on the nodes of @mask, as many on each, but for 5 %. */
static void check_even(const char *what, const struct spread *spread,
		       unsigned mask)
{
	size_t nodes = (size_t)__builtin_popcount(mask);
	size_t even = all_of(spread) / nodes;

	check_within(what, spread, mask, 100);
	for (unsigned node = 0; node < MAX_NODES; node++) {
		if (!(mask >> node & 1))
			continue;
		CHECK(spread->bytes[node] * 100 >= even * 95 &&
			      spread->bytes[node] * 100 <= even * 105,
		      "%s: node %u", what, node);
	}
}

/* From a CPU of node 0, then of node 3, with everything used before. */
static struct spread of_process(void)
{
	struct spread spread = {{0}};

	for (int round = 0; round < 2; round++) {
		run_on_cpu(cpu_of_node(0));
		count(&spread);
		run_on_cpu(cpu_of_node(3));
		count(&spread);
	}
	return spread;
}

static int process_case(const char *name)
{
	struct spread spread = of_process();

	if (strcmp(name, "numa:interleave") == 0)
		check_even(name, &spread, 0xf);
	else if (strcmp(name, "numa:interleave=0+2") == 0)
		check_even(name, &spread, 0x5);
	else if (strcmp(name, "numa:bind=1-2") == 0)
		check_within(name, &spread, 0x6, 100);
	else if (strcmp(name, "numa:bind=1") == 0)
		check_within(name, &spread, 0x2, 100);
	else
		fail("no case %s", name);
	return 0;
}

static void run_case(const char *name)
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		setenv("QUARRY_OPTIONS", name, 1);
		execl("/proc/self/exe", "policy", name, NULL);
		_exit(126);
	}
	CHECK(waitpid(child, &status, 0) == child, " ");
	CHECK(status == 0, "%s: status %d", name, status);
}

/* Of threads that share a CPU of node 0 */

static volatile bool stop;

static void *live_locally(void *arg)
{
	struct spread *spread = arg;
	struct spread warm = {{0}};

	run_on_cpu(cpu_of_node(0));
	count(&warm);
	do
		count(spread);
	while (!stop);
	return NULL;
}

static void check_threads(void)
{
	struct spread local = {{0}}, bound = {{0}}, even = {{0}}, back = {{0}};
	pthread_t thread;

	run_on_cpu(cpu_of_node(0));
	CHECK(pthread_create(&thread, NULL, live_locally, &local) == 0, " ");
	CHECK(quarry_thread_set_numa(QUARRY_NUMA_BIND, 1u << 9) == EINVAL, " ");
	CHECK(quarry_thread_set_numa(QUARRY_NUMA_BIND, 0xa) == 0, " ");
	count(&bound);
	count(&bound);
	CHECK(quarry_thread_set_numa(QUARRY_NUMA_INTERLEAVE, 0) == 0, " ");
	count(&even);
	CHECK(quarry_thread_set_numa(QUARRY_NUMA_DEFAULT, 0) == 0, " ");
	count(&back);
	stop = true;
	pthread_join(thread, NULL);
	/* node 1 is nearer to node 0 than node 3 */
	check_within("a thread bound to 1 and 3", &bound, 0x2, 100);
	check_even("a thread that interleaves", &even, 0xf);
	check_within("the same without a policy", &back, 0x1, 99);
	check_within("another thread on that CPU", &local, 0x1, 99);
}

static void count_cache(const char *what, enum quarry_numa policy,
			unsigned nodes, struct spread *ret_spread)
{
	struct quarry_cache *cache = quarry_cache_create(what, 200, 0, NULL, 0);
	static void *objects[MANY * 4];

	CHECK(cache, " ");
	CHECK(quarry_cache_set_numa(cache, policy, nodes) == 0, "%s", what);
	for (int round = 0; round < 2; round++) {
		run_on_cpu(cpu_of_node(round));
		for (size_t i = 0; i < MANY * 4; i++) {
			objects[i] = quarry_cache_alloc(cache);
			CHECK(objects[i], "%s", what);
			add(ret_spread, objects[i], 200);
		}
		for (size_t i = 0; i < MANY * 4; i++)
			quarry_cache_free(cache, objects[i]);
	}
	CHECK(quarry_cache_destroy(cache) == 0, "%s", what);
}

static void check_caches(void)
{
	struct spread bound = {{0}}, even = {{0}};

	count_cache("a cache bound to 3", QUARRY_NUMA_BIND, 0x8, &bound);
	check_within("a cache bound to 3", &bound, 0x8, 100);
	count_cache("a cache on 1 and 2", QUARRY_NUMA_INTERLEAVE, 0x6, &even);
	check_even("a cache on 1 and 2", &even, 0x6);
}

int main(int argc, char **argv)
{
	/* huge pages would be interleaved as such, which is too coarse here */
	CHECK(prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0) == 0, " ");
	if (argc == 2)
		return process_case(argv[1]);
	check_threads();
	check_caches();
	run_case("numa:interleave");
	run_case("numa:interleave=0+2");
	run_case("numa:bind=1-2");
	run_case("numa:bind=1");
	return 0;
}
