/*
 * What the kernel says of our pages, and whose they are.
 */
#include "arena.h"

#include "arena/census.h"
#include "sys/map.h"

#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

static struct qr_pagemap pagemap;

static void open_or_skip(void)
{
	if (qr_pagemap_open(&pagemap))
		cr_skip("no /proc/self/pagemap here");
}

static char *fresh(size_t nr_pages)
{
	char *addr = qr_map_map(nr_pages * qr_page_size(), qr_page_size());

	cr_assert(addr);
	/* or all of it would be resident at the first touch */
	madvise(addr, nr_pages * qr_page_size(), MADV_NOHUGEPAGE);
	return addr;
}

Test(pagemap, tells_pages_with_memory_from_others)
{
	size_t page = qr_page_size();
	char *addr = fresh(6);
	uint8_t is[6];
	volatile char sink;

	open_or_skip();
	addr[0] = 1;
	addr[2 * page] = 1;
	addr[3 * page] = 1;
	sink = addr[4 * page]; /* the page of zeros */
	(void)sink;
	qr_map_purge(addr + 3 * page, page);
	errno = EDOM;
	qr_pagemap_read(&pagemap, (uintptr_t)addr, 6, is);
	cr_assert_eq(errno, EDOM);
	cr_assert_eq(is[0], (uint8_t)QR_PAGE_RESIDENT);
	cr_assert_eq(is[1], (uint8_t)QR_PAGE_ABSENT);
	cr_assert_eq(is[2], (uint8_t)QR_PAGE_RESIDENT);
	cr_assert_eq(is[3], (uint8_t)QR_PAGE_ABSENT);
	cr_assert_eq(is[4], (uint8_t)QR_PAGE_SHARED);
	cr_assert_eq(is[5], (uint8_t)QR_PAGE_ABSENT);
	qr_pagemap_close(&pagemap);
}

Test(pagemap, pages_of_a_child_are_shared_until_written_to)
{
	size_t page = qr_page_size();
	char *addr = fresh(2);
	int status;
	pid_t pid;

	open_or_skip();
	qr_pagemap_close(&pagemap);
	addr[0] = addr[page] = 1;
	pid = fork();
	if (!pid) {
		uint8_t is[2];

		addr[0] = 2;
		if (qr_pagemap_open(&pagemap))
			_exit(1);
		qr_pagemap_read(&pagemap, (uintptr_t)addr, 2, is);
		_exit(is[0] == QR_PAGE_RESIDENT && is[1] == QR_PAGE_SHARED ? 0
									   : 2);
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert_eq(status, 0);
}

Test(pagemap, reads_more_than_one_batch)
{
	enum { N = 1000 };
	size_t page = qr_page_size();
	char *addr = fresh(N);
	static uint8_t is[N];

	open_or_skip();
	for (size_t i = 0; i < N; i += 3)
		addr[i * page] = 1;
	qr_pagemap_read(&pagemap, (uintptr_t)addr, N, is);
	for (size_t i = 0; i < N; i++)
		cr_assert_eq(is[i] == QR_PAGE_RESIDENT, i % 3 == 0, "page %zu",
			     i);
	qr_pagemap_close(&pagemap);
}

static struct qr_census kinds[QR_NR_CENSUS_KINDS];

static void take_census(struct qr_zone *zone)
{
	memset(kinds, 0, sizeof(kinds));
	open_or_skip();
	qr_census_zone(zone, &pagemap, kinds);
	qr_pagemap_close(&pagemap);
}

static size_t total(enum qr_census_kind kind)
{
	size_t sum = 0;

	for (int p = 0; p < QR_NR_PRESENCES; p++)
		sum += kinds[kind].bytes[p];
	return sum;
}

Test(census, counts_every_frame_once_by_what_it_is_for)
{
	struct qr_zone *zone = arena_init(64 * MIB);
	struct qr_page *runs[3], *block;

	for (size_t i = 0; i < 3; i++) {
		runs[i] = qr_run_alloc(0, 300, 0, NULL);
		cr_assert(runs[i]);
		memset(run_bytes(runs[i]), 1, 300 * QR_FRAME_SIZE);
	}
	block = qr_block_alloc(0, 0, 2);
	cr_assert(block);
	memset(run_bytes(block), 1, 4 * QR_FRAME_SIZE);
	qr_run_free(runs[1]);
	take_census(zone);
	cr_assert_eq(total(QR_CENSUS_RUN), 600u * QR_FRAME_SIZE);
	cr_assert_eq(kinds[QR_CENSUS_RUN].bytes[QR_PAGE_RESIDENT],
		     600u * QR_FRAME_SIZE);
	/* the block is no slab yet */
	cr_assert_eq(total(QR_CENSUS_RUN) + total(QR_CENSUS_PCP),
		     frames_in_use() * QR_FRAME_SIZE);
	cr_assert_eq(kinds[QR_CENSUS_FREE].bytes[QR_PAGE_RESIDENT],
		     zone->nr_dirty * QR_FRAME_SIZE);
	cr_assert_eq(total(QR_CENSUS_FREE) + total(QR_CENSUS_RUN) +
			     total(QR_CENSUS_PCP),
		     (zone->committed - zone->start) * QR_FRAME_SIZE);
	cr_assert_eq(total(QR_CENSUS_SLAB), 0u);
}

Test(census, purged_frames_have_no_memory)
{
	struct qr_zone *zone = arena_init(64 * MIB);
	struct qr_page *run = qr_run_alloc(0, 1000, 0, NULL);
	struct qr_page *stays = qr_run_alloc(0, 100, 0, NULL);

	cr_assert(run && stays);
	memset(run_bytes(run), 1, 1000 * QR_FRAME_SIZE);
	qr_run_free(run);
	take_census(zone);
	cr_assert_eq(kinds[QR_CENSUS_FREE].bytes[QR_PAGE_RESIDENT],
		     1000u * QR_FRAME_SIZE);
	qr_zone_purge(zone, 0);
	take_census(zone);
	cr_assert_eq(kinds[QR_CENSUS_FREE].bytes[QR_PAGE_RESIDENT], 0u);
	/* nobody touched this one */
	cr_assert_eq(kinds[QR_CENSUS_RUN].bytes[QR_PAGE_ABSENT],
		     100u * QR_FRAME_SIZE);
}

Test(census, ranges_and_descriptors_are_whole_pages)
{
	struct qr_zone *zone = arena_init(64 * MIB);
	size_t page = qr_page_size(), sum = 0;
	struct qr_census range = {{0}};
	char *addr = fresh(700);

	cr_assert(qr_run_alloc(0, 1, 0, NULL));
	open_or_skip();
	for (size_t i = 0; i < 700; i += 7)
		addr[i * page] = 1;
	qr_census_range(addr + 1, 700 * page - 2, &pagemap, &range);
	cr_assert_eq(range.bytes[QR_PAGE_RESIDENT], 100 * page);
	cr_assert_eq(range.bytes[QR_PAGE_ABSENT], 600 * page);
	range = (struct qr_census){{0}};
	qr_census_descriptors(zone, &pagemap, &range);
	for (int p = 0; p < QR_NR_PRESENCES; p++)
		sum += range.bytes[p];
	cr_assert_geq(sum,
		      (zone->described - zone->start) * sizeof(struct qr_page));
	cr_assert_geq(range.bytes[QR_PAGE_RESIDENT], 2 * page);
	cr_assert_leq(range.bytes[QR_PAGE_RESIDENT], 8 * page);
	qr_pagemap_close(&pagemap);
}
