/*
 * What is in a trace?
 *
 *	quarry-trace-stat TRACE		calls, sizes and lifetimes, to read
 *	quarry-trace-stat --profile NAME TRACE
 *			the joint histogram of sizes and lifetimes as a C table
 *			for bench/micro/profiles.h
 *
 * Streams are merged by their marks, so that what is alive together is right to
 * some 64 events per thread.  A lifetime is counted in allocations of the whole
 * program; what is never freed has the longest there is.
 */
#include "reader.h"

#include "../micro/bench.h"

#include <stdio.h>
#include <unistd.h>

#define LIFETIMES 17 /* powers of two; the last is 65536 and more */
#define SIZES 64
#define ROWS_MAX 160
#define WEIGHT_SUM 65536.

struct merged {
	struct reader_cursor cursor;
	struct format_event pending; /* its next mark */
	bool done;
};

struct block {
	uint64_t size;
	uint64_t born; /* 0: not yet, UINT64_MAX: freed again */
	bool early;    /* freed in a stream that was read before it was made */
};

static struct reader trace;
static struct merged *streams;
static struct block **blocks;
static uint64_t allocations, live_bytes, live_peak, bytes;
static uint64_t kinds[FORMAT_KINDS];
/* By exact size up to 1024 in steps of 16, then by eighths of powers of two. */
static uint64_t joint[SIZES * 4][LIFETIMES];

static size_t size_row(uint64_t size)
{
	if (size <= 1024)
		return (size + 15) / 16;
	unsigned top = 63 - (unsigned)__builtin_clzll(size - 1);
	size_t row = 65 + (size_t)(top - 10) * 8 +
		     (size_t)((size - 1) >> (top - 3) & 7);

	return row < SIZES * 4 ? row : SIZES * 4 - 1;
}

/* The largest size of a row. */
static uint64_t row_size(size_t row)
{
	if (row <= 64)
		return row ? row * 16 : 1;
	row -= 65;
	return ((uint64_t)(row % 8 + 9) << (row / 8 + 10)) / 8;
}

static void born(uint32_t thread, uint64_t number, uint64_t size)
{
	struct block *b = &blocks[thread][number];

	b->size = size;
	b->born = ++allocations;
	bytes += size;
	if (b->early) {
		joint[size_row(size)][0]++;
		return;
	}
	live_bytes += size;
	if (live_bytes > live_peak)
		live_peak = live_bytes;
}

static void died(uint32_t thread, uint64_t number)
{
	struct block *b = &blocks[thread][number];
	uint64_t life = allocations - b->born;

	if (!b->born) {
		b->early = true;
		return;
	}
	live_bytes -= b->size;
	unsigned log2 = life ? 63 - (unsigned)__builtin_clzll(life) : 0;

	joint[size_row(b->size)][log2 < LIFETIMES ? log2 : LIFETIMES - 1]++;
	b->born = UINT64_MAX;
}

static void count(uint32_t thread, const struct format_event *e)
{
	uint64_t newest = streams[thread].cursor.stream.next_number - 1;
	bool own = e->kind == FORMAT_FREE || e->kind == FORMAT_RESIZE;

	kinds[e->kind]++;
	if (own)
		died(thread, e->number);
	else if ((e->kind == FORMAT_FREE_AT || e->kind == FORMAT_RESIZE_AT) &&
		 reader_has(&trace, e))
		died(e->thread, e->number);
	if (format_makes_object(e->kind))
		born(thread, newest, e->size);
}

/* Reads on in one stream to its next mark. */
static void read_on(uint32_t thread)
{
	struct merged *m = &streams[thread];

	while (reader_next(&m->cursor, &m->pending)) {
		count(thread, &m->pending);
		if (m->pending.kind == FORMAT_MARK)
			return;
	}
	m->done = true;
}

static void read_all(void)
{
	streams = bench_own(trace.threads * sizeof(*streams));
	blocks = bench_own(trace.threads * sizeof(*blocks));
	for (uint32_t i = 0; i < trace.threads; i++) {
		blocks[i] = bench_own((trace.thread[i].objects + 1) *
				      sizeof(**blocks));
		reader_seek(&streams[i].cursor, &trace, i,
			    bench_own(FORMAT_CHUNK_MAX));
		read_on(i);
	}
	for (;;) {
		struct merged *lowest = NULL;

		for (uint32_t i = 0; i < trace.threads; i++)
			if (!streams[i].done &&
			    (!lowest || streams[i].cursor.sequence <
						lowest->cursor.sequence))
				lowest = &streams[i];
		if (!lowest)
			return;
		read_on((uint32_t)(lowest - streams));
	}
}

static void count_survivors(void)
{
	for (uint32_t i = 0; i < trace.threads; i++)
		for (uint64_t n = 0; n < trace.thread[i].objects; n++) {
			const struct block *b = &blocks[i][n];

			if (b->born && b->born != UINT64_MAX && !b->early)
				joint[size_row(b->size)][LIFETIMES - 1]++;
		}
}

static void print_summary(void)
{
	static const char *const names[FORMAT_KINDS] = {"malloc",
							"calloc",
							"aligned",
							"free",
							"free, other thread",
							"free(NULL)",
							"realloc",
							"realloc, other thread",
							"free, unknown",
							"thread begun",
							"thread joined",
							"mark",
							"thread ended"};

	printf("program %s, %u streams, %llu events, %llu calls\n", trace.name,
	       (unsigned)trace.threads, (unsigned long long)trace.events,
	       (unsigned long long)trace.calls);
	printf("asked for %.1f MiB, at most %.1f MiB at once, %.1f at the "
	       "end\n",
	       (double)bytes / BENCH_MIB, (double)live_peak / BENCH_MIB,
	       (double)live_bytes / BENCH_MIB);
	for (size_t k = 0; k < FORMAT_KINDS; k++)
		if (kinds[k])
			printf("%12llu  %s\n", (unsigned long long)kinds[k],
			       names[k]);
	printf("\n%% of allocations, by size and by lifetime in allocations\n"
	       "      up to      all   <16   <256  <4096 <65536  longer\n");
	for (size_t row = 0; row < SIZES * 4; row++) {
		uint64_t part[5] = {0}, sum = 0;

		for (size_t life = 0; life < LIFETIMES; life++) {
			part[life / 4] += joint[row][life];
			sum += joint[row][life];
		}
		double scale = 100. / (double)allocations;

		if ((double)sum * scale < 0.1)
			continue;
		printf("%11llu %7.1f%%", (unsigned long long)row_size(row),
		       (double)sum * scale);
		for (size_t i = 0; i < 5; i++)
			printf(" %6.1f", (double)part[i] * scale);
		printf("\n");
	}
}

/* Rows by weight until ROWS_MAX; what is left out is rare. */
static void print_profile(const char *name)
{
	printf("\t{ \"%s\", %d, {\n", name, (int)WEIGHT_SUM);
	uint64_t taken = 0;
	int left = (int)WEIGHT_SUM;

	for (int i = 0; i < ROWS_MAX; i++) {
		uint64_t most = 0;
		size_t row = 0, life = 0;

		for (size_t r = 0; r < SIZES * 4; r++)
			for (size_t l = 0; l < LIFETIMES; l++)
				if (joint[r][l] > most) {
					most = joint[r][l];
					row = r;
					life = l;
				}
		int weight =
			(int)((double)most / (double)allocations * WEIGHT_SUM);

		if (!weight)
			break;
		printf("\t\t{ %llu, %zu, %d },\n",
		       (unsigned long long)row_size(row), life, weight);
		joint[row][life] = 0;
		taken += most;
		left -= weight;
	}
	printf("\t\t{ 32, 1, %d }, /* rounding, and %.1f %% of rare rows */\n"
	       "\t} },\n",
	       left,
	       100. * (double)(allocations - taken) / (double)allocations);
}

int main(int argc, char **argv)
{
	bool profile = argc == 4 && !strcmp(argv[1], "--profile");

	if (argc != 2 && !profile) {
		fprintf(stderr, "usage: quarry-trace-stat [--profile NAME] "
				"TRACE\n");
		return 2;
	}
	reader_open(&trace, argv[argc - 1]);
	read_all();
	count_survivors();
	if (!allocations) {
		fprintf(stderr, "the trace allocates nothing\n");
		return 1;
	}
	if (profile)
		print_profile(argv[2]);
	else
		print_summary();
	return 0;
}
