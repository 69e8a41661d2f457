/*
 * A control group with limits, for the programs of this directory that run a
 * part of themselves in one: below the hierarchy's root, v1 or v2.
 */
#ifndef QR_TEST_GROUP_H
#define QR_TEST_GROUP_H

#include "check.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>

static char group[PATH_MAX];
static bool group_is_v2;

static inline bool group_write(const char *name, const char *value)
{
	char path[PATH_MAX + 32];
	bool done;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", group, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	done = write(fd, value, strlen(value)) > 0;
	close(fd);
	return done;
}

static inline void group_remove(void)
{
	rmdir(group);
}

/* A new group in the hierarchy @root with @value in its file @name. */
static inline bool group_make_in(const char *root, const char *name,
				 const char *value)
{
	snprintf(group, sizeof(group), "%s/quarry-test-%d", root,
		 (int)getpid());
	if (mkdir(group, 0755))
		return false;
	if (group_write(name, value))
		return true;
	group_remove();
	return false;
}

/* A new group with @limit bytes of memory, and no swap. */
static inline bool group_make(size_t limit)
{
	char bytes[32];

	snprintf(bytes, sizeof(bytes), "%zu", limit);
	if (group_make_in("/sys/fs/cgroup/memory", "memory.limit_in_bytes",
			  bytes))
		return true;
	group_is_v2 =
		group_make_in("/sys/fs/cgroup", "memory.max", bytes) ||
		group_make_in("/sys/fs/cgroup/unified", "memory.max", bytes);
	if (group_is_v2)
		group_write("memory.swap.max", "0");
	return group_is_v2;
}

/* A new group with the time of one CPU. */
static inline bool group_make_with_a_cpu(void)
{
	return group_make_in("/sys/fs/cgroup/cpu", "cpu.cfs_quota_us",
			     "100000") ||
	       group_make_in("/sys/fs/cgroup", "cpu.max", "100000 100000") ||
	       group_make_in("/sys/fs/cgroup/unified", "cpu.max",
			     "100000 100000");
}

/* Move @pid there. */
static inline bool group_take(pid_t pid)
{
	char number[16];

	snprintf(number, sizeof(number), "%d", (int)pid);
	return group_write("cgroup.procs", number);
}

/*
 * Run "PROGRAM @word @more" in the group, from its first page on; @more may be
 * NULL.  0: no process can be moved to a group here.
 */
static inline pid_t group_start(const char *word, const char *more)
{
	int gate[2];
	pid_t pid;
	char go;

	CHECK(!pipe2(gate, O_CLOEXEC));
	fflush(stdout);
	pid = fork();
	CHECK(pid >= 0);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (read(gate[0], &go, 1) != 1)
			_exit(125);
		execl("/proc/self/exe", "in-a-group", word, more, NULL);
		_exit(126);
	}
	if (!group_take(pid)) {
		kill(pid, SIGKILL);
		wait_status(pid);
		pid = 0;
	} else {
		CHECK(write(gate[1], "g", 1) == 1);
	}
	close(gate[0]);
	close(gate[1]);
	return pid;
}

#endif
