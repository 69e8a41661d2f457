#include "sys/cgroup.h"

#include "base/bits.h"
#include "base/compiler.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MIB (UINT64_C(1) << 20)
#define NONE UINT64_MAX

/*
 * A fake tree
 */

static char root[] = "/tmp/quarry-cgroup-XXXXXX";

static void put_bytes(const char *name, const char *bytes, size_t n)
{
	char path[8192];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", root, name);
	for (char *slash = path + 1; (slash = strchr(slash, '/')); slash++) {
		*slash = '\0';
		mkdir(path, 0755);
		*slash = '/';
	}
	file = fopen(path, "w");
	cr_assert(file, "%s", path);
	fwrite(bytes, n, 1, file);
	fclose(file);
}

static void put_file(const char *name, const char *text)
{
	put_bytes(name, text, strlen(text));
}

/* File @name of the group in directory @dir. */
static void put(const char *dir, const char *name, const char *text)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	put_file(path, text);
}

static void put_limits(const char *dir, const char *max, const char *high,
		       const char *current)
{
	put(dir, "cgroup.procs", "");
	put(dir, "memory.max", max);
	put(dir, "memory.high", high);
	put(dir, "memory.current", current);
}

static void put_v1(const char *dir, const char *limit, const char *usage)
{
	put(dir, "cgroup.procs", "");
	put(dir, "memory.limit_in_bytes", limit);
	put(dir, "memory.usage_in_bytes", usage);
}

static void put_self(const char *cgroup, const char *mountinfo)
{
	put_file("proc/self/cgroup", cgroup);
	put_file("proc/self/mountinfo", mountinfo);
}

static int remove_one(const char *path, const struct stat *stat, int type,
		      struct FTW *ftw)
{
	(void)stat, (void)type, (void)ftw;
	return remove(path);
}

static void setup(void)
{
	cr_assert(mkdtemp(root));
}

static void teardown(void)
{
	nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

TestSuite(cgroup, .init = setup, .fini = teardown);

#define V2_MOUNT                                                          \
	"22 1 259:1 / / rw,relatime - ext4 /dev/root rw,discard\n"        \
	"25 22 0:22 / /sys rw,nosuid shared:7 - sysfs sysfs rw\n"         \
	"29 25 0:26 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime "    \
	"shared:9 - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot\n" \
	"31 25 0:28 / /sys/fs/bpf rw shared:11 - bpf bpf rw,mode=700\n"

static struct qr_cgroup cg;
static struct qr_cgroup_memory mem;

/* What is found is in @dir of the tree and has so many levels. */
static void assert_found(const char *controller, const char *dir,
			 unsigned levels)
{
	char path[4096];
	int rc;

	memset(&cg, 0x5a, sizeof(cg));
	errno = 4711;
	rc = qr_cgroup_find(root, controller, &cg);
	cr_assert_eq(errno, 4711);
	cr_assert_eq(rc, 0, "%d instead of %s", rc, dir);
	snprintf(path, sizeof(path), "%s%s", root, dir);
	cr_assert_str_eq(cg.path, path, "%s instead of %s", cg.path, path);
	cr_assert_eq(cg.levels, levels, "%u levels", cg.levels);
}

static void assert_not_found(int error)
{
	struct qr_cgroup before;
	int rc;

	memset(&cg, 0x5a, sizeof(cg));
	before = cg;
	errno = 4711;
	rc = qr_cgroup_find(root, "memory", &cg);
	cr_assert_eq(errno, 4711);
	cr_assert_eq(rc, error, "%d instead of %d", rc, error);
	cr_assert_arr_eq(&cg, &before, sizeof(cg));
}

static void read_memory(void)
{
	int rc;

	memset(&mem, 0x5a, sizeof(mem));
	errno = 4711;
	rc = qr_cgroup_memory_read(&cg, &mem);
	cr_assert_eq(errno, 4711);
	cr_assert_eq(rc, 0, "%d", rc);
}

static void assert_memory(uint64_t max, uint64_t high)
{
	read_memory();
	cr_assert_eq(mem.max, max, "max %#lx", (long)mem.max);
	cr_assert_eq(mem.high, high, "high %#lx", (long)mem.high);
}

static void assert_nearest(unsigned level, uint64_t limit, uint64_t current,
			   uint64_t room)
{
	cr_assert_eq(mem.level, level, "level %u", mem.level);
	cr_assert_eq(mem.limit, limit, "limit %lu", (long)mem.limit);
	cr_assert_eq(mem.current, current, "current %lu", (long)mem.current);
	cr_assert_eq(mem.room, room, "room %lu", (long)mem.room);
}

static void assert_memory_fails(int error)
{
	static const struct qr_cgroup_memory before = {.max = 1, .level = 2};
	int rc;

	mem = before;
	errno = 4711;
	rc = qr_cgroup_memory_read(&cg, &mem);
	cr_assert_eq(errno, 4711);
	cr_assert_eq(rc, error, "%d instead of %d", rc, error);
	cr_assert_arr_eq(&mem, &before, sizeof(mem));
}

/*
 * Finding
 */

Test(cgroup, v2_is_found_with_all_its_levels)
{
	put_self("0::/user.slice/app.service\n", V2_MOUNT);
	put("sys/fs/cgroup", "cgroup.procs", "");
	put_limits("sys/fs/cgroup/user.slice", "max\n", "max\n", "5000\n");
	put_limits("sys/fs/cgroup/user.slice/app.service", "8192\n", "max\n",
		   "4096\n");
	assert_found("memory", "/sys/fs/cgroup/user.slice/app.service", 3);
	cr_assert(cg.v2);
	assert_memory(8192, NONE);
	assert_nearest(0, 8192, 4096, 4096);
	assert_found("cpu", "/sys/fs/cgroup/user.slice/app.service", 3);
}

/* A cgroup namespace: its root is all that one sees. */
Test(cgroup, in_a_container_the_root_of_the_mount_is_our_group)
{
	put_self("0::/\n", V2_MOUNT);
	put_limits("sys/fs/cgroup", "268435456\n", "max\n", "1048576\n");
	assert_found("memory", "/sys/fs/cgroup", 1);
	assert_memory(256 * MIB, NONE);
	assert_nearest(0, 256 * MIB, MIB, 255 * MIB);
}

Test(cgroup, the_process_may_lie_below_the_root_of_the_container)
{
	put_self("0::/init/worker\n", V2_MOUNT);
	put_limits("sys/fs/cgroup", "1000\n", "max\n", "10\n");
	put_limits("sys/fs/cgroup/init", "max\n", "max\n", "9\n");
	put("sys/fs/cgroup/init/worker", "cgroup.procs", "");
	assert_found("memory", "/sys/fs/cgroup/init/worker", 3);
	assert_memory(1000, NONE);
	assert_nearest(2, 1000, 10, 990);
}

#define V1_MOUNTS                                                        \
	"24 22 0:22 / /sys/fs/cgroup ro - tmpfs tmpfs ro,mode=755\n"     \
	"27 24 0:24 / /sys/fs/cgroup/cpu,cpuacct rw shared:10 - cgroup " \
	"cgroup rw,cpu,cpuacct\n"                                        \
	"28 24 0:25 / /sys/fs/cgroup/memory rw,nosuid shared:11 - "      \
	"cgroup cgroup rw,memory\n"                                      \
	"29 24 0:26 / /sys/fs/cgroup/systemd rw - cgroup cgroup "        \
	"rw,xattr,name=systemd\n"

Test(cgroup, v1_has_a_hierarchy_per_controller)
{
	put_self("11:cpuset:/\n"
		 "7:cpu,cpuacct:/quota\n"
		 "4:memory:/docker/abc\n"
		 "1:name=systemd:/other\n",
		 V1_MOUNTS);
	put("sys/fs/cgroup/cpu,cpuacct", "cgroup.procs", "");
	put("sys/fs/cgroup/cpu,cpuacct/quota", "cgroup.procs", "");
	put_v1("sys/fs/cgroup/memory", "9223372036854771712\n", "77777\n");
	put_v1("sys/fs/cgroup/memory/docker", "9223372036854771712\n", "777\n");
	put_v1("sys/fs/cgroup/memory/docker/abc", "104857600\n", "1048576\n");
	assert_found("memory", "/sys/fs/cgroup/memory/docker/abc", 3);
	cr_assert_not(cg.v2);
	assert_memory(100 * MIB, NONE);
	assert_nearest(0, 100 * MIB, MIB, 99 * MIB);
	assert_found("cpu", "/sys/fs/cgroup/cpu,cpuacct/quota", 2);
	cr_assert_eq(qr_cgroup_find(root, "cpuset", &cg), -ENOENT,
		     "not mounted");
	cr_assert_eq(qr_cgroup_find(root, "mem", &cg), -ENOENT);
}

Test(cgroup, v1_in_a_container_shows_a_part_of_the_hierarchy)
{
	put_self("4:memory:/docker/abc/worker\n",
		 "28 24 0:25 /docker/abc /sys/fs/cgroup/memory ro master:11 - "
		 "cgroup cgroup rw,memory\n");
	put_v1("sys/fs/cgroup/memory", "1000\n", "400\n");
	put_v1("sys/fs/cgroup/memory/worker", "9223372036854771712\n", "3\n");
	assert_found("memory", "/sys/fs/cgroup/memory/worker", 2);
	assert_memory(1000, NONE);
	assert_nearest(1, 1000, 400, 600);
}

Test(cgroup, before_5_11_ancestors_in_v1_count_only_if_they_are_charged)
{
	put_self("4:memory:/a/b\n", V1_MOUNTS);
	put_v1("sys/fs/cgroup/memory", "9223372036854771712\n", "9\n");
	put_v1("sys/fs/cgroup/memory/a", "1000\n", "1\n");
	put_v1("sys/fs/cgroup/memory/a/b", "2000\n", "2\n");
	put("sys/fs/cgroup/memory/a", "memory.use_hierarchy", "0\n");
	assert_found("memory", "/sys/fs/cgroup/memory/a/b", 1);
	assert_memory(2000, NONE);
	put("sys/fs/cgroup/memory/a", "memory.use_hierarchy", "1\n");
	assert_found("memory", "/sys/fs/cgroup/memory/a/b", 3);
	assert_memory(1000, NONE);
}

static const char hybrid[] = "28 24 0:25 / /sys/fs/cgroup/unified rw - cgroup2 "
			     "cgroup2 rw\n" V1_MOUNTS;

Test(cgroup, hybrid_has_memory_where_v1_has_it)
{
	put_self("4:memory:/one\n0::/two\n", hybrid);
	put_limits("sys/fs/cgroup/unified", "max\n", "max\n", "3\n");
	put_limits("sys/fs/cgroup/unified/two", "5\n", "5\n", "3\n");
	put_v1("sys/fs/cgroup/memory", "9223372036854771712\n", "3\n");
	put_v1("sys/fs/cgroup/memory/one", "1000\n", "3\n");
	assert_found("memory", "/sys/fs/cgroup/memory/one", 2);
	assert_memory(1000, NONE);
	/* in whatever order they come */
	put_self("0::/two\n4:memory:/one\n", hybrid);
	assert_found("memory", "/sys/fs/cgroup/memory/one", 2);
	cr_assert_not(cg.v2);
}

Test(cgroup, hybrid_has_memory_in_v2_where_v1_does_not)
{
	put_self("4:freezer:/one\n1:name=memory:/named\n0::/two\n", hybrid);
	put_limits("sys/fs/cgroup/unified", "max\n", "max\n", "3\n");
	put_limits("sys/fs/cgroup/unified/two", "50\n", "max\n", "3\n");
	assert_found("memory", "/sys/fs/cgroup/unified/two", 2);
	cr_assert(cg.v2);
	assert_memory(50, NONE);
}

Test(cgroup, without_files_there_is_no_group)
{
	assert_not_found(-ENOENT);
	put_file("proc/self/cgroup", "0::/\n");
	assert_not_found(-ENOENT);
	put_file("proc/self/mountinfo", "");
	assert_not_found(-ENOENT);
	put_self("", V2_MOUNT);
	assert_not_found(-ENOENT);
	/* mounts without directories, directories that are no groups */
	put_self("0::/a\n", V2_MOUNT);
	assert_not_found(-ENOENT);
	put("sys/fs/cgroup/a", "memory.max", "1\n");
	assert_not_found(-ENOENT);
	put("sys/fs/cgroup", "cgroup.procs", "");
	assert_not_found(-ENOENT);
	put("sys/fs/cgroup/a", "cgroup.procs", "");
	assert_found("memory", "/sys/fs/cgroup/a", 2);
	/* v1's controller, v2's mount */
	put_self("4:memory:/a\n", V2_MOUNT);
	assert_not_found(-ENOENT);
}

Test(cgroup, errors_of_reading_are_told)
{
	put("proc/self/cgroup", "file", "");
	assert_not_found(-EISDIR);
	teardown();
	cr_assert_eq(mkdir(root, 0700), 0);
	put_file("proc/self/cgroup", "0::/\n");
	put("proc/self/mountinfo", "file", "");
	assert_not_found(-EISDIR);
}

Test(cgroup, the_files_of_the_thread_come_before_those_of_the_process)
{
	put_self("0::/main\n", V2_MOUNT);
	put("sys/fs/cgroup", "cgroup.procs", "");
	put("sys/fs/cgroup/main", "cgroup.procs", "");
	put("sys/fs/cgroup/thread", "cgroup.procs", "");
	assert_found("memory", "/sys/fs/cgroup/main", 2);
	put_file("proc/thread-self/cgroup", "0::/thread\n");
	assert_found("memory", "/sys/fs/cgroup/thread", 2);
}

/* GROUP of /proc/self/cgroup and ROOT of the mount; where that is. */
Test(cgroup, group_and_root_of_the_mount_say_where_the_directory_is)
{
	static const struct {
		const char *group, *mount_root;
		const char *way; /* NULL: not there */
		unsigned levels;
	} cases[] = {
		{"/", "/", "", 1},
		{"/a", "/", "/a", 2},
		{"/a/b/c", "/", "/a/b/c", 4},
		{"/a/b/c", "/a", "/b/c", 3},
		{"/a/b/c", "/a/b/c", "", 1},
		{"/a/b", "/a/b/c", NULL, 0},
		{"/ab", "/a", NULL, 0},
		{"/a", "/b", NULL, 0},
		{"/", "/b", NULL, 0},
		/* above and beside the root of the namespace */
		{"/..", "/", NULL, 0},
		{"/../..", "/", NULL, 0},
		{"/../a", "/", NULL, 0},
		{"/../a", "/a", NULL, 0},
		{"/..", "/..", "", 1},
		{"/../a", "/..", "/a", 2},
		{"/../a/b", "/../a", "/b", 2},
		{"/../..", "/..", NULL, 0},
		{"/../../a", "/../..", "/a", 2},
		{"/../ab", "/../a", NULL, 0},
		/* mounted outside: we are somewhere below */
		{"/", "/..", "", 1},
		{"/", "/../../..", "", 1},
		{"/a", "/../..", "", 1},
		{"/..", "/../..", "", 1},
		{"/../a", "/../..", "", 1},
		{"/", "/../a", NULL, 0},
		/* names that only look like that */
		{"/...", "/", "/...", 2},
		{"/..a", "/", "/..a", 2},
		{"/a/..b", "/a", "/..b", 2},
		{"/a", "/..a", NULL, 0},
		/* what no kernel writes */
		{"/a/../b", "/", NULL, 0},
		{"/a/..", "/", NULL, 0},
		{"a", "/", NULL, 0},
		{"", "/", NULL, 0},
		{"/a", "a", NULL, 0},
		{"/a", "", NULL, 0},
	};
	static const char *const dirs[] = {"a/b/c", "b/c", ".../x",
					   "..a",   "..b", "ab"};

	for (size_t i = 0; i < QR_ARRAY_SIZE(dirs); i++) {
		char dir[64];

		snprintf(dir, sizeof(dir), "m/%s", dirs[i]);
		for (char *end; (end = strrchr(dir, '/')); *end = '\0')
			put(dir, "cgroup.procs", "");
		put(dir, "cgroup.procs", "");
	}
	put_file("cgroup.procs", "");
	for (size_t i = 0; i < QR_ARRAY_SIZE(cases); i++) {
		char cgroup[64], mountinfo[128], dir[64];

		fprintf(stderr, "%s below %s\n", cases[i].group,
			cases[i].mount_root);
		snprintf(cgroup, sizeof(cgroup), "0::%s\n", cases[i].group);
		snprintf(mountinfo, sizeof(mountinfo),
			 "29 25 0:26 %s /m rw - cgroup2 none rw\n",
			 cases[i].mount_root);
		put_self(cgroup, mountinfo);
		if (!cases[i].way) {
			assert_not_found(-ENOENT);
			continue;
		}
		snprintf(dir, sizeof(dir), "/m%s", cases[i].way);
		assert_found("memory", dir, cases[i].levels);
	}
}

/* Whichever comes first. */
Test(cgroup, the_mount_that_shows_most_ancestors_is_taken)
{
	static const char part[] = "29 25 0:26 /a/b /part rw - cgroup2 c rw\n";
	static const char more[] = "30 25 0:26 /a /more rw - cgroup2 c rw\n";
	static const char all[] = "31 25 0:26 / /all rw - cgroup2 c rw\n";
	static const char bad[] = "32 25 0:26 / /bad rw - cgroup2 c rw\n";
	static const char out[] = "33 25 0:26 /.. /out rw - cgroup2 c rw\n";
	const char *const orders[][5] = {{part, more, all, bad, out},
					 {out, bad, all, more, part},
					 {all, out, part, bad, more}};
	char mountinfo[512];

	put("part", "cgroup.procs", "");
	put("more", "cgroup.procs", "");
	put("more/b", "cgroup.procs", "");
	put("all", "cgroup.procs", "");
	put("all/a", "cgroup.procs", "");
	put("all/a/b", "cgroup.procs", "");
	put("out", "cgroup.procs", "");
	for (size_t i = 0; i < QR_ARRAY_SIZE(orders); i++) {
		mountinfo[0] = '\0';
		for (size_t k = 0; k < 5; k++)
			strcat(mountinfo, orders[i][k]);
		put_self("0::/a/b\n", mountinfo);
		assert_found("memory", "/all/a/b", 3);
	}
	strcpy(mountinfo, out);
	strcat(mountinfo, part);
	put_self("0::/a/b\n", mountinfo);
	assert_found("memory", "/part", 1);
	put_self("0::/a/b\n", out);
	assert_found("memory", "/out", 1);
}

Test(cgroup, mount_points_are_escaped_and_groups_are_not)
{
	put_self("0::/a b\\040:c\n",
		 "29 25 0:26 /a\\040b\\134040:c "
		 "/t\\011\\134\\012n\\040s\\043 rw - cgroup2 a\\040b rw\n");
	put("t\t\\\nn s#", "cgroup.procs", "");
	assert_found("memory", "/t\t\\\nn s#", 1);
	/* what is no escape stays */
	put_self("0::/\n", "29 25 0:26 / /q\\08\\x\\1 rw - cgroup2 c rw\n");
	put("q\\08\\x\\1", "cgroup.procs", "");
	assert_found("memory", "/q\\08\\x\\1", 1);
}

Test(cgroup, a_mount_has_any_number_of_optional_fields)
{
	put("m", "cgroup.procs", "");
	put_self("0::/\n", "29 25 0:26 / /m rw - cgroup2 none rw\n");
	assert_found("memory", "/m", 1);
	put_self("0::/\n",
		 "29 25 0:26 / /m rw shared:1 master:2 propagate_from:1234567 "
		 "unbindable a-field-of-the-future:-:- - cgroup2 none rw\n");
	assert_found("memory", "/m", 1);
	/* no newline at the end, an empty source, no options */
	put_self("0::/", "29 25 0:26 / /m rw - cgroup2  rw");
	assert_found("memory", "/m", 1);
	put_self("0::/", "29 25 0:26 / /m rw - cgroup2");
	assert_found("memory", "/m", 1);
	put_self("3:memory:/", "29 25 0:26 / /m rw - cgroup c rw,cpu,memory");
	assert_found("memory", "/m", 1);
}

/* An overlay's options may be pages long. */
Test(cgroup, lines_may_be_longer_than_any_buffer)
{
	size_t n = 100000;
	char *mountinfo = malloc(2 * n);

	strcpy(mountinfo, "28 25 0:26 / / rw - overlay overlay rw,lowerdir=");
	memset(mountinfo + strlen(mountinfo), 'x', n);
	strcpy(mountinfo + n, ",- cgroup2\n29 25 0:26 / /m rw - cgroup2 c ");
	put_self("0::/\n", mountinfo);
	put("m", "cgroup.procs", "");
	assert_found("memory", "/m", 1);
	free(mountinfo);
}

static void put_long_self(size_t group, size_t mount_root, size_t mount_point)
{
	static char name[1 << 14], cgroup[1 << 15], mountinfo[1 << 16];

	memset(name, 'x', sizeof(name) - 1);
	snprintf(cgroup, sizeof(cgroup), "0::/%.*s\n", (int)group, name);
	snprintf(mountinfo, sizeof(mountinfo),
		 "29 25 0:26 /%.*s /%.*s rw - cgroup2 c rw\n", (int)mount_root,
		 name, (int)mount_point, name);
	put_self(cgroup, mountinfo);
}

Test(cgroup, paths_that_are_too_long_are_not_found)
{
	static char far[8192];

	put_long_self(QR_CGROUP_PATH, 0, 1);
	assert_not_found(-ENAMETOOLONG);
	put_long_self(16000, 0, 1);
	assert_not_found(-ENAMETOOLONG);
	put_long_self(QR_CGROUP_PATH - 3, 0, 1);
	assert_not_found(-ENAMETOOLONG);
	put_long_self(600, 0, 600);
	assert_not_found(-ENAMETOOLONG);
	put_long_self(1, 0, 16000);
	assert_not_found(-ENOENT);
	put_long_self(1, 16000, 1);
	assert_not_found(-ENOENT);
	/* another line may still be the right one */
	put_file("proc/self/mountinfo", "29 25 0:26 / /m rw - cgroup2 c rw\n");
	put("m/x", "cgroup.procs", "");
	put("m", "cgroup.procs", "");
	assert_found("memory", "/m/x", 2);
	memset(far, 'x', sizeof(far) - 1);
	cr_assert_eq(qr_cgroup_find(far, "memory", &cg), -ENAMETOOLONG);
}

/* As long as it may be, and not one more. */
Test(cgroup, the_longest_path_is_found)
{
	size_t room = QR_CGROUP_PATH - 1 - strlen(root) - strlen("/m");
	char group[QR_CGROUP_PATH] = "", dir[QR_CGROUP_PATH + 8], line[2048];
	unsigned levels = 1;

	put("m", "cgroup.procs", "");
	while (strlen(group) + 200 < room) {
		strcat(group, "/");
		memset(group + strlen(group), 'y', 99);
		snprintf(dir, sizeof(dir), "/m%s", group);
		put(dir, "cgroup.procs", "");
		levels++;
	}
	for (size_t left = room - strlen(group), more = 0; more < 2; more++) {
		size_t end = strlen(group);

		group[end] = '/';
		memset(group + end + 1, 'z', left - 1 + more);
		group[end + left + more] = '\0';
		snprintf(dir, sizeof(dir), "/m%s", group);
		put(dir, "cgroup.procs", "");
		snprintf(line, sizeof(line), "0::%s\n", group);
		put_self(line, "29 25 0:26 / /m rw - cgroup2 c rw\n");
		group[end] = '\0';
		if (more)
			assert_not_found(-ENAMETOOLONG);
		else
			assert_found("memory", dir, levels + 1);
	}
}

/*
 * Limits
 */

Test(cgroup, the_strictest_ancestor_counts)
{
	put_self("0::/pod/box\n", V2_MOUNT);
	put("sys/fs/cgroup", "cgroup.procs", "");
	put_limits("sys/fs/cgroup/pod", "1000\n", "max\n", "300\n");
	put_limits("sys/fs/cgroup/pod/box", "5000\n", "4000\n", "100\n");
	assert_found("memory", "/sys/fs/cgroup/pod/box", 3);
	assert_memory(1000, 4000);
	assert_nearest(1, 1000, 300, 700);
	put("sys/fs/cgroup/pod", "memory.high", "900\n");
	assert_memory(1000, 900);
	assert_nearest(1, 900, 300, 600);
}

/* Which limit is least and which is nearest are two questions. */
Test(cgroup, room_is_that_of_the_level_next_to_come_to_its_limit)
{
	put_self("0::/pod/box\n", V2_MOUNT);
	put("sys/fs/cgroup", "cgroup.procs", "");
	put_limits("sys/fs/cgroup/pod", "2000\n", "max\n", "1990\n");
	put_limits("sys/fs/cgroup/pod/box", "1000\n", "max\n", "100\n");
	assert_found("memory", "/sys/fs/cgroup/pod/box", 3);
	assert_memory(1000, NONE);
	assert_nearest(1, 2000, 1990, 10);
	/* a limit that was lowered below what is used */
	put("sys/fs/cgroup/pod", "memory.max", "1500\n");
	assert_memory(1000, NONE);
	assert_nearest(1, 1500, 1990, 0);
	/* level 0 on a tie */
	put("sys/fs/cgroup/pod/box", "memory.max", "0\n");
	assert_memory(0, NONE);
	assert_nearest(0, 0, 100, 0);
}

Test(cgroup, without_a_limit_there_is_room_for_ever)
{
	put_self("0::/a\n", V2_MOUNT);
	put("sys/fs/cgroup", "cgroup.procs", "");
	put_limits("sys/fs/cgroup/a", "max\n", "max\n", "300\n");
	assert_found("memory", "/sys/fs/cgroup/a", 2);
	assert_memory(NONE, NONE);
	assert_nearest(0, NONE, 0, NONE);
	/* the controller is off */
	put_self("0::/b\n", V2_MOUNT);
	put("sys/fs/cgroup/b", "cgroup.procs", "");
	assert_found("memory", "/sys/fs/cgroup/b", 2);
	assert_memory(NONE, NONE);
	assert_nearest(0, NONE, 0, NONE);
}

Test(cgroup, limits_are_numbers_up_to_2_to_the_64)
{
	static const struct {
		const char *text;
		uint64_t value;
	} good[] = {
		{"0\n", 0},
		{"1\n", 1},
		{"00012", 12},
		{"4096", 4096},
		{"9223372036854771712\n", UINT64_C(9223372036854771712)},
		{"18446744073709551614\n", UINT64_MAX - 1},
		{"18446744073709551615\n", NONE},
		{"18446744073709551616\n", NONE},
		{"99999999999999999999999999999999999\n", NONE},
		{"max\n", NONE},
		{"max", NONE},
	};
	static const char *const bad[] = {
		"",    "\n",   " 1\n", "1 \n",	 "1k\n",   "0x10\n", "-2\n",
		"-\n", "ma\n", "m",    "maxi\n", "1\n2\n", "1\n\n",  "1.5\n",
	};

	put_self("0::/\n", V2_MOUNT);
	put_limits("sys/fs/cgroup", "max\n", "max\n", "0\n");
	assert_found("memory", "/sys/fs/cgroup", 1);
	for (size_t i = 0; i < QR_ARRAY_SIZE(good); i++) {
		fprintf(stderr, "%s", good[i].text);
		put("sys/fs/cgroup", "memory.max", good[i].text);
		put("sys/fs/cgroup", "memory.high", "max\n");
		assert_memory(good[i].value, NONE);
		put("sys/fs/cgroup", "memory.high", good[i].text);
		put("sys/fs/cgroup", "memory.max", "max\n");
		assert_memory(NONE, good[i].value);
	}
	for (size_t i = 0; i < QR_ARRAY_SIZE(bad); i++) {
		fprintf(stderr, "\"%s\"\n", bad[i]);
		put_limits("sys/fs/cgroup", bad[i], "7\n", "1\n");
		assert_memory_fails(-EINVAL);
		put_limits("sys/fs/cgroup", "7\n", bad[i], "1\n");
		assert_memory_fails(-EINVAL);
		put_limits("sys/fs/cgroup", "7\n", "7\n", bad[i]);
		assert_memory_fails(-EINVAL);
	}
	put_limits("sys/fs/cgroup", "7\n", "7\n", "max\n");
	assert_memory_fails(-EINVAL);
}

Test(cgroup, v1_has_no_limit_just_below_2_to_the_63)
{
	/* pages of 4, 16, 64 and 256 KiB */
	static const char *const none[] = {
		"9223372036854771712\n", "9223372036854759424\n",
		"9223372036854710272\n", "9223372036854513664\n"};

	put_self("4:memory:/\n", V1_MOUNTS);
	for (size_t i = 0; i < QR_ARRAY_SIZE(none); i++) {
		put_v1("sys/fs/cgroup/memory", none[i], "5\n");
		assert_found("memory", "/sys/fs/cgroup/memory", 1);
		assert_memory(NONE, NONE);
	}
	put_v1("sys/fs/cgroup/memory", "4611686018427387904\n", "5\n");
	assert_memory(UINT64_C(1) << 62, NONE);
	/* soft_limit is no limit */
	put("sys/fs/cgroup/memory", "memory.soft_limit_in_bytes", "5\n");
	assert_memory(UINT64_C(1) << 62, NONE);
}

Test(cgroup, a_group_that_is_gone_is_told)
{
	char path[4096];
	uint64_t bytes = 42;
	unsigned cpus = 42;

	put_self("0::/a\n", V2_MOUNT);
	put("sys/fs/cgroup", "cgroup.procs", "");
	put("sys/fs/cgroup/a", "cgroup.procs", "");
	assert_found("memory", "/sys/fs/cgroup/a", 2);
	snprintf(path, sizeof(path), "%s/cgroup.procs", cg.path);
	cr_assert_eq(unlink(path), 0);
	cr_assert_eq(rmdir(cg.path), 0);
	assert_memory_fails(-ENOENT);
	cr_assert_eq(qr_cgroup_cpus_read(&cg, &cpus), -ENOENT);
	cr_assert_eq(qr_cgroup_file_read(&cg, 1, &bytes), -ENOENT);
	cr_assert_eq(qr_cgroup_events_open(&cg, 0), -ENOENT);
	cr_assert_eq(qr_cgroup_psi_open(&cg, 100000, 1000000), -ENOENT);
	cr_assert_eq(cpus, 42);
	cr_assert_eq(bytes, 42);
}

/* From now on just @n descriptors can be opened. */
static void limit_descriptors(int n)
{
	struct rlimit limit;
	int fds[4], next;

	cr_assert_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = limit.rlim_max;
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	for (int i = 0; i < n; i++)
		fds[i] = dup(STDERR_FILENO);
	next = dup(STDERR_FILENO);
	limit.rlim_cur = (rlim_t)next;
	close(next);
	for (int i = 0; i < n; i++)
		close(fds[i]);
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

/* A program may use up its descriptors: that is not "no limit". */
Test(cgroup, without_descriptors_there_is_an_error_and_none_is_lost)
{
	unsigned cpus = 42;
	struct qr_cgroup found;
	int fd;

	put_self("0::/a\n", V2_MOUNT);
	put_limits("sys/fs/cgroup", "9\n", "max\n", "0\n");
	put_limits("sys/fs/cgroup/a", "7\n", "max\n", "0\n");
	put("sys/fs/cgroup", "cpu.max", "1 1\n");
	put("sys/fs/cgroup", "memory.events", "low 0\n");
	put("sys/fs/cgroup/a", "memory.pressure", "");
	assert_found("memory", "/sys/fs/cgroup/a", 2);
	found = cg;
	for (int n = 0; n < 3; n++) {
		limit_descriptors(n);
		assert_not_found(-EMFILE);
		cg = found;
		if (n == 2)
			break;
		assert_memory_fails(-EMFILE);
		cr_assert_eq(qr_cgroup_cpus_read(&cg, &cpus), -EMFILE);
		cr_assert_eq(qr_cgroup_events_open(&cg, 0), -EMFILE);
		cr_assert_eq(qr_cgroup_psi_open(&cg, 1, 1), -EMFILE);
	}
	cr_assert_eq(cpus, 42);
	for (int i = 0; i < 10; i++) {
		assert_memory(7, NONE);
		cr_assert_eq(qr_cgroup_cpus_read(&cg, &cpus), 0);
		cr_assert_eq(cpus, 1);
		fd = qr_cgroup_events_open(&cg, 0);
		cr_assert_geq(fd, 0);
		close(fd);
		fd = qr_cgroup_psi_open(&cg, 1, 1);
		cr_assert_geq(fd, 0);
		close(fd);
	}
	limit_descriptors(3);
	for (int i = 0; i < 10; i++)
		assert_found("memory", "/sys/fs/cgroup/a", 2);
}

/*
 * Page cache
 */

Test(cgroup, page_cache_is_told_per_level)
{
	uint64_t bytes = 42;

	put_self("0::/a\n", V2_MOUNT);
	put("sys/fs/cgroup", "cgroup.procs", "");
	put("sys/fs/cgroup/a", "cgroup.procs", "");
	put("sys/fs/cgroup/a", "memory.stat",
	    "anon 1\nfile 2\nfile_mapped 4\n"
	    "workingset_refault_of_a_name_that_is_long 8\n"
	    "inactive_file 16\nactive_file 32\ntotal_active_file 64\n");
	put("sys/fs/cgroup", "memory.stat", "active_file 100");
	assert_found("memory", "/sys/fs/cgroup/a", 2);
	cr_assert_eq(qr_cgroup_file_read(&cg, 0, &bytes), 0);
	cr_assert_eq(bytes, 48);
	cr_assert_eq(qr_cgroup_file_read(&cg, 1, &bytes), 0);
	cr_assert_eq(bytes, 100);
	cr_assert_eq(qr_cgroup_file_read(&cg, 2, &bytes), -EINVAL);
	put("sys/fs/cgroup", "memory.stat", "active_file\n");
	cr_assert_eq(qr_cgroup_file_read(&cg, 1, &bytes), -EINVAL);
	put("sys/fs/cgroup", "memory.stat", "active_file 1x\n");
	cr_assert_eq(qr_cgroup_file_read(&cg, 1, &bytes), -EINVAL);
	cr_assert_eq(bytes, 100);
	/* in v1 the group's own figures come first */
	put_self("4:memory:/\n", V1_MOUNTS);
	put("sys/fs/cgroup/memory", "cgroup.procs", "");
	put("sys/fs/cgroup/memory", "memory.stat",
	    "inactive_file 1\nactive_file 2\n"
	    "total_inactive_file 4\ntotal_active_file 8\n");
	assert_found("memory", "/sys/fs/cgroup/memory", 1);
	cr_assert_eq(qr_cgroup_file_read(&cg, 0, &bytes), 0);
	cr_assert_eq(bytes, 12);
}

/*
 * CPU time
 */

static void assert_cpus(unsigned expected)
{
	unsigned cpus = 0;
	int rc;

	errno = 4711;
	rc = qr_cgroup_cpus_read(&cg, &cpus);
	cr_assert_eq(errno, 4711);
	cr_assert_eq(rc, 0, "%d", rc);
	cr_assert_eq(cpus, expected, "%u instead of %u", cpus, expected);
}

Test(cgroup, a_quota_is_rounded_up_to_cpus)
{
	static const struct {
		const char *text;
		unsigned cpus;
	} good[] = {
		{"max 100000\n", UINT_MAX}, {"100000 100000\n", 1},
		{"100001 100000\n", 2},	    {"1000 100000\n", 1},
		{"0 100000\n", 1},	    {"250000 100000\n", 3},
		{"6400000 100000\n", 64},   {"99999999999999 1", UINT_MAX},
		{"50000 5000\n", 10},
	};
	static const char *const bad[] = {"",	    "max",   "1\n",
					  "1 \n",   "1 0\n", "max 0\n",
					  "1  1\n", "x 1\n", "1 max\n"};
	unsigned cpus = 42;

	put_self("0::/\n", V2_MOUNT);
	put("sys/fs/cgroup", "cgroup.procs", "");
	assert_found("cpu", "/sys/fs/cgroup", 1);
	assert_cpus(UINT_MAX);
	for (size_t i = 0; i < QR_ARRAY_SIZE(good); i++) {
		fprintf(stderr, "%s", good[i].text);
		put("sys/fs/cgroup", "cpu.max", good[i].text);
		assert_cpus(good[i].cpus);
	}
	for (size_t i = 0; i < QR_ARRAY_SIZE(bad); i++) {
		fprintf(stderr, "\"%s\"\n", bad[i]);
		put("sys/fs/cgroup", "cpu.max", bad[i]);
		cr_assert_eq(qr_cgroup_cpus_read(&cg, &cpus), -EINVAL);
		cr_assert_eq(cpus, 42);
	}
}

Test(cgroup, the_strictest_quota_counts)
{
	put_self("0::/a/b\n3:cpu:/c\n", V2_MOUNT V1_MOUNTS);
	put("sys/fs/cgroup", "cgroup.procs", "");
	put("sys/fs/cgroup/cpu,cpuacct", "cgroup.procs", "");
	put("sys/fs/cgroup/cpu,cpuacct/c", "cgroup.procs", "");
	put("sys/fs/cgroup/cpu,cpuacct", "cpu.cfs_quota_us", "-1\n");
	put("sys/fs/cgroup/cpu,cpuacct/c", "cpu.cfs_quota_us", "-1\n");
	assert_found("cpu", "/sys/fs/cgroup/cpu,cpuacct/c", 2);
	assert_cpus(UINT_MAX);
	put("sys/fs/cgroup/cpu,cpuacct", "cpu.cfs_quota_us", "30000\n");
	put("sys/fs/cgroup/cpu,cpuacct", "cpu.cfs_period_us", "20000\n");
	assert_cpus(2);
	put("sys/fs/cgroup/cpu,cpuacct/c", "cpu.cfs_quota_us", "90000\n");
	put("sys/fs/cgroup/cpu,cpuacct/c", "cpu.cfs_period_us", "100000\n");
	assert_cpus(1);
	put_self("0::/a/b\n", V2_MOUNT);
	put("sys/fs/cgroup/a", "cgroup.procs", "");
	put("sys/fs/cgroup/a/b", "cgroup.procs", "");
	put("sys/fs/cgroup/a", "cpu.max", "150000 100000\n");
	put("sys/fs/cgroup/a/b", "cpu.max", "max 100000\n");
	assert_found("cpu", "/sys/fs/cgroup/a/b", 3);
	assert_cpus(2);
}

/*
 * Being told
 */

Test(cgroup, events_are_those_of_the_level_or_the_next_one_above)
{
	struct qr_cgroup_events events = {42, 42, 42};
	int fd;

	put_self("0::/a/b\n", V2_MOUNT);
	put("sys/fs/cgroup", "cgroup.procs", "");
	put("sys/fs/cgroup/a", "cgroup.procs", "");
	put("sys/fs/cgroup/a/b", "cgroup.procs", "");
	put("sys/fs/cgroup/a", "memory.events",
	    "low 1\nhigh 2\nmax 3\noom 4\noom_kill 5\noom_group_kill 6\n");
	assert_found("memory", "/sys/fs/cgroup/a/b", 3);
	for (unsigned level = 0; level < 2; level++) {
		fd = qr_cgroup_events_open(&cg, level);
		cr_assert_geq(fd, 0, "%d", fd);
		cr_assert_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
		for (int again = 0; again < 2; again++) {
			cr_assert_eq(qr_cgroup_events_read(fd, &events), 0);
			cr_assert_eq(events.high, 2);
			cr_assert_eq(events.max, 3);
			cr_assert_eq(events.oom, 4);
		}
		put("sys/fs/cgroup/a", "memory.events", "high x\n");
		cr_assert_eq(qr_cgroup_events_read(fd, &events), -EINVAL);
		cr_assert_eq(events.high, 2);
		cr_assert_eq(qr_cgroup_events_open(&cg, level), -EINVAL);
		put("sys/fs/cgroup/a", "memory.events",
		    "high 2\nmax 3\noom 4\n");
		close(fd);
	}
	errno = 4711;
	cr_assert_eq(qr_cgroup_events_open(&cg, 2), -ENOENT);
	cr_assert_eq(qr_cgroup_events_open(&cg, 3), -EINVAL);
	cr_assert_eq(qr_cgroup_events_read(-1, &events), -EBADF);
	cr_assert_eq(errno, 4711);
	put("sys/fs/cgroup/a/b", "memory.events", "high 7\n");
	fd = qr_cgroup_events_open(&cg, 0);
	cr_assert_eq(qr_cgroup_events_read(fd, &events), 0);
	cr_assert_eq(events.high, 7);
	cr_assert_eq(events.max, 0);
}

Test(cgroup, a_trigger_is_written_as_the_kernel_wants_it)
{
	char text[64];
	int fd;

	put_self("0::/\n", V2_MOUNT);
	put("sys/fs/cgroup", "cgroup.procs", "");
	assert_found("memory", "/sys/fs/cgroup", 1);
	errno = 4711;
	cr_assert_eq(qr_cgroup_psi_open(&cg, 100000, 1000000), -ENOENT);
	cr_assert_eq(errno, 4711);
	put("sys/fs/cgroup", "memory.pressure", "");
	fd = qr_cgroup_psi_open(&cg, 100000, 1000000);
	cr_assert_geq(fd, 0, "%d", fd);
	cr_assert_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
	cr_assert(fcntl(fd, F_GETFL) & O_NONBLOCK);
	cr_assert_eq(pread(fd, text, sizeof(text), 0), 20);
	cr_assert_arr_eq(text, "some 100000 1000000", 20);
	fd = qr_cgroup_psi_open(&cg, UINT_MAX, UINT_MAX);
	cr_assert_eq(pread(fd, text, sizeof(text), 0), 27);
	cr_assert_arr_eq(text, "some 4294967295 4294967295", 27);
}

Test(cgroup, v1_tells_nothing)
{
	put_self("4:memory:/\n", V1_MOUNTS);
	put_v1("sys/fs/cgroup/memory", "5\n", "5\n");
	put("sys/fs/cgroup/memory", "memory.events", "high 1\n");
	put("sys/fs/cgroup/memory", "memory.pressure", "");
	assert_found("memory", "/sys/fs/cgroup/memory", 1);
	cr_assert_eq(qr_cgroup_events_open(&cg, 0), -ENOSYS);
	cr_assert_eq(qr_cgroup_psi_open(&cg, 100000, 1000000), -ENOSYS);
}

/*
 * At random
 */

static unsigned new_seed(void)
{
	const char *given = getenv("QUARRY_TEST_SEED");
	unsigned seed = given ? (unsigned)strtoul(given, NULL, 0) : 1;

	fprintf(stderr, "cgroup: QUARRY_TEST_SEED=%u\n", seed);
	return seed;
}

/* A limit, in half of the cases none, as text and number. */
static uint64_t draw_limit(unsigned *seed, char text[32])
{
	uint64_t limit = (uint64_t)rand_r(seed) << (rand_r(seed) % 30);

	if (rand_r(seed) & 1) {
		strcpy(text, "max\n");
		return NONE;
	}
	sprintf(text, "%lu\n", (unsigned long)limit);
	return limit;
}

/* Against the definition, over hierarchies of up to 8 levels. */
Test(cgroup, memory_is_what_the_levels_say_together)
{
	unsigned seed = new_seed();

	put_file("proc/self/mountinfo", V2_MOUNT);
	for (int round = 0; round < 60; round++) {
		unsigned levels = 1 + (unsigned)rand_r(&seed) % 8;
		char dir[128] = "/sys/fs/cgroup", path[128] = "0::/", text[32];
		uint64_t max = NONE, high = NONE, room = NONE;
		unsigned nearest = 0;

		for (unsigned level = levels; level-- > 0;) {
			uint64_t limit, current, left;

			put(dir, "cgroup.procs", "");
			limit = draw_limit(&seed, text);
			max = qr_min(max, limit);
			put(dir, "memory.max", text);
			left = draw_limit(&seed, text);
			high = qr_min(high, left);
			put(dir, "memory.high", text);
			limit = qr_min(limit, left);
			current = (uint64_t)rand_r(&seed)
				  << (rand_r(&seed) % 30);
			sprintf(text, "%lu\n", (unsigned long)current);
			put(dir, "memory.current", text);
			left = limit > current ? limit - current : 0;
			if (limit != NONE && left <= room) {
				room = left;
				nearest = level;
			}
			if (level) {
				sprintf(dir + strlen(dir), "/%u",
					round + level);
				sprintf(path + strlen(path), "%s%u",
					level + 1 < levels ? "/" : "",
					round + level);
			}
		}
		strcat(path, "\n");
		put_file("proc/self/cgroup", path);
		assert_found("memory", dir, levels);
		assert_memory(max, high);
		cr_assert_eq(mem.room, room);
		cr_assert_eq(mem.level, nearest);
	}
}

static size_t damage(unsigned *seed, char *text, size_t n)
{
	static const char bytes[] = "\n :/.,\\-0179m\0\377\200";

	for (int i = 1 + rand_r(seed) % 4; i; i--) {
		size_t at = (size_t)rand_r(seed) % n;

		switch (rand_r(seed) % 4) {
		case 0: /* cut, but not to nothing */
			n = at + 1;
			break;
		case 1: /* drop some */
			memmove(text, text + at, n - at);
			n -= at;
			break;
		default:
			text[at] = bytes[(size_t)rand_r(seed) % sizeof(bytes)];
		}
	}
	return n;
}

/* It says 0 or -errno, keeps errno, and a sanitizer has nothing to say. */
Test(cgroup, damaged_files_are_survived)
{
	static const char group[] = "12:cpu,cpuacct:/q\n4:memory:/a/b\n0::/a\n";
	static const char *const files[] = {
		"memory.max",	  "memory.limit_in_bytes",
		"memory.current", "memory.usage_in_bytes",
		"cpu.max",	  "memory.events",
		"memory.stat"};
	unsigned seed = new_seed(), found = 0;
	char text[2048];

	put("sys/fs/cgroup", "cgroup.procs", "");
	put("sys/fs/cgroup/a", "cgroup.procs", "");
	put("sys/fs/cgroup/memory", "cgroup.procs", "");
	put("sys/fs/cgroup/memory/a", "cgroup.procs", "");
	put("sys/fs/cgroup/memory/a/b", "cgroup.procs", "");
	for (int round = 0; round < 1000; round++) {
		struct qr_cgroup_events events;
		uint64_t bytes;
		unsigned cpus;
		size_t n;
		int fd;

		strcpy(text, group);
		n = strlen(text);
		if (round % 2)
			n = damage(&seed, text, n);
		put_bytes("proc/self/cgroup", text, n);
		strcpy(text, round % 3 ? V2_MOUNT V1_MOUNTS : hybrid);
		n = damage(&seed, text, strlen(text));
		put_bytes("proc/self/mountinfo", text, n);
		errno = 4711;
		if (qr_cgroup_find(root, round % 5 ? "memory" : "cpu", &cg) ==
		    0) {
			found++;
			cr_assert_geq(cg.levels, 1);
			cr_assert_eq(strncmp(cg.path, root, strlen(root)), 0);
			for (size_t i = 0; i < QR_ARRAY_SIZE(files); i++) {
				char path[QR_CGROUP_PATH + 32];

				strcpy(text, "max 18\noom 4\nactive_file 5\n");
				n = damage(&seed, text, strlen(text));
				snprintf(path, sizeof(path), "%s/%s",
					 cg.path + strlen(root), files[i]);
				put_bytes(path, text, n);
			}
			errno = 4711;
			cr_assert_leq(qr_cgroup_memory_read(&cg, &mem), 0);
			cr_assert_leq(qr_cgroup_cpus_read(&cg, &cpus), 0);
			cr_assert_leq(qr_cgroup_file_read(&cg, 0, &bytes), 0);
			fd = qr_cgroup_events_open(&cg, 0);
			if (fd >= 0) {
				qr_cgroup_events_read(fd, &events);
				close(fd);
			}
		}
		cr_assert_eq(errno, 4711);
	}
	fprintf(stderr, "found in %u of 1000\n", found);
	cr_assert_gt(found, 50);
	cr_assert_lt(found, 950);
}

/*
 * Stack
 */

#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || \
	defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED true
#else
#define SANITIZED false
#endif

enum { STACK = 256 << 10, PAINT = 0xa5, STACK_BOUND = 8 << 10 };

static unsigned char *stack;
static size_t stack_used;

static void call_everything(void)
{
	struct qr_cgroup_events events;
	uint64_t bytes;
	unsigned cpus;
	int fd;

	qr_cgroup_find(root, "memory", &cg);
	qr_cgroup_memory_read(&cg, &mem);
	qr_cgroup_file_read(&cg, 0, &bytes);
	qr_cgroup_cpus_read(&cg, &cpus);
	fd = qr_cgroup_events_open(&cg, 0);
	qr_cgroup_events_read(fd, &events);
	close(fd);
	close(qr_cgroup_psi_open(&cg, 1, 1));
}

static void *measure(void *arg)
{
	unsigned char *top = __builtin_frame_address(0), *low = stack;

	call_everything();
	while (*low == PAINT)
		low++;
	stack_used = (size_t)(top - low);
	return arg;
}

Test(cgroup, eight_kilobytes_of_stack_are_enough)
{
	pthread_attr_t attr;
	pthread_t thread;

	if (SANITIZED)
		cr_skip_test("a sanitizer makes frames larger");
	put_self("4:freezer:/\n0::/a\n", V2_MOUNT);
	put_limits("sys/fs/cgroup", "9\n", "max\n", "0\n");
	put_limits("sys/fs/cgroup/a", "7\n", "max\n", "0\n");
	put("sys/fs/cgroup/a", "cpu.max", "1 1\n");
	put("sys/fs/cgroup/a", "memory.stat", "inactive_file 1\n");
	put("sys/fs/cgroup/a", "memory.events", "low 0\n");
	put("sys/fs/cgroup/a", "memory.pressure", "");
	/* what the loader needs for the first call of each is not ours */
	call_everything();
	stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	cr_assert_neq(stack, MAP_FAILED);
	memset(stack, PAINT, STACK);
	cr_assert_eq(pthread_attr_init(&attr), 0);
	cr_assert_eq(pthread_attr_setstack(&attr, stack, STACK), 0);
	cr_assert_eq(pthread_create(&thread, &attr, measure, NULL), 0);
	cr_assert_eq(pthread_join(thread, NULL), 0);
	fprintf(stderr, "%zu bytes of stack\n", stack_used);
	cr_assert_gt(stack_used, 1024);
	cr_assert_leq(stack_used, STACK_BOUND);
}

/*
 * The kernel
 */

/* Whether the group in directory @dir has this process; or does not say. */
static bool has_us(const char *dir)
{
	char path[PATH_MAX], line[32];
	bool found = false;
	FILE *procs;

	snprintf(path, sizeof(path), "%s/cgroup.procs", dir);
	procs = fopen(path, "r");
	if (!procs)
		return errno == EACCES || errno == EPERM;
	while (!found && fgets(line, sizeof(line), procs))
		found = atoi(line) == getpid();
	fclose(procs);
	return found;
}

Test(cgroup, the_kernel_agrees_that_we_are_there)
{
	static const char *const controllers[] = {"memory", "cpu"};
	unsigned found = 0, cpus;

	for (size_t i = 0; i < QR_ARRAY_SIZE(controllers); i++) {
		errno = 4711;
		if (qr_cgroup_find("", controllers[i], &cg))
			continue;
		found++;
		fprintf(stderr, "%s: v%d %s, %u levels\n", controllers[i],
			cg.v2 ? 2 : 1, cg.path, cg.levels);
		cr_assert_eq(qr_cgroup_memory_read(&cg, &mem), 0);
		cr_assert_eq(qr_cgroup_cpus_read(&cg, &cpus), 0);
		cr_assert_eq(errno, 4711);
		cr_assert_geq(cpus, 1);
		cr_assert(has_us(cg.path));
	}
	if (!found)
		cr_skip_test("no cgroups here");
}

/* The state of the main thread, 'Z' once it has ended. */
static char main_state(void)
{
	char path[64], text[512] = "", *name_end;
	int fd;

	/* not /proc/self/stat: that of qemu-user is made up */
	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", (int)getpid());
	fd = open(path, O_RDONLY);
	if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
		_exit(3);
	close(fd);
	name_end = strrchr(text, ')');
	return name_end ? name_end[2] : 'Z';
}

static void *find_when_main_has_ended(void *arg)
{
	static struct qr_cgroup again;

	(void)arg;
	while (main_state() != 'Z')
		sched_yield();
	if (qr_cgroup_find("", "memory", &again))
		_exit(1);
	_exit(strcmp(again.path, cg.path) != 0);
}

Test(cgroup, it_is_found_after_the_main_thread_ended)
{
	static pthread_t thread;
	int status;
	pid_t child;

	if (qr_cgroup_find("", "memory", &cg))
		cr_skip_test("no cgroups here");
	child = fork();
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (pthread_create(&thread, NULL, find_when_main_has_ended,
				   NULL))
			_exit(2);
		pthread_exit(NULL);
	}
	cr_assert_eq(waitpid(child, &status, 0), child);
	cr_assert_eq(status, 0, "status %x", (unsigned)status);
}

/*
 * A group to throw away, right below the root of the mount, and another one
 * inside of it, where a child process goes.
 */
static char outer[QR_CGROUP_PATH], inner[QR_CGROUP_PATH + 8];

static bool write_group(const char *dir, const char *name, const char *text)
{
	char path[QR_CGROUP_PATH + 64];
	bool done;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	done = write(fd, text, strlen(text)) > 0;
	close(fd);
	return done;
}

static bool make_groups(void)
{
	struct qr_cgroup ours;
	const char *limit;

	if (qr_cgroup_find("", "memory", &ours))
		return false;
	for (unsigned level = 1; level < ours.levels; level++)
		*strrchr(ours.path, '/') = '\0';
	snprintf(outer, sizeof(outer), "%.900s/quarry-unit-%d", ours.path,
		 (int)getpid());
	snprintf(inner, sizeof(inner), "%s/inner", outer);
	limit = ours.v2 ? "memory.max" : "memory.limit_in_bytes";
	return mkdir(outer, 0755) == 0 && write_group(outer, limit, "256M") &&
	       (!ours.v2 ||
		write_group(outer, "cgroup.subtree_control", "+memory")) &&
	       mkdir(inner, 0755) == 0 && write_group(inner, limit, "512M");
}

static void remove_groups(void)
{
	rmdir(inner);
	rmdir(outer);
}

/* Status of @run in a process inside of the inner group; -1: impossible. */
static int run_inside(void (*run)(void))
{
	int status = -1, gate[2];
	char number[16], go;
	pid_t child;

	if (!make_groups()) {
		remove_groups();
		return -1;
	}
	cr_assert_eq(pipe(gate), 0);
	child = fork();
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (read(gate[0], &go, 1) != 1)
			_exit(125);
		run();
		_exit(0);
	}
	snprintf(number, sizeof(number), "%d", (int)child);
	if (write_group(inner, "cgroup.procs", number)) {
		cr_assert_eq(write(gate[1], "g", 1), 1);
		cr_assert_eq(waitpid(child, &status, 0), child);
	} else {
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
	}
	remove_groups();
	return status;
}

#define INSIDE(condition)                                                \
	do {                                                             \
		if (!(condition)) {                                      \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, \
				__LINE__, #condition);                   \
			_exit(1);                                        \
		}                                                        \
	} while (0)

static void touch(size_t bytes)
{
	char *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	INSIDE(p != MAP_FAILED);
	memset(p, 1, bytes);
}

static void watch_usage(void)
{
	struct qr_cgroup_memory before, after;
	uint64_t bytes;

	INSIDE(qr_cgroup_find("", "memory", &cg) == 0);
	INSIDE(strcmp(cg.path, inner) == 0 && has_us(cg.path));
	INSIDE(cg.levels >= 3);
	INSIDE(qr_cgroup_memory_read(&cg, &before) == 0);
	INSIDE(before.max == 256 * MIB && before.high == NONE);
	INSIDE(before.level == 1 && before.limit == 256 * MIB);
	INSIDE(before.room <= 256 * MIB && before.room > 128 * MIB);
	touch(16 * MIB);
	INSIDE(qr_cgroup_memory_read(&cg, &after) == 0);
	fprintf(stderr, "room %lu KiB, then %lu KiB\n",
		(unsigned long)before.room >> 10,
		(unsigned long)after.room >> 10);
	/* a CPU may have up to 64 pages charged beforehand */
	INSIDE(after.current >= before.current + 14 * MIB);
	INSIDE(after.room == after.limit - after.current);
	INSIDE(qr_cgroup_file_read(&cg, 1, &bytes) == 0);
	INSIDE(bytes <= after.current);
}

Test(cgroup, limit_and_usage_of_a_real_group_are_read)
{
	int status = run_inside(watch_usage);

	if (status == -1)
		cr_skip_test("no group with a memory limit can be made here");
	cr_assert_eq(status, 0, "status %x", (unsigned)status);
}

enum { NO_EVENTS = 77 };

static bool has_news(int fd, int milliseconds)
{
	struct pollfd poller = {fd, POLLPRI, 0};

	return poll(&poller, 1, milliseconds) == 1 &&
	       (poller.revents & POLLPRI);
}

/* Not in this kernel, or not for us; -EINVAL: the window, for the same. */
static bool may_refuse_psi(int error)
{
	return error == -ENOENT || error == -EOPNOTSUPP || error == -EACCES ||
	       error == -EPERM || error == -EROFS || error == -EINVAL;
}

/* The limit that is exceeded is the outer one's. */
static void watch_events(void)
{
	struct qr_cgroup_events events;
	int ours, theirs, psi, mib = 0;
	bool told = false;

	INSIDE(qr_cgroup_find("", "memory", &cg) == 0);
	if (!cg.v2)
		_exit(NO_EVENTS);
	ours = qr_cgroup_events_open(&cg, 0);
	theirs = qr_cgroup_events_open(&cg, 1);
	INSIDE(ours >= 0 && theirs >= 0);
	INSIDE(!has_news(ours, 0) && !has_news(theirs, 0));
	INSIDE(qr_cgroup_events_read(theirs, &events) == 0);
	INSIDE(events.high == 0);
	psi = qr_cgroup_psi_open(&cg, 50000, 1000000);
	fprintf(stderr, "psi: %d\n", psi);
	INSIDE(psi >= 0 || may_refuse_psi(psi));
	INSIDE(write_group(outer, "memory.high", "32M"));
	for (; mib < 64 && !has_news(theirs, 0); mib++)
		touch(MIB);
	/* notices come at most every 10 ms */
	INSIDE(has_news(theirs, 30000));
	INSIDE(!has_news(ours, 0));
	INSIDE(qr_cgroup_memory_read(&cg, &mem) == 0);
	INSIDE(mem.high == 32 * MIB && mem.level == 1);
	INSIDE(qr_cgroup_events_read(theirs, &events) == 0);
	fprintf(stderr, "high %lu after %d MiB\n", (unsigned long)events.high,
		mib);
	INSIDE(events.high > 0 && events.oom == 0);
	/* being slowed is standing still for want of memory */
	for (; psi >= 0 && mib < 64 && !told; mib++) {
		touch(MIB);
		told = has_news(psi, 0); /* and takes it */
	}
	INSIDE(psi < 0 || told || has_news(psi, 30000));
	fprintf(stderr, "pressure after %d MiB\n", mib);
}

Test(cgroup, a_limit_that_is_met_wakes_those_who_poll_that_level)
{
	int status = run_inside(watch_events);

	if (status == -1)
		cr_skip_test("no group with a memory limit can be made here");
	if (WIFEXITED(status) && WEXITSTATUS(status) == NO_EVENTS)
		cr_skip_test("memory is v1's here");
	cr_assert_eq(status, 0, "status %x", (unsigned)status);
}
