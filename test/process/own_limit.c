/*
 * The process's own limit (options limit and limit_hard, quarry_set_limit),
 * shrinkers and balloon.  Each part runs in a process of its own, because the
 * options are read at the start.
 *
 * Figures: resident memory beside the limit.
 */
#include "check.h"

#include <pthread.h>
#include <sys/mman.h>

static const size_t limit = 64 * MIB;

static void (*set_limit)(size_t bytes, bool hard);
static int (*shrinker_register)(size_t (*)(void *, size_t), void *);
static int (*shrinker_unregister)(size_t (*)(void *, size_t), void *);
static size_t (*balloon)(size_t bytes);
static size_t (*trim)(void);
static int (*report)(int fd, int format, unsigned sections);

static void *function(const char *name)
{
	void *address = dlsym(RTLD_DEFAULT, name);

	CHECK(address);
	return address;
}

static void find_functions(void)
{
	*(void **)&set_limit = function("quarry_set_limit");
	*(void **)&shrinker_register = function("quarry_shrinker_register");
	*(void **)&shrinker_unregister = function("quarry_shrinker_unregister");
	*(void **)&balloon = function("quarry_balloon");
	*(void **)&trim = function("quarry_trim");
	*(void **)&report = function("quarry_report");
}

/* A figure of the report. */
static size_t vmstat(const char *key)
{
	static char text[1 << 16];
	int fd = memfd_create("report", MFD_CLOEXEC);
	char *at;

	if (fd < 0)
		skip("no memfd_create");
	CHECK(report(fd, 1, 1 << 4) == 0);
	memset(text, 0, sizeof(text));
	CHECK(pread(fd, text, sizeof(text) - 1, 0) > 0);
	close(fd);
	at = strstr(text, key);
	CHECK(at);
	return strtoul(at + strlen(key), NULL, 10);
}

/* A stock of objects: what a test holds, or can do without. */
struct stock {
	pthread_mutex_t lock;
	void *last;
	size_t bytes;
	size_t nr_calls;
};

static bool put(struct stock *stock, size_t size)
{
	void **object = malloc(size);

	if (!object) {
		CHECK(errno == ENOMEM);
		return false;
	}
	size = malloc_usable_size(object);
	memset(object, 1, size);
	object[0] = stock->last;
	object[1] = as_pointer(size);
	stock->last = object;
	stock->bytes += size;
	return true;
}

static size_t take(struct stock *stock)
{
	void **object = stock->last;
	size_t size = (size_t)object[1];

	stock->last = object[0];
	stock->bytes -= size;
	free(object);
	return size;
}

static void fill(struct stock *stock, size_t bytes, size_t size)
{
	while (stock->bytes < bytes)
		CHECK(put(stock, size));
}

static void empty(struct stock *stock)
{
	while (stock->last)
		take(stock);
}

static size_t shrink(void *arg, size_t bytes)
{
	struct stock *stock = arg;
	size_t freed = 0;

	if (pthread_mutex_trylock(&stock->lock))
		return 0;
	stock->nr_calls++;
	/* what is allowed here */
	free(malloc(100));
	free(malloc(MIB));
	CHECK(trim() < SIZE_MAX);
	CHECK(shrinker_unregister(shrink, NULL) == ENOENT);
	while (stock->last && freed < bytes)
		freed += take(stock);
	pthread_mutex_unlock(&stock->lock);
	return freed;
}

/* Small ones, runs, mappings. */
static const size_t sizes[] = {24, 600, 5000, 40000, 300000, 5 << 20};
enum { NR_SIZES = sizeof(sizes) / sizeof(sizes[0]) };

/* Nobody gets more than the limit; what was freed can be had again. */
static void hard(void)
{
	for (size_t i = 0; i < NR_SIZES; i++) {
		size_t base = anonymous(), held, again;
		struct stock stock = {.last = NULL};
		char name[64], *small;

		while (put(&stock, sizes[i]))
			;
		held = stock.bytes;
		snprintf(name, sizeof(name), "hard-limit-%zu-had", sizes[i]);
		figure_at_least(name, (double)held / MIB, "MiB", 52);
		snprintf(name, sizeof(name), "hard-limit-%zu-resident",
			 sizes[i]);
		figure_at_most(name, (double)(anonymous() - base) / MIB, "MiB",
			       66);
		/* who was refused still finds a small object */
		CHECK(small = malloc(1000));
		free(small);
		for (int n = 0; n < 100 && stock.last; n++)
			take(&stock);
		while (put(&stock, sizes[i]))
			;
		again = stock.bytes;
		CHECK(again + MIB >= held);
		empty(&stock);
		trim();
	}
	CHECK(!malloc(limit * 2) && errno == ENOMEM);
	CHECK(vmstat("\"limit_bytes\":") == limit);
	CHECK(vmstat("\"limit_events\":") > 0);
	CHECK(vmstat("\"limit_raised\":") == 0);
}

/* Whoever must have more gets it; caches are dropped seldom. */
static void soft(void)
{
	struct stock stock = {.last = NULL};

	for (size_t i = 0; i < NR_SIZES; i++)
		fill(&stock, (i + 1) * 50 * MIB, sizes[i]);
	/* a step is 4 MiB, what is beyond 240 MiB */
	figure_at_most("soft-limit-passed", (double)vmstat("\"limit_events\":"),
		       "times", 80);
	CHECK(vmstat("\"limit_raised\":") > 10);
	empty(&stock);
	/* half of it was free all the time: more is not kept */
	trim();
	fill(&stock, 40 * MIB, 5000);
	while (stock.bytes > 20 * MIB)
		take(&stock);
	figure_at_most("soft-limit-kept", (double)anonymous() / MIB, "MiB",
		       20 + 64 / 8 + 8);
	CHECK(!malloc(PTRDIFF_MAX / 2));
	empty(&stock);
}

/* Memory that the program can do without makes room. */
static void shrinkers(void)
{
	static struct stock caches[2] = {{.lock = PTHREAD_MUTEX_INITIALIZER},
					 {.lock = PTHREAD_MUTEX_INITIALIZER}};
	struct stock stock = {.last = NULL};
	size_t base = anonymous(), calls;

	CHECK(shrinker_register(NULL, NULL) == EINVAL);
	CHECK(shrinker_unregister(shrink, &caches[0]) == ENOENT);
	for (int i = 0; i < 2; i++) {
		CHECK(shrinker_register(shrink, &caches[i]) == 0);
		fill(&caches[i], 20 * MIB, 5000);
	}
	CHECK(!caches[0].nr_calls && !caches[1].nr_calls);
	/* at the limit the older one is called, and that is enough */
	while (!caches[0].nr_calls && stock.bytes <= 24 * MIB)
		CHECK(put(&stock, 5000));
	CHECK(stock.bytes >= 12 * MIB);
	CHECK(caches[0].nr_calls == 1 && !caches[1].nr_calls);
	CHECK(caches[0].bytes < 20 * MIB && caches[1].bytes >= 20 * MIB);
	fill(&stock, 50 * MIB, 5000);
	figure_at_most("shrunk-resident", (double)(anonymous() - base) / MIB,
		       "MiB", 66);
	calls = caches[0].nr_calls + caches[1].nr_calls;
	figure_at_most("shrinker-calls", (double)calls, "calls", 40);
	CHECK(vmstat("\"shrinker_calls\":") == calls);
	CHECK(vmstat("\"shrinker_bytes\":") >=
	      40 * MIB - caches[0].bytes - caches[1].bytes);

	CHECK(shrinker_unregister(shrink, &caches[0]) == 0);
	CHECK(shrinker_unregister(shrink, &caches[1]) == 0);
	empty(&stock);
	fill(&stock, 200 * MIB, MIB);
	CHECK(caches[0].nr_calls + caches[1].nr_calls == calls);
}

/* Bytes come from caches first, then from shrinkers. */
static void balloons(void)
{
	static struct stock cache = {.lock = PTHREAD_MUTEX_INITIALIZER};
	struct stock stock = {.last = NULL};
	size_t before, came;

	fill(&stock, 20 * MIB, 5000);
	fill(&stock, 30 * MIB, 10 * MIB);
	fill(&cache, 40 * MIB, 40000);
	CHECK(shrinker_register(shrink, &cache) == 0);
	empty(&stock);
	before = anonymous();
	came = balloon(12 * MIB);
	CHECK(came >= 12 * MIB && cache.nr_calls == 0);
	figure_at_most("balloon-12-left", (double)anonymous() / MIB, "MiB",
		       (double)before / MIB - 11.5);
	came += balloon(30 * MIB);
	CHECK(came >= 40 * MIB && cache.nr_calls == 1);
	CHECK(cache.bytes >= 10 * MIB);
	figure_at_most("balloon-42-left", (double)anonymous() / MIB, "MiB",
		       (double)before / MIB - 38);
	CHECK(balloon(GIB) >= cache.bytes);
	CHECK(cache.bytes == 0);
	CHECK(shrinker_unregister(shrink, &cache) == 0);
}

/* From no limit to one, and back. */
static void at_run_time(void)
{
	struct stock stock = {.last = NULL};

	fill(&stock, 100 * MIB, 5000);
	while (stock.bytes > 40 * MIB)
		take(&stock);
	set_limit(limit, true);
	figure_at_most("limit-set-resident", (double)anonymous() / MIB, "MiB",
		       70);
	while (put(&stock, 5000))
		;
	CHECK(stock.bytes >= 52 * MIB && stock.bytes <= limit);
	set_limit(2 * limit, true);
	fill(&stock, 100 * MIB, 5000);
	while (put(&stock, 5000))
		;
	set_limit(limit, false);
	fill(&stock, 150 * MIB, 5000);
	set_limit(0, false);
	CHECK(vmstat("\"limit_bytes\":") == 0);
	fill(&stock, 200 * MIB, 5000);
	empty(&stock);
}

enum { NR_THREADS = 8, ROUNDS = 4 };
static pthread_barrier_t barrier;

/*
 * Each thread grows, meets the limit together with the others, and has a
 * cache of its own, registered and unregistered all the time.  In a round all
 * of them together want some 80 MiB.
 */
static void *grow(void *arg)
{
	struct stock cache = {.lock = PTHREAD_MUTEX_INITIALIZER};
	struct stock stock = {.last = NULL};
	uint64_t state = (uintptr_t)arg;

	for (int round = 0; round < ROUNDS; round++) {
		CHECK(shrinker_register(shrink, &cache) == 0);
		for (int i = 0; i < 400; i++) {
			pthread_mutex_lock(&cache.lock);
			put(&cache, 1 + 16 + draw_size(&state, 16));
			pthread_mutex_unlock(&cache.lock);
			put(&stock, 1 + 16 + draw_size(&state, 18));
		}
		CHECK(shrinker_unregister(shrink, &cache) == 0);
		pthread_barrier_wait(&barrier);
		empty(&stock);
	}
	empty(&cache);
	empty(&stock);
	return NULL;
}

static void threads(void)
{
	pthread_t thread[NR_THREADS];

	CHECK(!pthread_barrier_init(&barrier, NULL, NR_THREADS));
	for (uintptr_t i = 0; i < NR_THREADS; i++)
		CHECK(!pthread_create(&thread[i], NULL, grow, as_pointer(i)));
	for (int i = 0; i < NR_THREADS; i++)
		CHECK(!pthread_join(thread[i], NULL));
	printf("figure: with %d threads: limit met %zu times, shrinkers called "
	       "%zu times, %zu requests refused\n",
	       NR_THREADS, vmstat("\"limit_events\":"),
	       vmstat("\"shrinker_calls\":"), vmstat("\"refusals\":"));
	CHECK(vmstat("\"limit_events\":") > 0);
	CHECK(vmstat("\"shrinkers\":") == 0);
}

static void threads_soft(void)
{
	threads();
	CHECK(vmstat("\"refusals\":") == 0);
}

static const struct {
	const char *name, *options;
	void (*run)(void);
} parts[] = {
	{"hard", "limit:64m,limit_hard:on", hard},
	{"soft", "limit:64m", soft},
	{"shrinkers", "limit:64m", shrinkers},
	{"balloon", "background:off", balloons},
	{"at-run-time", "", at_run_time},
	{"threads-hard", "limit:48m,limit_hard:on", threads},
	{"threads-soft", "limit:32m", threads_soft},
};

static void start(char *self, size_t i)
{
	char number[16];
	pid_t pid;
	int status;

	snprintf(number, sizeof(number), "%zu", i);
	fflush(stdout);
	pid = fork();
	CHECK(pid >= 0);
	if (!pid) {
		CHECK(!setenv("QUARRY_OPTIONS", parts[i].options, 1));
		execv("/proc/self/exe", (char *[]){self, number, NULL});
		_exit(126);
	}
	status = wait_status(pid);
	if (status == 77)
		exit(77);
	if (status) {
		printf("%s: status %d\n", parts[i].name, status);
		exit(1);
	}
}

int main(int argc, char **argv)
{
	if (!library())
		skip("libc has no limit");
	check_library();
	find_functions();
	if (argc == 2) {
		printf("%s\n", parts[atoi(argv[1])].name);
		parts[atoi(argv[1])].run();
		return 0;
	}
	if (available() < 768 * MIB)
		skip("less than 768 MiB of memory left");
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		start(argv[0], i);
	return 0;
}
