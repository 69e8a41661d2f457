/*
 * What a container leaves us, as told by a tree of our own.
 */
#include "core/container.h"

#include "arena/budget.h"
#include "base/bits.h"
#include "core/news.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MIB ((size_t)1 << 20)

static char root[] = "/tmp/quarry-container-XXXXXX";

static void put(const char *name, const char *text)
{
	char path[256];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", root, name);
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

/* MiB; 0: none. */
static void put_number(const char *name, size_t mib)
{
	char text[32];

	snprintf(text, sizeof(text), "%zu\n", mib * MIB);
	put(name, mib ? text : "max\n");
}

static void put_group(size_t max, size_t high, size_t current)
{
	put_number("cg/memory.max", max);
	put_number("cg/memory.high", high);
	put_number("cg/memory.current", current);
}

static int remove_one(const char *path, const struct stat *stat, int type,
		      struct FTW *ftw)
{
	(void)stat, (void)type, (void)ftw;
	return remove(path);
}

static void remove_group(void)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/cg", root);
	nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void setup(void)
{
	cr_assert(mkdtemp(root));
	put("proc/self/cgroup", "0::/\n");
	put("proc/self/mountinfo", "29 25 0:26 / /cg rw - cgroup2 c rw\n");
	put("cg/cgroup.procs", "");
	put("cg/memory.events", "high 0\n");
	put("cg/memory.stat", "active_file 0\n");
	qr_container_root = root;
}

static void teardown(void)
{
	nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

TestSuite(container, .init = setup, .fini = teardown);

Test(container, without_a_limit_there_is_no_mark)
{
	put_group(0, 0, 100);
	cr_assert_not(qr_container_look());
	cr_assert_eq(qr_container_limit(), SIZE_MAX);
	cr_assert_eq(qr_budget_mark(), SIZE_MAX);
	cr_assert_not(qr_container_relieve(SIZE_MAX / 2));
}

Test(container, limits_are_read_anew_by_every_look)
{
	size_t used = qr_budget_used();

	put_group(256, 0, 100);
	cr_assert_not(qr_container_look());
	cr_assert_eq(qr_container_limit(), 256 * MIB);
	cr_assert_eq(qr_container_want(), 0u);
	cr_assert_eq(qr_budget_mark(), used + 78 * MIB);
	/* slowed from there on */
	put_group(256, 160, 100);
	cr_assert_not(qr_container_look());
	cr_assert_eq(qr_container_limit(), 160 * MIB);
	cr_assert_eq(qr_budget_mark(), used + 30 * MIB);
	/* an eighth of 112 is 14 */
	put_group(112, 160, 100);
	cr_assert(qr_container_look());
	cr_assert_eq(qr_container_limit(), 112 * MIB);
	cr_assert_eq(qr_container_want(), 2 * MIB);
	cr_assert_eq(qr_budget_mark(), used + 6 * MIB);
	/* which the kernel could have back itself */
	put("cg/memory.stat", "inactive_file 4194304\n");
	cr_assert_not(qr_container_look());
	cr_assert_eq(qr_container_want(), 0u);
	put_group(0, 0, 100);
	cr_assert_not(qr_container_look());
	cr_assert_eq(qr_budget_mark(), SIZE_MAX);
}

/* Room for 156 MiB, which one thread takes between two looks. */
Test(container, who_comes_to_the_mark_looks_and_goes_on)
{
	size_t bytes = MIB, taken = 0, looks = 0;

	put_group(256, 0, 100);
	cr_assert_not(qr_container_look());
	while (taken < 200 * MIB) {
		if (qr_budget_take(bytes)) {
			taken += bytes;
			continue;
		}
		/* who else used some is seen by the look */
		put_group(256, 0, qr_min(256, 100 + taken / MIB));
		cr_assert(qr_container_relieve(bytes), "%zu", taken / MIB);
		cr_assert_not(qr_container_relieve(bytes));
		looks++;
	}
	/* 78, 39, .. and then steps of a sixty-fourth of the limit */
	cr_assert_geq(looks, 10u);
	cr_assert_leq(looks, 40u);
	cr_assert_eq(qr_container_want(), 32 * MIB);
	cr_assert_geq(qr_budget_mark(), qr_budget_used());
}

/* A group that is gone is looked for again. */
Test(container, a_process_may_be_moved)
{
	put_group(256, 0, 100);
	qr_container_look_and_listen();
	cr_assert(qr_news_expected());
	cr_assert_eq(qr_container_limit(), 256 * MIB);
	put("proc/self/mountinfo", "29 25 0:26 / /other rw - cgroup2 c rw\n");
	put("other/cgroup.procs", "");
	put_number("other/memory.max", 512);
	put_number("other/memory.current", 1);
	remove_group();
	qr_container_look_and_listen();
	qr_container_look_and_listen();
	cr_assert_eq(qr_container_limit(), 512 * MIB);
}
