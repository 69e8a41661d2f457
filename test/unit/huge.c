#include "arena/huge.h"

#include "arena.h"
#include "arena/vma.h"
#include "sys/map.h"
#include "sys/thp.h"

#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	BLOCK = QR_PAGEBLOCK_FRAMES,
	SMALL = 92 << 8, /* frames */
	HUGE = 2 << 20,
};

/*
 * A fake tree: what the system says
 */

#define DIRECTORY "sys/kernel/mm/transparent_hugepage"

static char root[] = "/tmp/quarry-huge-XXXXXX";

static void put_file(const char *name, const char *text)
{
	char path[256];
	FILE *file;

	snprintf(path, sizeof(path), "%s/" DIRECTORY "/%s", root, name);
	for (char *slash = path + 1; (slash = strchr(slash, '/')); slash++) {
		*slash = '\0';
		mkdir(path, 0755);
		*slash = '/';
	}
	file = fopen(path, "w");
	cr_assert(file, "%s", path);
	fputs(text, file);
	fclose(file);
}

static void make_tree(const char *enabled)
{
	cr_assert(mkdtemp(root));
	put_file("hpage_pmd_size", "2097152\n");
	put_file("enabled", enabled);
}

static void remove_tree(void)
{
	char command[64];

	snprintf(command, sizeof(command), "rm -rf %s", root);
	cr_assert_eq(system(command), 0);
}

Test(huge, the_system_allows_them_to_some_or_to_nobody, .fini = remove_tree)
{
	make_tree("always [madvise] never\n");
	cr_assert_eq(qr_thp_read(root, HUGE), QR_THP_MADVISE);
	put_file("enabled", "[always] madvise never\n");
	cr_assert_eq(qr_thp_read(root, HUGE), QR_THP_ALWAYS);
	put_file("enabled", "always madvise [never]\n");
	cr_assert_eq(qr_thp_read(root, HUGE), QR_THP_NEVER);
	put_file("enabled", "");
	cr_assert_eq(qr_thp_read(root, HUGE), QR_THP_NEVER);
}

Test(huge, each_size_has_a_say_where_there_is_one, .fini = remove_tree)
{
	make_tree("always [madvise] never\n");
	put_file("hugepages-2048kB/enabled",
		 "always [inherit] madvise never\n");
	cr_assert_eq(qr_thp_read(root, HUGE), QR_THP_MADVISE);
	put_file("hugepages-2048kB/enabled",
		 "always inherit madvise [never]\n");
	cr_assert_eq(qr_thp_read(root, HUGE), QR_THP_NEVER);
}

Test(huge, another_size_is_none, .fini = remove_tree)
{
	make_tree("[always] madvise never\n");
	cr_assert_eq(qr_thp_read(root, 2 * (size_t)HUGE), QR_THP_NEVER);
	cr_assert_eq(qr_thp_read("/nowhere", HUGE), QR_THP_NEVER);
}

/*
 * Zones
 */

/*
 * Bytes of [@low, @high) that lie in mappings with a flag of smaps: "hg" is
 * advised huge, "nh" not huge.
 */
static size_t advised_in(uintptr_t low, uintptr_t high, const char *flag)
{
	FILE *file = fopen("/proc/self/smaps", "r");
	unsigned long from = 0, to = 0, a, b;
	char line[512], word[8];
	size_t sum = 0;

	cr_assert(file);
	snprintf(word, sizeof(word), " %s", flag);
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%lx-%lx ", &a, &b) == 2) {
			from = qr_max(a, low);
			to = qr_min(b, high);
		} else if (!strncmp(line, "VmFlags:", 8) &&
			   strstr(line, word) && from < to) {
			sum += to - from;
		}
	}
	fclose(file);
	return sum;
}

static size_t advised(const struct qr_zone *zone, const char *flag)
{
	return advised_in(qr_span_addr(zone->span, zone->start),
			  qr_span_addr(zone->span, zone->end), flag);
}

/* An emulator may not tell the kernel, or not tell us. */
static void need_huge_pages(void)
{
	size_t size = 2 * (size_t)HUGE, told;
	void *p = qr_map_map(size, HUGE);
	int rc = qr_map_advise_huge(p, size, true);

	if (rc == 0)
		rc = qr_map_populate(p, size);
	told = advised_in((uintptr_t)p, (uintptr_t)p + size, "hg");
	qr_map_unmap(p, size);
	if (rc || told != size || qr_page_size() != QR_FRAME_SIZE)
		cr_skip_test("the kernel has no huge pages of 2 MiB");
}

static struct qr_zone *init(enum qr_huge_wish wish, const char *enabled)
{
	struct qr_nodes_config config = arena_config(512 * MIB);

	need_huge_pages();
	make_tree(enabled);
	config.huge = wish;
	qr_huge_dear = UINT_MAX;
	config.sysfs_root = root;
	cr_assert_eq(qr_nodes_init(&config), 0);
	return &qr_zones[0];
}

/* Grow by single frames, each touched. */
static void grow_to(struct qr_zone *zone, size_t frames)
{
	while (qr_zone_in_use(zone) < frames) {
		struct qr_page *page = qr_block_alloc(0, 0, 0);

		cr_assert(page);
		touch(page, 1);
	}
}

static size_t zone_size(const struct qr_zone *zone)
{
	return (zone->end - zone->start) << QR_FRAME_SHIFT;
}

Test(huge, a_small_heap_has_base_pages, .fini = remove_tree)
{
	struct qr_zone *zone = init(QR_HUGE_AUTO, "[always] madvise never");

	grow_to(zone, SMALL);
	cr_assert_eq(zone->nr_huge, 0u);
	cr_assert_eq(advised(zone, "nh"), zone_size(zone));
	check_zones();
}

Test(huge, a_large_one_grows_by_huge_pages, .fini = remove_tree)
{
	struct qr_zone *zone = init(QR_HUGE_AUTO, "always [madvise] never");
	size_t before;

	grow_to(zone, SMALL);
	before = zone->counters.faulted;
	grow_to(zone, 2 * SMALL);
	cr_assert_gt(zone->nr_huge, (size_t)SMALL / BLOCK / 8 * 7);
	cr_assert_eq(advised(zone, "hg"), zone->nr_huge * HUGE);
	cr_assert_eq(advised(zone, "hg") + advised(zone, "nh"),
		     zone_size(zone));
	/* one mapping of them, as nothing lies between */
	cr_assert_eq(qr_huge_nr_borders(), 2u);
	cr_assert_gt(zone->counters.faulted, before);
	cr_assert_leq(zone->nr_dirty, qr_zone_resident(zone) / 24);
	check_zones();
}

Test(huge, none_where_the_system_gives_none, .fini = remove_tree)
{
	struct qr_zone *zone = init(QR_HUGE_AUTO, "always madvise [never]");

	grow_to(zone, 2 * SMALL);
	cr_assert_eq(zone->nr_huge, 0u);
	check_zones();
}

Test(huge, none_where_none_are_wanted, .fini = remove_tree)
{
	struct qr_zone *zone = init(QR_HUGE_NEVER, "[always] madvise never");

	grow_to(zone, 2 * SMALL);
	cr_assert_eq(zone->nr_huge, 0u);
	cr_assert_eq(advised(zone, "nh"), zone_size(zone));
	check_zones();
}

Test(huge, all_is_huge_where_that_is_wanted, .fini = remove_tree)
{
	struct qr_zone *zone = init(QR_HUGE_ALWAYS, "always [madvise] never");

	grow_to(zone, 64);
	cr_assert_eq(advised(zone, "hg"), zone_size(zone));
	cr_assert_eq(zone->committed % BLOCK, 0u);
	grow_to(zone, 2 * SMALL);
	qr_nodes_trim(0);
	cr_assert_eq(advised(zone, "hg"), zone_size(zone));
	check_zones();
}

Test(huge, dear_steps_are_tried_ever_less_often, .fini = remove_tree)
{
	struct qr_zone *zone = init(QR_HUGE_AUTO, "always [madvise] never");

	grow_to(zone, SMALL + 8 * BLOCK);
	cr_assert(qr_huge_wanted(zone));
	qr_huge_dear = 2;
	qr_huge_note_step(8, 100000);
	for (unsigned pause = 16; pause <= 256; pause *= 2) {
		/* others got as fast as that by now */
		for (int i = 0; i < 40; i++)
			qr_huge_note_step(8, 100000);
		cr_assert(qr_huge_wanted(zone));
		qr_huge_note_step(9, 410000);
		for (unsigned i = 0; i < pause; i++) {
			cr_assert_not(qr_huge_wanted(zone));
			qr_huge_note_step(8, 100000);
		}
		cr_assert(qr_huge_wanted(zone));
		for (unsigned i = 0; i < pause; i++)
			qr_huge_note_step(7, 1);
	}
	qr_huge_note_step(9, 390000);
	cr_assert(qr_huge_wanted(zone));
	qr_huge_note_step(9, 410000);
	for (unsigned i = 0; i < 16; i++)
		qr_huge_note_step(8, 100000);
	cr_assert(qr_huge_wanted(zone));
}

Test(huge, a_heap_that_stays_becomes_huge_where_it_is_full, .fini = remove_tree)
{
	struct qr_zone *zone = init(QR_HUGE_AUTO, "always [madvise] never");
	size_t runs = 0, blocks;

	qr_huge_dear = 0;
	grow_to(zone, SMALL);
	/* runs, of which nobody knows whether they are touched */
	for (; runs < 8 * BLOCK; runs += BLOCK / 2)
		cr_assert(qr_run_alloc(0, BLOCK / 2, 0, NULL));
	qr_nodes_trim(0);
	blocks = (zone->frontier - zone->start) / BLOCK;
	for (int tick = 0; tick < 4; tick++)
		qr_zone_age(zone);
	cr_assert_gt(zone->nr_huge, blocks - 8 - 4);
	cr_assert_leq(zone->nr_huge, blocks - 8);
	cr_assert_leq(qr_huge_nr_borders(), 4u);
	cr_assert_eq(advised(zone, "hg"), zone->nr_huge * HUGE);
	check_zones();
}

/* A huge pageblock, not the first. */
static size_t some_huge(const struct qr_zone *zone)
{
	for (size_t at = zone->start;; at += BLOCK) {
		if (qr_span_pageblock(zone->span, at)->huge &&
		    qr_span_pageblock(zone->span, at + BLOCK)->huge)
			return at + BLOCK;
	}
}

static void free_frame(struct qr_zone *zone, size_t frame)
{
	qr_block_free(qr_zone_page(zone, frame), 0, 0);
}

Test(huge, one_that_is_given_back_in_part_leaves, .fini = remove_tree)
{
	struct qr_zone *zone = init(QR_HUGE_AUTO, "always [madvise] never");
	size_t n, huge;

	grow_to(zone, 2 * SMALL);
	qr_nodes_trim(0);
	huge = some_huge(zone);
	n = zone->nr_huge;
	free_frame(zone, huge + 7);
	qr_nodes_trim(0);
	cr_assert_eq(zone->nr_huge, n - 1);
	cr_assert_eq(qr_huge_nr_borders(), 4u);
	cr_assert_eq(advised(zone, "hg"), zone->nr_huge * HUGE);
	check_zones();
	/* so it stays when it is used again */
	grow_to(zone, 2 * SMALL);
	cr_assert_not(qr_span_pageblock(zone->span, huge)->huge);
}

Test(huge, one_that_is_given_back_as_a_whole_leaves, .fini = remove_tree)
{
	struct qr_zone *zone = init(QR_HUGE_AUTO, "always [madvise] never");
	size_t huge, n;

	grow_to(zone, 2 * SMALL);
	qr_nodes_trim(0);
	huge = some_huge(zone);
	n = zone->nr_huge;
	for (size_t i = 0; i < BLOCK; i++)
		free_frame(zone, huge + i);
	qr_nodes_trim(0);
	cr_assert_eq(zone->nr_huge, n - 1);
	cr_assert_eq(advised(zone, "hg"), zone->nr_huge * HUGE);
	check_zones();
}

Test(huge, all_leave_when_mappings_are_spent, .fini = remove_tree)
{
	struct qr_zone *zone = init(QR_HUGE_AUTO, "always [madvise] never");
	size_t huge, n = 0;

	grow_to(zone, 2 * SMALL);
	qr_nodes_trim(0);
	cr_assert_gt(zone->nr_huge, 30u);
	/* three quarters of it are spent when there are 12 borders */
	qr_vma_set_limit(16);
	for (huge = some_huge(zone); zone->nr_huge; huge += 2 * BLOCK) {
		free_frame(zone, huge);
		qr_nodes_trim(0);
		cr_assert_lt(++n, 10u);
		check_zones();
	}
	cr_assert_eq(qr_huge_nr_borders(), 0u);
	cr_assert_eq(advised(zone, "nh"), zone_size(zone));
	/* what is next to each other costs none */
	grow_to(zone, 2 * SMALL + 16 * BLOCK);
	cr_assert_gt(zone->nr_huge, 0u);
	cr_assert_eq(qr_huge_nr_borders(), 2u);
	qr_vma_set_limit(0);
	check_zones();
}
