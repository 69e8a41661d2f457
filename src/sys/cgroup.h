/*
 * The control groups that the process is in: what they allow, how near their
 * memory limit is, and how to be told.
 *
 * Both versions, and both at once ("hybrid"): a controller is looked for among
 * v1's hierarchies, else it is v2's.  A group is bound by its ancestors too,
 * so every function here looks at all levels from our group, level 0, up to
 * the root of the mount; what is above that, a container cannot see.
 *
 *	qr_cgroup_find		where our group is; reads /proc; once, and again
 *				after another function said -ENOENT or -ENODEV
 *	qr_cgroup_memory_read	limits and the room below them; now and then
 *	qr_cgroup_file_read	of what is used, what the kernel can drop itself
 *	qr_cgroup_cpus_read	the CPU quota
 *	qr_cgroup_events_open	descriptors for poll()
 *	qr_cgroup_psi_open
 *
 * Nothing here allocates, takes a lock, keeps state outside its arguments or
 * uses more than 8 KiB of stack; errno is kept and nothing is a cancellation
 * point.  Any number of threads may use one struct qr_cgroup, which does not
 * change after it was found.  Descriptors are close-on-exec; while a function
 * runs it needs two, qr_cgroup_find() three.  Errors are -errno; -EMFILE,
 * -ENFILE and -ENOMEM are among them, and may pass.
 *
 * Sizes are bytes, times microseconds; UINT64_MAX stands for "no limit".
 */
#ifndef QR_SYS_CGROUP_H
#define QR_SYS_CGROUP_H

#include <stdbool.h>
#include <stdint.h>

enum { QR_CGROUP_PATH = 1024 }; /* with the NUL; longer ones are not found */

struct qr_cgroup {
	bool v2;
	uint16_t levels;	   /* our group and its ancestors; at least 1 */
	char path[QR_CGROUP_PATH]; /* the directory of level 0 */
};

struct qr_cgroup_memory {
	uint64_t max;  /* least of all levels: beyond it the kernel kills */
	uint64_t high; /* likewise: beyond it the kernel slows us; v1: none */

	/* the level that is next to come to its limit, max or high */
	uint64_t room; /* limit - current, 0 if that is below 0 */
	uint64_t limit;
	uint64_t current; /* with page cache; 0 where no level has a limit */
	unsigned level;
};

/* How often since the group was made, in the group and those below it. */
struct qr_cgroup_events {
	uint64_t high; /* a task was slowed because high was exceeded */
	uint64_t max;  /* max was about to be exceeded */
	uint64_t oom;  /* and nothing could be reclaimed */
};

/*
 * Our group in the hierarchy of @controller: "memory" or "cpu", to be used
 * with functions about that one only.  @root is "" or the root of a fake tree.
 * 0; -ENOENT: there is none, or it cannot be seen from here; -ENAMETOOLONG;
 * or what opening or reading /proc failed with.
 *
 * In a cgroup namespace whose /sys/fs/cgroup was mounted outside of it, our
 * place below the mount's root has no name: that root is told then, an
 * ancestor.
 */
int qr_cgroup_find(const char *root, const char *controller,
		   struct qr_cgroup *ret_cgroup);

/*
 * Opens 2 files per level (v1: 1), and 1 more where there is a limit.
 * 0; -ENOENT, -ENODEV: our group is gone; -EINVAL: a file is not understood.
 */
int qr_cgroup_memory_read(const struct qr_cgroup *cgroup,
			  struct qr_cgroup_memory *ret_memory);

/*
 * Page cache of files charged to @level, a part of its current: the kernel
 * takes it back before it kills, so a group full of it is not near its end.
 * Makes the kernel add up statistics of all CPUs: only ask when room is short.
 * 0 or -errno as above; -EINVAL too if @level is none.
 */
int qr_cgroup_file_read(const struct qr_cgroup *cgroup, unsigned level,
			uint64_t *ret_bytes);

/*
 * CPUs' worth of time that the strictest level allows, rounded up; UINT_MAX:
 * no quota.  0 or -errno as above.
 */
int qr_cgroup_cpus_read(const struct qr_cgroup *cgroup, unsigned *ret_cpus);

/*
 * A descriptor of the memory.events of @level, or of the first ancestor that
 * has one: poll() says POLLPRI when a limit of that level, or one below it,
 * was met, at most every 10 ms, until qr_cgroup_events_read() is called.  A
 * limit of an ancestor shows in the ancestor's events only: watch the level
 * that qr_cgroup_memory_read() names.  Reading is enough, so that it works
 * where /sys is mounted read-only.
 * The descriptor or -errno; -ENOENT if no level has the file (the root of all
 * has none), -ENOSYS in v1.
 */
int qr_cgroup_events_open(const struct qr_cgroup *cgroup, unsigned level);

/* One thread at a time per descriptor. 0 or -errno; -ENODEV: group is gone. */
int qr_cgroup_events_read(int fd, struct qr_cgroup_events *ret_events);

/*
 * A descriptor for which poll() says POLLPRI when tasks of our group stood
 * still for want of memory for @stall_us within @window_us, at most once per
 * window; that poll() takes the news.  POLLERR: the group is gone.  The window
 * is 500000 to 10000000, and a multiple of 2000000 unless we have
 * CAP_SYS_RESOURCE.  The trigger lasts as long as the descriptor is open, in a
 * fork's child too.
 * The descriptor or -errno: -EACCES, -EPERM, -EROFS not allowed; -ENOENT,
 * -EOPNOTSUPP not in this kernel; -EINVAL not such times; -ENOSYS in v1.
 */
int qr_cgroup_psi_open(const struct qr_cgroup *cgroup, unsigned stall_us,
		       unsigned window_us);

/* Of this module: the directory above @dir, which is closed; or -errno. */
int qr_cgroup_climb(int dir);

#endif
