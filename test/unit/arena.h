/*
 * What the suites of src/arena share: a seed, an arena of the size wanted,
 * checks, and a drawing of a zone's frames.
 */
#ifndef QR_TEST_ARENA_H
#define QR_TEST_ARENA_H

#include "emulator.h"

#include "arena/node.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#define MIB ((size_t)1 << 20)

/*
 * Random numbers that can be had again: QUARRY_TEST_SEED in the environment, printed
 * by whoever draws the first (G. Marsaglia, "Xorshift RNGs", 2003).
 */
struct draw {
	uint64_t state;
};

static inline struct draw draw_init(const char *test)
{
	const char *seed = getenv("QUARRY_TEST_SEED");
	struct draw draw = { seed ? strtoull(seed, NULL, 0) :
				    UINT64_C(0x9e3779b97f4a7c15) };

	fprintf(stderr, "%s: QUARRY_TEST_SEED=%#llx\n", test,
		(unsigned long long)draw.state);
	if (!draw.state)
		draw.state = 1;
	return draw;
}

static inline uint64_t draw_below(struct draw *draw, uint64_t n)
{
	draw->state ^= draw->state << 13;
	draw->state ^= draw->state >> 7;
	draw->state ^= draw->state << 17;
	return (draw->state >> 16) % n;
}

/* An arena of one node and one span, unless @config says otherwise. */
static inline struct qr_nodes_config arena_config(size_t span_size)
{
	return (struct qr_nodes_config){
		.nodes = 1,
		.nr_cpus = 4,
		.span_size = span_size,
		.max_spans = 1,
		.high = SIZE_MAX / 4,
		.huge = QR_HUGE_NEVER,
		.sysfs_root = "",
	};
}

static inline struct qr_zone *arena_init(size_t span_size)
{
	struct qr_nodes_config config = arena_config(span_size);

	cr_assert_eq(qr_nodes_init(&config), 0);
	return &qr_zones[0];
}

static inline void check_zones(void)
{
	unsigned n = atomic_load(&qr_nr_zones);

	for (unsigned i = 0; i < n; i++) {
		const char *wrong = qr_zone_check(&qr_zones[i]);

		cr_assert_null(wrong, "zone %u: %s", i, wrong ? wrong : "");
	}
}

/* Frames that somebody has, as seen from the zones. */
static inline size_t frames_in_use(void)
{
	unsigned n = atomic_load(&qr_nr_zones);
	size_t sum = 0;

	for (unsigned i = 0; i < n; i++)
		sum += qr_zones[i].counters.allocated -
		       qr_zones[i].counters.freed;
	return sum;
}

/*
 * @n frames of a zone, a character each:
 *
 *	R---	a run, S--- a slab, P--- a block in a pcp
 *	2...	a free block of order 2 that is clean
 *	2:..	the same with its second frame resident; a first frame that is
 *		resident shows as a, b, c, ... for orders 0, 1, 2, ...
 */
static inline const char *picture(const struct qr_zone *zone, size_t n)
{
	static char text[2049];
	char inside = '?';

	for (size_t i = 0; i < n; i++) {
		size_t frame = zone->start + i;
		struct qr_page *page = qr_zone_page(zone, frame);
		bool resident =
			qr_span_count_resident(zone->span, frame, 1) != 0;

		switch (frame < zone->frontier ? qr_page_state(page) : 99) {
		case QR_PAGE_UNUSED:
			text[i] = inside == '.' && resident ? ':' : inside;
			break;
		case QR_PAGE_FREE:
			inside = '.';
			text[i] = (char)(resident ? 'a' + page->order :
				  page->order < 10 ? '0' + page->order :
						     'X');
			break;
		case QR_PAGE_PCP:
			inside = '-';
			text[i] = 'P';
			break;
		case QR_PAGE_SLAB:
			inside = '-';
			text[i] = 'S';
			break;
		case QR_PAGE_RUN:
			inside = '-';
			text[i] = 'R';
			break;
		default:
			text[i] = ' ';
		}
	}
	text[n] = '\0';
	return text;
}

#define assert_picture(zone, expected)                                     \
	do {                                                               \
		const char *picture_ = picture(zone, sizeof(expected) - 1); \
		cr_assert_str_eq(picture_, expected, "\n  is %s\n not %s", \
				 picture_, expected);                      \
	} while (0)

static inline char *run_bytes(struct qr_page *page)
{
	return (char *)qr_page_addr(page);
}

/* Write to every frame of a run. */
static inline void touch(struct qr_page *page, size_t nr_frames)
{
	for (size_t i = 0; i < nr_frames; i++)
		run_bytes(page)[i * QR_FRAME_SIZE + i % 64] = 1;
}

/* Sanitizers map and touch memory of their own. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || \
	__has_feature(memory_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

/* "Name:  N kB" of a file of /proc, in bytes. */
static inline size_t proc_bytes(const char *file, const char *name)
{
	FILE *f = fopen(file, "r");
	char line[256];
	size_t kib = 0;

	if (!f)
		return 0;
	while (fgets(line, sizeof(line), f)) {
		if (strncmp(line, name, strlen(name)) == 0)
			kib = strtoul(line + strlen(name) + 1, NULL, 10);
	}
	fclose(f);
	return kib << 10;
}

/* Memory of our own that the kernel has backed. */
static inline size_t anonymous(void)
{
	return proc_bytes("/proc/self/smaps_rollup", "Anonymous:");
}

/* For tests that look at it: an emulator shows its own. */
static inline void need_counted_memory(void)
{
	size_t before, grown, size = 4 * MIB;
	char *p;

	if (SANITIZED)
		cr_skip_test("a sanitizer touches memory of its own");
	need_cheap_addresses();
	anonymous();
	before = anonymous();
	p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memset(p, 1, size);
	grown = anonymous() - before;
	if (!before || grown < size || grown > size + size / 8)
		cr_skip_test("memory is not counted here");
	munmap(p, size);
}

static inline void set_limit(int what, size_t bytes)
{
	struct rlimit limit = { bytes, RLIM_INFINITY };

	cr_assert_eq(setrlimit(what, &limit), 0);
}

/* For tests with limits: an emulator does not keep them. */
static inline void need_limit(int what)
{
	void *p;

	if (SANITIZED)
		cr_skip_test("a sanitizer maps memory of its own");
	set_limit(what, MIB);
	p = mmap(NULL, 16 * MIB, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	set_limit(what, RLIM_INFINITY);
	if (p != MAP_FAILED)
		cr_skip_test("limits are not kept here, as in an emulator");
}

#endif
