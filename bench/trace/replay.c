/*
 * The replayer: what does a recorded program cost under this allocator?
 *
 *	quarry-replay [OPTION...] [TRACE]
 *
 *	--touch none|first|pages|all	what is written of a new block, or of
 *			what realloc added: nothing, the first 64 bytes, those
 *			and a byte in each page (the default), everything.  Of a
 *			zeroed block never more than the first 64 bytes: a
 *			program that asks for zeroes leaves most of them
 *	--repeat N	the whole trace N times in one process (3, or 10
 *			without --quick); what is left at the end of a pass is
 *			freed before the next one, off the clock
 *	--free-order	keep only what a free needs: its object has been made.
 *			Else threads also stay within some 4000 events of each
 *			other, as they were when recorded
 *	--paced		wait until as much time has passed as when recorded,
 *			for what works by the clock
 *	--name NAME, and what every micro benchmark takes
 *
 * Every recorded thread is a thread here, made and joined where it was.  The
 * answers are CPU time per call: in the first pass, which is the program's life
 * with all its page faults, and in the passes after it, on a heap in use
 * ("again", their median); and the most memory that was resident in any pass.
 * CPU time is that of the calls and the writes, and of threads that begin and
 * end, without reading the trace and without waiting for other threads, but
 * with helper threads of the allocator.
 */
#include "reader.h"

#include "../micro/bench.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

/* Some C libraries do not know it; where the kernel does not, it fails. */
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

/* Events decoded at a time, while the clock stands: less in a short trace. */
#define WINDOW 512
#define WINDOW_MIN 64
/* How many marks a thread may be ahead of the slowest. */
#define MARKS_AHEAD 64
/* Objects whose table is made together, and in a trace of more than HUGE_TRACE
 * objects given back together once they are all gone. */
#define GROUP 4096
#define HUGE_TRACE (16u << 20)
#define SAMPLES 200
#define PASSES_MAX 100

#ifndef REPLAY_NAME
#define REPLAY_NAME NULL
#define REPLAY_TRACE NULL
#endif

enum touch { TOUCH_NONE, TOUCH_FIRST, TOUCH_PAGES, TOUCH_ALL };

/* @block is NULL until it is made, and GONE afterwards. */
struct object {
	_Atomic(char *) block;
	size_t size;
};

#define GONE ((char *)1)

/* The objects of one recorded thread. */
struct table {
	struct object *objects;
	_Atomic(uint32_t) *gone; /* per group */
	atomic_bool started, finished, joined;
	pthread_t handle;
};

/* One thread of the replay; the memory is used again when it ends. */
struct runner {
	struct runner *next_free;
	struct reader_cursor cursor;
	struct format_event window[WINDOW];
	uint8_t *buffer;
	uint32_t thread;
	uint64_t position; /* number of the next object */
	uint64_t groups;   /* of its table that are there */
	uint64_t sequence, us;
	/* CPU time spent in calls, and in all */
	uint64_t cpu, waited;
	/* In this window: live bytes more than at its start, now and at most */
	int64_t grown, grown_most;
};

static struct {
	const char *path, *name;
	enum touch touch;
	int repeat;
	bool free_order, paced;
} options = {.path = REPLAY_TRACE, .name = REPLAY_NAME, .touch = TOUCH_PAGES};

static struct reader trace;
static struct table *tables;
static atomic_uchar *mark_passed;
static _Atomic(uint64_t) low_mark, events_done;
static _Atomic(int64_t) live;
static _Atomic(uint64_t) cpu_in_calls, cpu_of_threads;
static uint64_t start_ns;
static bool give_tables_back;
static size_t window;
static int pass;

static pthread_mutex_t pool_lock = PTHREAD_MUTEX_INITIALIZER;
static struct runner *free_runners;

static pthread_mutex_t sample_lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
	size_t count;
	double at[SAMPLES + 2], resident[SAMPLES + 2], live[SAMPLES + 2];
	double peak_resident;
} samples;
static _Atomic(int64_t) peak_live;

static _Noreturn void leave(const char *why)
{
	dprintf(STDERR_FILENO, "quarry-replay: %s\n", why);
	_exit(2);
}

static uint64_t thread_cpu(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void sample(uint64_t done)
{
	pthread_mutex_lock(&sample_lock);
	double resident = (double)bench_resident();

	if (resident > samples.peak_resident)
		samples.peak_resident = resident;
	if (pass == 0 && samples.count < SAMPLES + 2) {
		samples.at[samples.count] =
			options.paced ? (double)(bench_now() - start_ns) / 1e9
				      : (double)done;
		samples.resident[samples.count] = resident / (double)BENCH_MIB;
		samples.live[samples.count++] =
			(double)atomic_load(&live) / (double)BENCH_MIB;
	}
	pthread_mutex_unlock(&sample_lock);
}

/* Waits, off the clock, until *@word is not @value any more. */
#define WAIT_WHILE(runner, condition)                            \
	do {                                                     \
		if (condition) {                                 \
			uint64_t from = thread_cpu();            \
			while (condition)                        \
				sched_yield();                   \
			(runner)->waited += thread_cpu() - from; \
		}                                                \
	} while (0)

/* The object of an event, as soon as it has been made. */
static struct object *find_object(struct runner *r,
				  const struct format_event *e,
				  struct table **ret_table)
{
	bool own = e->kind == FORMAT_FREE || e->kind == FORMAT_RESIZE;
	struct table *t = &tables[own ? r->thread : e->thread];
	struct object *o = &t->objects[e->number];
	char *block = atomic_load_explicit(&o->block, memory_order_relaxed);

	if (!own && !block)
		/* Pairs with make_object() of the other thread. */
		WAIT_WHILE(r, !(block = atomic_load_explicit(
					&o->block, memory_order_acquire)));
	if (!block || block == GONE)
		leave("the trace frees an object twice");
	*ret_table = t;
	return o;
}

static char *leave_object(struct object *o, struct table *t, uint64_t number)
{
	char *block = atomic_load_explicit(&o->block, memory_order_relaxed);
	uint64_t group = number / GROUP;

	atomic_store_explicit(&o->block, GONE, memory_order_relaxed);
	if (give_tables_back &&
	    atomic_fetch_add(&t->gone[group], 1) == GROUP - 1) {
		size_t bytes = GROUP * sizeof(struct object);

		madvise(&t->objects[group * GROUP], bytes, MADV_DONTNEED);
		bench_own_changed(-(ptrdiff_t)bytes);
	}
	return block;
}

static void touch(char *block, size_t from, size_t size, bool zeroed)
{
	if (options.touch == TOUCH_NONE || from >= size)
		return;
	if (options.touch == TOUCH_ALL && !zeroed)
		memset(block + from, 0x5a, size - from);
	else if (options.touch == TOUCH_PAGES && !zeroed)
		bench_touch_pages(block + from, size - from);
	else
		bench_touch(block + from, size - from);
	BENCH_KEEP(block);
}

static void make_object(struct runner *r, char *block, size_t size)
{
	r->grown += (int64_t)size;
	if (r->grown > r->grown_most)
		r->grown_most = r->grown;
	struct object *o = &tables[r->thread].objects[r->position++];

	if (!block && size)
		leave("the allocator returned NULL");
	o->size = size;
	/* Pairs with find_object(); malloc(0) may be NULL, which free takes. */
	atomic_store_explicit(&o->block, block ? block : (char *)2,
			      memory_order_release);
}

static void free_block(char *block)
{
	free(block == (char *)2 ? NULL : block);
}

static void resize(struct runner *r, const struct format_event *e)
{
	struct table *t;
	struct object *o = find_object(r, e, &t);
	size_t old = o->size;
	char *block = leave_object(o, t, e->number);

	block = realloc(block == (char *)2 ? NULL : block, e->size);
	touch(block, old, e->size, false);
	r->grown -= (int64_t)old;
	make_object(r, block, e->size);
}

static void pass_mark(struct runner *r, const struct format_event *e)
{
	uint64_t low;

	r->sequence += e->sequence;
	r->us += e->us;
	if (r->sequence >= trace.marks || options.free_order)
		return;
	WAIT_WHILE(r, atomic_load_explicit(&low_mark, memory_order_relaxed) +
				      MARKS_AHEAD <
			      r->sequence);
	atomic_store(&mark_passed[r->sequence], 1);
	low = atomic_load(&low_mark);
	while (low < trace.marks && atomic_load(&mark_passed[low]))
		if (atomic_compare_exchange_weak(&low_mark, &low, low + 1))
			low++;
}

static void *run_thread(void *argument);

static struct runner *new_runner(uint32_t thread)
{
	struct runner *r;
	uint8_t *buffer;

	pthread_mutex_lock(&pool_lock);
	r = free_runners;
	if (r) {
		free_runners = r->next_free;
	} else {
		r = bench_own(sizeof(*r));
		r->buffer = bench_own(FORMAT_CHUNK_MAX);
	}
	pthread_mutex_unlock(&pool_lock);
	buffer = r->buffer;
	*r = (struct runner){.buffer = buffer, .thread = thread};
	reader_seek(&r->cursor, &trace, thread, buffer);
	return r;
}

static void spawn(uint32_t thread)
{
	pthread_attr_t attr;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 256 * BENCH_KIB);
	if (atomic_exchange(&tables[thread].started, true))
		leave("the trace begins a thread twice");
	if (pthread_create(&tables[thread].handle, &attr, run_thread,
			   new_runner(thread)))
		leave("cannot make a thread");
	pthread_attr_destroy(&attr);
}

/* Whether @thread will ever end here: somebody begins it. */
static bool will_end(uint32_t thread)
{
	return thread > 0 && thread < trace.threads &&
	       (trace.thread[thread].spawned || trace.thread[thread].chunks);
}

static void join(struct table *t)
{
	if (!atomic_exchange(&t->joined, true))
		pthread_join(t->handle, NULL);
}

static char *aligned(uint32_t align_log2, size_t size)
{
	size_t align = (size_t)1 << align_log2;
	void *block;

	if (align < sizeof(void *))
		align = sizeof(void *);
	return posix_memalign(&block, align, size) ? NULL : block;
}

static void execute(struct runner *r, const struct format_event *e)
{
	struct object *o;
	struct table *t;
	char *block;

	switch (e->kind) {
	case FORMAT_MALLOC:
	case FORMAT_CALLOC:
	case FORMAT_ALIGNED:
		if (e->kind == FORMAT_MALLOC)
			block = malloc(e->size);
		else if (e->kind == FORMAT_CALLOC)
			block = calloc(1, e->size);
		else
			block = aligned(e->align_log2, e->size);
		if (block)
			touch(block, 0, e->size, e->kind == FORMAT_CALLOC);
		make_object(r, block, e->size);
		break;
	case FORMAT_FREE:
	case FORMAT_FREE_AT:
		o = find_object(r, e, &t);
		r->grown -= (int64_t)o->size;
		free_block(leave_object(o, t, e->number));
		break;
	case FORMAT_FREE0:
		free(NULL);
		break;
	case FORMAT_RESIZE:
	case FORMAT_RESIZE_AT:
		resize(r, e);
		break;
	case FORMAT_SPAWN:
		if (e->thread > 0 && e->thread < trace.threads)
			spawn(e->thread);
		break;
	case FORMAT_JOIN:
		if (!will_end(e->thread))
			break;
		WAIT_WHILE(r, !atomic_load(&tables[e->thread].finished));
		join(&tables[e->thread]);
		break;
	case FORMAT_MARK:
		pass_mark(r, e);
		break;
	default:
		break;
	}
}

/* Makes the table resident for objects up to @number; frees what is done. */
static void prepare_table(struct runner *r, uint64_t number)
{
	struct table *t = &tables[r->thread];
	size_t bytes = GROUP * sizeof(struct object);

	while (r->groups * GROUP < number) {
		madvise(&t->objects[r->groups * GROUP], bytes,
			MADV_POPULATE_WRITE);
		bench_own_changed((ptrdiff_t)bytes);
		r->groups++;
	}
}

/* Fills the window; returns how many events it holds. */
static size_t decode(struct runner *r)
{
	size_t count = 0;
	size_t limit = options.paced ? FORMAT_MARK_EVENTS : window;
	struct format_event *e = r->window;

	while (count < limit && reader_next(&r->cursor, e)) {
		if ((e->kind == FORMAT_FREE_AT ||
		     e->kind == FORMAT_RESIZE_AT) &&
		    !reader_has(&trace, e))
			e->kind = FORMAT_STRAY;
		count++;
		e++;
	}
	prepare_table(r, r->cursor.stream.next_number);
	return count;
}

static void keep_pace(const struct runner *r)
{
	/* The first mark of the main thread is where the clock began. */
	static _Atomic(uint64_t) first_us;
	uint64_t none = 0, now = bench_now();

	if (!r->us)
		return;
	atomic_compare_exchange_strong(&first_us, &none, r->us);
	uint64_t due = start_ns + (r->us - atomic_load(&first_us)) * 1000;

	if (r->us > atomic_load(&first_us) && due > now) {
		struct timespec wait = {(time_t)((due - now) / 1000000000u),
					(long)((due - now) % 1000000000u)};

		nanosleep(&wait, NULL);
	}
}

static void account(const struct runner *r, size_t count)
{
	uint64_t before = atomic_fetch_add(&events_done, count);
	uint64_t step = trace.events / SAMPLES + 1;
	int64_t most = atomic_fetch_add(&live, r->grown) + r->grown_most;
	int64_t peak = atomic_load(&peak_live);

	while (most > peak &&
	       !atomic_compare_exchange_weak(&peak_live, &peak, most))
		;
	if (before / step != (before + count) / step)
		sample(before + count);
}

static void *run_thread(void *argument)
{
	struct runner *r = argument;
	uint64_t began = thread_cpu();
	size_t count;

	while ((count = decode(r)) > 0) {
		uint64_t waited = r->waited, from = thread_cpu();

		r->grown = r->grown_most = 0;
		for (size_t i = 0; i < count; i++)
			execute(r, &r->window[i]);
		r->cpu += thread_cpu() - from - (r->waited - waited);
		account(r, count);
		if (options.paced)
			keep_pace(r);
	}
	atomic_fetch_add(&cpu_in_calls, r->cpu);
	atomic_fetch_add(&cpu_of_threads, thread_cpu() - began);
	atomic_store(&tables[r->thread].finished, true);
	pthread_mutex_lock(&pool_lock);
	r->next_free = free_runners;
	free_runners = r;
	pthread_mutex_unlock(&pool_lock);
	return NULL;
}

static void make_tables(void)
{
	uint64_t objects = 0;

	tables = bench_own(trace.threads * sizeof(*tables));
	mark_passed = bench_own(trace.marks);
	for (uint32_t i = 0; i < trace.threads; i++) {
		uint64_t groups = trace.thread[i].objects / GROUP + 1;
		size_t bytes = groups * GROUP * sizeof(struct object);

		objects += trace.thread[i].objects;
		tables[i].objects = mmap(
			NULL, bytes, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (tables[i].objects == MAP_FAILED)
			leave("no memory for the table of objects");
		tables[i].gone = bench_own(groups * sizeof(*tables[i].gone));
	}
	give_tables_back = objects > HUGE_TRACE;
}

/* Frees what the program left, and forgets: for the next pass. */
static void reset(void)
{
	for (uint32_t i = 0; i < trace.threads; i++) {
		struct table *t = &tables[i];

		for (uint64_t n = 0; n < trace.thread[i].objects; n++) {
			struct object *o = &t->objects[n];
			char *block = atomic_load(&o->block);

			if (block && block != GONE)
				free_block(block);
			atomic_store(&o->block, NULL);
			if (n % GROUP == 0)
				atomic_store(&t->gone[n / GROUP], 0);
		}
		t->started = t->finished = t->joined = false;
	}
	atomic_store(&live, 0);
	atomic_store(&events_done, 0);
}

/* Returns CPU ns per call, and counts page faults. */
static double run_pass(uint64_t *faults)
{
	/* Marks that are in no stream will not be passed by anybody. */
	for (uint64_t i = 0; i < trace.marks; i++)
		atomic_store_explicit(&mark_passed[i], !trace.mark_seen[i],
				      memory_order_relaxed);
	atomic_store(&low_mark, 0);
	atomic_store(&cpu_in_calls, 0);
	atomic_store(&cpu_of_threads, 0);
	uint64_t faults_before = bench_faults(), cpu = bench_cpu();

	start_ns = bench_now();
	for (uint32_t i = 1; i < trace.threads; i++)
		if (!trace.thread[i].spawned && trace.thread[i].chunks)
			spawn(i);
	/* The main thread is this one: a program without threads has none. */
	run_thread(new_runner(0));
	for (uint32_t i = 1; i < trace.threads; i++)
		if (atomic_load(&tables[i].started))
			join(&tables[i]);
	cpu = bench_cpu() - cpu;
	*faults = bench_faults() - faults_before;
	/* What no thread has accounted for: ends of threads, helpers. */
	uint64_t known = atomic_load(&cpu_of_threads);
	uint64_t rest = cpu > known ? cpu - known : 0;

	return (double)(atomic_load(&cpu_in_calls) + rest) /
	       (double)trace.calls;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void report(double *cpu_ns, const uint64_t *faults)
{
	const char *label = options.name;
	double calls = (double)trace.calls;
	int again = options.repeat - 1;
	char metric[32];

	bench_value(label, "first_cpu_ns_per_call", cpu_ns[0], "ns", "less");
	if (again) {
		qsort(cpu_ns + 1, (size_t)again, sizeof(*cpu_ns), by_value);
		bench_value(
			label, "again_cpu_ns_per_call",
			(cpu_ns[1 + (again - 1) / 2] + cpu_ns[1 + again / 2]) /
				2,
			"ns", "less");
	}
	bench_value(label, "peak_resident_MiB",
		    samples.peak_resident / BENCH_MIB, "MiB", "less");
	snprintf(metric, sizeof(metric), "first_%s_per_1000_calls",
		 bench_faults_metric());
	bench_detail(label, metric, (double)faults[0] / calls * 1000, "faults",
		     "less");
	bench_detail(label, "peak_resident_per_peak_live",
		     samples.peak_resident / (double)atomic_load(&peak_live),
		     "ratio", "less");
	bench_detail(label, "calls", calls, "calls", "less");
	bench_series(label, "rss", samples.count, samples.at, samples.resident,
		     "MiB");
	bench_series(label, "live", samples.count, samples.at, samples.live,
		     "MiB");
}

static enum touch parse_touch(const char *word)
{
	static const char *const words[] = {"none", "first", "pages", "all"};

	for (size_t i = 0; i < BENCH_LENGTH(words); i++)
		if (!strcmp(word, words[i]))
			return (enum touch)i;
	leave("--touch takes none, first, pages or all");
}

/* Takes our own options out of @argv; the rest is for bench_begin(). */
static int parse(int argc, char **argv)
{
	int kept = 1;

	for (int i = 1; i < argc; i++) {
		bool more = i + 1 < argc;

		if (!strcmp(argv[i], "--touch") && more)
			options.touch = parse_touch(argv[++i]);
		else if (!strcmp(argv[i], "--repeat") && more)
			options.repeat = atoi(argv[++i]);
		else if (!strcmp(argv[i], "--free-order"))
			options.free_order = true;
		else if (!strcmp(argv[i], "--paced"))
			options.paced = true;
		else if (!strcmp(argv[i], "--name") && more)
			options.name = argv[++i];
		else if (*argv[i] != '-' &&
			 (i == 1 || strcmp(argv[i - 1], "--json")))
			options.path = argv[i];
		else
			argv[kept++] = argv[i];
	}
	if (!options.path)
		leave("which trace?");
	if (options.repeat < 0 || options.repeat > PASSES_MAX)
		leave("--repeat takes a number from 1 to 100");
	return kept;
}

int main(int argc, char **argv)
{
	argc = parse(argc, argv);
	bench_begin("trace", argc, argv);
	reader_open(&trace, options.path);
	if (!options.name)
		options.name = trace.name;
	make_tables();
	window = trace.events / SAMPLES;
	window = window < WINDOW_MIN ? WINDOW_MIN
		 : window > WINDOW   ? WINDOW
				     : window;

	if (options.paced)
		options.repeat = 1;
	if (!options.repeat)
		options.repeat = bench_quick ? 3 : 10;
	double cpu_ns[PASSES_MAX];
	uint64_t faults[PASSES_MAX];

	for (pass = 0; pass < options.repeat; pass++) {
		if (pass > 0)
			reset();
		cpu_ns[pass] = run_pass(&faults[pass]);
	}
	report(cpu_ns, faults);
	return 0;
}
