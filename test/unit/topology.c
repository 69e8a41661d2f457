#include "sys/topology.h"

#include "base/compiler.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <ftw.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/*
 * A fake tree
 */

static char root[] = "/tmp/quarry-topology-XXXXXX";

static void put_file(const char *name, const char *text)
{
	char path[256];
	FILE *file;

	snprintf(path, sizeof(path), "%s/sys/devices/system/node/%s", root,
		 name);
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

static void put_node_file(unsigned node, const char *name, const char *text)
{
	char file[64];

	snprintf(file, sizeof(file), "node%u/%s", node, name);
	put_file(file, text);
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

TestSuite(topology, .init = setup, .fini = teardown);

#define NODES(...) mask_of((const int[]){ __VA_ARGS__, -1 })

static uint64_t mask_of(const int *nodes)
{
	uint64_t mask = 0;

	for (; *nodes >= 0; nodes++)
		mask |= UINT64_C(1) << *nodes;
	return mask;
}

#define ASSERT_ZONELIST(node, mask, ...)                                     \
	assert_zonelist(node, mask, (const int[]){ __VA_ARGS__, -1 })

static void assert_zonelist(unsigned node, uint64_t mask, const int *expected)
{
	uint8_t list[QR_MAX_NODES];
	unsigned n;

	errno = 4711;
	n = qr_topology_zonelist(root, node, mask, list);
	cr_assert_eq(errno, 4711);
	for (unsigned i = 0; i < n; i++)
		cr_assert_eq(list[i], expected[i],
			     "node %u: place %u has %u, not %d", node, i,
			     list[i], expected[i]);
	cr_assert_eq(expected[n], -1, "node %u: only %u nodes", node, n);
}

/*
 *	0 - 1		a ring: next ones 16, opposite 22
 *	|   |
 *	3 - 2
 */
static void put_ring(void)
{
	put_file("online", "0-3\n");
	put_node_file(0, "distance", "10 16 22 16\n");
	put_node_file(1, "distance", "16 10 16 22\n");
	put_node_file(2, "distance", "22 16 10 16\n");
	put_node_file(3, "distance", "16 22 16 10\n");
}

Test(topology, the_zonelist_is_sorted_by_distance_and_starts_at_home)
{
	put_ring();
	ASSERT_ZONELIST(0, NODES(0, 1, 2, 3), 0, 1, 3, 2);
	ASSERT_ZONELIST(1, NODES(0, 1, 2, 3), 1, 2, 0, 3);
	ASSERT_ZONELIST(2, NODES(0, 1, 2, 3), 2, 3, 1, 0);
	ASSERT_ZONELIST(3, NODES(0, 1, 2, 3), 3, 0, 2, 1);
}

Test(topology, a_node_without_memory_is_on_no_zonelist_but_has_one)
{
	put_ring();
	ASSERT_ZONELIST(0, NODES(1, 2, 3), 1, 3, 2);
	ASSERT_ZONELIST(1, NODES(1, 2, 3), 1, 2, 3);
	ASSERT_ZONELIST(0, NODES(2), 2);
}

/* 0 and 2 have CPUs; 1 is near to 0, 3 to 2, and both are memory only. */
Test(topology, memory_only_nodes_come_after_all_nodes_with_cpus)
{
	put_file("online", "0-3\n");
	put_file("has_cpu", "0,2\n");
	put_node_file(0, "distance", "10 14 21 26\n");
	put_node_file(1, "distance", "14 10 26 28\n");
	put_node_file(2, "distance", "21 26 10 14\n");
	ASSERT_ZONELIST(0, NODES(0, 1, 2, 3), 0, 2, 1, 3);
	ASSERT_ZONELIST(2, NODES(0, 1, 2, 3), 2, 0, 3, 1);
	/* who names one of them means it */
	ASSERT_ZONELIST(1, NODES(0, 1, 2, 3), 1, 0, 2, 3);
	/* unknown: all have CPUs */
	put_file("has_cpu", "x\n");
	ASSERT_ZONELIST(0, NODES(0, 1, 2, 3), 0, 1, 2, 3);
}

/* The file of distances counts nodes that are online, not node numbers. */
Test(topology, gaps_in_the_node_numbers_do_not_shift_the_distances)
{
	put_file("online", "0,5,17-18\n");
	put_node_file(0, "distance", "10 40 20 30\n");
	put_node_file(5, "distance", "40 10 30 20\n");
	put_node_file(17, "distance", "20 30 10 40\n");
	ASSERT_ZONELIST(0, NODES(0, 5, 17, 18), 0, 17, 18, 5);
	ASSERT_ZONELIST(5, NODES(0, 5, 17, 18), 5, 18, 17, 0);
	ASSERT_ZONELIST(17, NODES(0, 5, 18), 0, 5, 18);
}

/* Memory on an expander: far from all, and it has no CPU. */
Test(topology, a_node_without_cpus_is_taken_when_nearer_ones_are_used_up)
{
	uint64_t cpus[16];

	put_file("online", "0-2\n");
	put_node_file(0, "distance", "10 21 60\n");
	put_node_file(1, "distance", "21 10 44\n");
	put_node_file(2, "distance", "60 44 10\n");
	put_node_file(2, "cpulist", "\n");
	ASSERT_ZONELIST(0, NODES(0, 1, 2), 0, 1, 2);
	ASSERT_ZONELIST(2, NODES(0, 1, 2), 2, 1, 0);
	memset(cpus, 0xff, sizeof(cpus));
	cr_assert_eq(qr_topology_cpus(root, 2, cpus), 0);
	for (size_t i = 0; i < 16; i++)
		cr_assert_eq(cpus[i], 0);
}

Test(topology, distances_need_not_be_symmetric)
{
	put_file("online", "0-2\n");
	put_node_file(0, "distance", "10 30 20\n");
	put_node_file(1, "distance", "20 10 30\n");
	put_node_file(2, "distance", "30 20 10\n");
	ASSERT_ZONELIST(0, NODES(0, 1, 2), 0, 2, 1);
	ASSERT_ZONELIST(1, NODES(0, 1, 2), 1, 0, 2);
	ASSERT_ZONELIST(2, NODES(0, 1, 2), 2, 1, 0);
}

Test(topology, home_comes_first_whatever_its_file_says)
{
	put_file("online", "0-2\n");
	put_node_file(1, "distance", "10 99 10\n");
	ASSERT_ZONELIST(1, NODES(0, 1, 2), 1, 2, 0);
}

Test(topology, without_files_nodes_follow_by_number_from_home)
{
	ASSERT_ZONELIST(0, NODES(0), 0);
	ASSERT_ZONELIST(2, NODES(0, 1, 2, 3), 2, 3, 0, 1);
	ASSERT_ZONELIST(7, NODES(0, 3, 9), 9, 0, 3);
	ASSERT_ZONELIST(63, NODES(0, 62, 63), 63, 0, 62);
	/* distances that cannot be attributed count as missing */
	put_node_file(0, "distance", "10 40 20\n");
	ASSERT_ZONELIST(0, NODES(0, 1, 2), 0, 1, 2);
	/* nodes online without distances */
	put_file("online", "0-2\n");
	ASSERT_ZONELIST(1, NODES(0, 1, 2), 1, 2, 0);
}

Test(topology, nodes_that_the_file_does_not_cover_come_last)
{
	put_file("online", "0-3\n");
	put_node_file(0, "distance", "10 40 20\n");
	ASSERT_ZONELIST(0, NODES(0, 1, 2, 3, 8), 0, 2, 1, 3, 8);
	put_node_file(0, "distance", "");
	ASSERT_ZONELIST(0, NODES(0, 1, 2, 3), 0, 1, 2, 3);
	put_node_file(0, "distance", "10 x 12 11\n");
	ASSERT_ZONELIST(0, NODES(0, 1, 2, 3), 0, 1, 2, 3);
	put_file("online", "0-\n");
	put_node_file(0, "distance", "10 40 20 30\n");
	ASSERT_ZONELIST(0, NODES(0, 1, 2, 3), 0, 1, 2, 3);
}

Test(topology, sixty_four_nodes_have_a_place_each)
{
	char distances[64 * 4 + 1] = "";
	uint8_t list[QR_MAX_NODES];

	/* the farther in number, the nearer */
	for (int i = 0; i < 64; i++)
		sprintf(distances + strlen(distances), "%d ", 200 - i);
	put_file("online", "0-63\n");
	put_node_file(0, "distance", distances);
	cr_assert_eq(qr_topology_zonelist(root, 0, UINT64_MAX, list), 64);
	cr_assert_eq(list[0], 0);
	for (int i = 1; i < 64; i++)
		cr_assert_eq(list[i], 64 - i);
}

Test(topology, a_root_too_long_for_a_path_counts_as_missing_files)
{
	static char far[4096];
	uint8_t list[QR_MAX_NODES];
	uint64_t cpus[16];

	memset(far, 'x', sizeof(far) - 1);
	cr_assert_eq(qr_topology_zonelist(far, 1, NODES(0, 1), list), 2);
	cr_assert_eq(list[0], 1);
	cr_assert_eq(qr_topology_cpus(far, 1, cpus), -ENAMETOOLONG);
}

/*
 * CPUs of a node
 */

static bool has_cpu(const uint64_t cpus[16], unsigned cpu)
{
	return cpus[cpu / 64] >> (cpu % 64) & 1;
}

Test(topology, a_list_of_cpus_becomes_a_mask)
{
	uint64_t cpus[16];

	put_node_file(4, "cpulist", "0,2-4,63-65,1022-1500,4000\n");
	cr_assert_eq(qr_topology_cpus(root, 4, cpus), 0);
	for (unsigned i = 0; i < 1024; i++)
		cr_assert_eq(has_cpu(cpus, i),
			     i == 0 || (i >= 2 && i <= 4) ||
				     (i >= 63 && i <= 65) || i >= 1022,
			     "CPU %u", i);
}

/* 5 KiB, so that pieces of the file end inside of numbers. */
Test(topology, a_long_list_of_cpus_is_read_whole)
{
	static char list[1024 * 5 + 1];
	uint64_t cpus[16];

	for (int i = 1; i < 1024; i += 2)
		sprintf(list + strlen(list), "%s%d", i > 1 ? "," : "", i);
	put_node_file(0, "cpulist", list);
	cr_assert_eq(qr_topology_cpus(root, 0, cpus), 0);
	for (unsigned i = 0; i < 1024; i++)
		cr_assert_eq(has_cpu(cpus, i), i % 2 == 1, "CPU %u", i);
}

Test(topology, a_list_of_cpus_that_is_none_leaves_the_mask_alone)
{
	static const char *const bad[] = { "a\n", "0-\n", "1,,2\n", "1 2\n",
					   "1,\n", "-3\n", "0x3\n" };
	uint64_t cpus[16] = { 42 };

	errno = 4711;
	cr_assert_eq(qr_topology_cpus(root, 0, cpus), -ENOENT);
	for (size_t i = 0; i < QR_ARRAY_SIZE(bad); i++) {
		put_node_file(0, "cpulist", bad[i]);
		cr_assert_eq(qr_topology_cpus(root, 0, cpus), -EINVAL, "%s",
			     bad[i]);
	}
	put_node_file(1, "cpulist/file", "x");
	errno = 4711;
	cr_assert_eq(qr_topology_cpus(root, 1, cpus), -EISDIR);
	cr_assert_eq(errno, 4711);
	cr_assert_eq(cpus[0], 42);
}

/*
 * The kernel
 */

/* From now on @number fails with @error, or runs if @error is 0. */
static void refuse_call(int number, int error)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)number, 0, 1),
		BPF_STMT(BPF_RET | BPF_K,
			 SECCOMP_RET_ERRNO | (unsigned)error),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { QR_ARRAY_SIZE(filter), filter };

	cr_assert_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
		cr_skip_test("no seccomp here");
}

Test(topology, the_node_and_cpu_that_we_run_on_are_among_those_told)
{
	struct qr_topology t = { 0 };
	unsigned node = 99, cpu;

	errno = 4711;
	qr_topology_read(&t);
	cpu = qr_topology_cpu(&node);
	cr_assert_eq(errno, 4711);
	cr_assert_neq(t.nodes, 0);
	cr_assert_lt(cpu, t.nr_cpus);
	cr_assert_leq(t.nr_cpus, t.nr_cpu_ids);
	cr_assert_eq(t.nr_cpu_ids % 64, 0);
	cr_assert_lt(node, QR_MAX_NODES);
	cr_assert_geq(t.nr_cpu_ids, sysconf(_SC_NPROCESSORS_CONF));
}

Test(topology, the_nodes_are_those_of_proc_self_status)
{
	struct qr_topology t;
	char line[4096], *mems = NULL;
	FILE *status = fopen("/proc/self/status", "r");

	cr_assert(status);
	while (!mems && fgets(line, sizeof(line), status))
		mems = strncmp(line, "Mems_allowed_list:", 18) ? NULL :
								 line + 18;
	fclose(status);
	if (!mems)
		cr_skip_test("a kernel without cpusets");
	qr_topology_read(&t);
	for (char *end; *mems != '\n'; mems = end + (*end == ',')) {
		unsigned long from = strtoul(mems, &end, 10), to = from;

		cr_assert_neq(end, mems, "%s", line);
		if (*end == '-')
			to = strtoul(end + 1, &end, 10);
		for (; from <= to && from < 64; from++) {
			cr_assert(t.nodes >> from & 1, "node %lu", from);
			t.nodes &= ~(UINT64_C(1) << from);
		}
	}
	cr_assert_eq(t.nodes, 0);
}

Test(topology, each_cpu_that_we_may_run_on_is_told_with_its_node)
{
	cpu_set_t all, one;
	unsigned runs = 0;

	cr_assert_eq(sched_getaffinity(0, sizeof(all), &all), 0);
	for (unsigned i = 0; i < CPU_SETSIZE; i++) {
		unsigned cpu, node, our_node;

		if (!CPU_ISSET(i, &all))
			continue;
		CPU_ZERO(&one);
		CPU_SET(i, &one);
		cr_assert_eq(sched_setaffinity(0, sizeof(one), &one), 0);
		cr_assert_eq(qr_topology_cpu(&our_node), i);
		cr_assert_eq(syscall(SYS_getcpu, &cpu, &node, NULL), 0);
		cr_assert_eq(cpu, i);
		cr_assert_eq(our_node, node);
		runs++;
	}
	cr_assert_gt(runs, 0);
}

Test(topology, the_number_of_cpus_follows_the_affinity_and_the_bound_not)
{
	struct qr_topology wide, narrow;
	unsigned node, cpu = qr_topology_cpu(&node);
	cpu_set_t one;

	qr_topology_read(&wide);
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	cr_assert_eq(sched_setaffinity(0, sizeof(one), &one), 0);
	qr_topology_read(&narrow);
	cr_assert_eq(narrow.nr_cpus, cpu + 1);
	cr_assert_eq(narrow.nr_cpu_ids, wide.nr_cpu_ids);
}

Test(topology, where_the_kernel_refuses_there_is_node_0_and_many_cpus)
{
	static const int errors[] = { EPERM, ENOSYS };
	struct qr_topology t;

	/* the filter set last decides between two errors */
	for (size_t i = 0; i < QR_ARRAY_SIZE(errors); i++) {
		refuse_call(SYS_get_mempolicy, errors[i]);
		errno = 4711;
		qr_topology_read(&t);
		cr_assert_eq(errno, 4711);
		cr_assert_eq(t.nodes, 1);
		cr_assert_geq(t.nr_cpu_ids, t.nr_cpus);
	}
	refuse_call(SYS_sched_getaffinity, EPERM);
	qr_topology_read(&t);
	cr_assert_eq(t.nr_cpus, 1024);
	cr_assert_eq(t.nr_cpu_ids, 1024);
	cr_assert_eq(errno, 4711);
}

enum { NO_SECCOMP = 77 };

/* Whoever calls open(), openat() or read() from here on is killed. */
static void kill_who_reads_files(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_read, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
	};
	struct sock_fprog program = { QR_ARRAY_SIZE(filter), filter };

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
		_exit(NO_SECCOMP);
}

static int status_of_child(bool reads_files)
{
	struct qr_topology t;
	uint64_t cpus[16];
	int status;
	pid_t child = fork();

	if (child == 0) {
		kill_who_reads_files();
		if (reads_files)
			qr_topology_cpus("", 0, cpus);
		qr_topology_read(&t);
		_exit(t.nodes ? 0 : 1);
	}
	cr_assert_eq(waitpid(child, &status, 0), child);
	return status;
}

Test(topology, at_start_no_file_is_read)
{
	int status = status_of_child(false);

	if (WIFEXITED(status) && WEXITSTATUS(status) == NO_SECCOMP)
		cr_skip_test("no seccomp here");
	cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	status = status_of_child(true); /* the trap works */
	cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
}
