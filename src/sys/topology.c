#include "sys/topology.h"

#include "base/bits.h"
#include "sys/file.h"
#include "sys/print.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
	MEMS_ALLOWED = 4,    /* MPOL_F_MEMS_ALLOWED */
	KERNEL_NODES = 1024, /* more than any kernel is built for */
	KERNEL_CPUS = 8192,
	CPUS_UNASKED = 1024, /* what to reckon with if it refuses to say */
	NEAREST = 10,	     /* the distance of a node to itself */
	FARTHEST = 255,
	CPU_WORDS = 16, /* of the mask of qr_topology_cpus */
};

/*
 * A raw system call: libc's may tell less, and may be cancellation points.
 * Returns 0 or more, or -errno, and keeps errno.
 */
static long call(long number, long a, long b, long c, long d, long e)
{
	int saved = errno;
	long rc = syscall(number, a, b, c, d, e);

	if (rc < 0)
		rc = -errno;
	errno = saved;
	return rc;
}

static uint64_t allowed_nodes(void)
{
	uint64_t mask[KERNEL_NODES / 64] = {0};
	long rc = call(SYS_get_mempolicy, 0, (long)mask, KERNEL_NODES, 0,
		       MEMS_ALLOWED);

	/* ENOSYS without NUMA, EPERM in some sandboxes */
	return rc < 0 || !mask[0] ? 1 : mask[0];
}

static void read_cpus(struct qr_topology *topology)
{
	uint64_t mask[KERNEL_CPUS / 64] = {0};
	/* the answer is how many bytes the kernel's mask has */
	long bytes =
		call(SYS_sched_getaffinity, 0, sizeof(mask), (long)mask, 0, 0);
	size_t words = bytes > 0 ? (size_t)bytes / 8 : 0;

	topology->nr_cpu_ids = words ? (unsigned)words * 64 : CPUS_UNASKED;
	topology->nr_cpus = topology->nr_cpu_ids;
	for (; words; words--) {
		uint64_t word = mask[words - 1];

		if (!word)
			continue;
		topology->nr_cpus =
			(unsigned)(words - 1) * 64 + qr_fls(word) + 1;
		break;
	}
}

void qr_topology_read(struct qr_topology *topology)
{
	topology->nodes = allowed_nodes();
	read_cpus(topology);
}

unsigned qr_topology_cpu(unsigned *ret_node)
{
	unsigned cpu = 0, node = 0;
	bool failed;

#ifdef __GLIBC__
	int saved = errno;

	failed = getcpu(&cpu, &node); /* by the vdso where it can */
	errno = saved;
#else
	failed = call(SYS_getcpu, (long)&cpu, (long)&node, 0, 0, 0);
#endif
	if (failed)
		cpu = node = 0;
	*ret_node = node < QR_MAX_NODES ? node : 0;
	return cpu;
}

/* Files of /sys. */
static int reader_open(struct qr_reader *r, const char *root, const char *file)
{
	char path[256];

	if (qr_format(path, sizeof(path), "%s/sys/devices/system/node/%s", root,
		      file) >= sizeof(path))
		return -ENAMETOOLONG;
	return qr_reader_open(r, AT_FDCWD, path);
}

static int reader_open_of_node(struct qr_reader *r, const char *root,
			       unsigned node, const char *name)
{
	char file[64];

	qr_format(file, sizeof(file), "node%u/%s", node, name);
	return reader_open(r, root, file);
}

/*
 * A list as the kernel writes it, "0-3,8,10-11\n" or "\n", as bits of @mask;
 * numbers past its end are left out.  0 or -errno.
 */
static int read_list(struct qr_reader *r, uint64_t *mask, size_t words)
{
	uint64_t from, to;

	memset(mask, 0, words * sizeof(*mask));
	if (qr_take(r, '\n') || qr_peek(r) < 0)
		return r->error;
	do {
		if (!qr_read_number(r, &from))
			return r->error ? r->error : -EINVAL;
		to = from;
		if (qr_take(r, '-') && !qr_read_number(r, &to))
			return r->error ? r->error : -EINVAL;
		for (; from <= to && from < words * 64; from++)
			mask[from / 64] |= UINT64_C(1) << (from % 64);
	} while (qr_take(r, ','));
	if (!qr_take(r, '\n') && qr_peek(r) >= 0)
		return -EINVAL;
	return r->error;
}

/* The nodes that a file names; 0: unknown. */
static uint64_t listed_nodes(const char *root, const char *file)
{
	struct qr_reader r;
	uint64_t mask;
	int rc;

	if (reader_open(&r, root, file))
		return 0;
	rc = read_list(&r, &mask, 1);
	qr_reader_close(&r);
	return rc ? 0 : mask;
}

/*
 * Distances from @node, FARTHEST where unknown.  The file has one number per
 * node that is online, memory or not, without saying which nodes these are.
 */
static void read_distances(const char *root, unsigned node,
			   uint8_t distance[QR_MAX_NODES])
{
	uint64_t online = listed_nodes(root, "online");
	struct qr_reader r;
	uint64_t d;

	memset(distance, FARTHEST, QR_MAX_NODES);
	if (reader_open_of_node(&r, root, node, "distance"))
		return;
	for (; online && qr_read_number(&r, &d); online &= online - 1) {
		distance[qr_ctz(online)] =
			(uint8_t)qr_clamp(d, NEAREST, FARTHEST);
		while (qr_take(&r, ' '))
			;
	}
	qr_reader_close(&r);
}

/*
 * How late a node comes: its distance, and behind all others the nodes that
 * are memory only, because that is slow, or it is meant for something else.
 */
static void read_ranks(const char *root, unsigned node,
		       uint16_t rank[QR_MAX_NODES])
{
	uint64_t with_cpus = listed_nodes(root, "has_cpu");
	uint8_t distance[QR_MAX_NODES];

	read_distances(root, node, distance);
	for (unsigned i = 0; i < QR_MAX_NODES; i++) {
		bool slow = with_cpus && !(with_cpus >> i & 1);

		rank[i] = (uint16_t)(distance[i] + slow * (FARTHEST + 1));
	}
	rank[node] = 0;
}

unsigned qr_topology_zonelist(const char *root, unsigned node, uint64_t mask,
			      uint8_t list[QR_MAX_NODES])
{
	uint16_t rank[QR_MAX_NODES];
	unsigned n = 0;

	read_ranks(root, node, rank);
	/* insertion sort; counting up from @node settles the ties */
	for (unsigned i = 0; i < QR_MAX_NODES; i++) {
		unsigned candidate = (node + i) % QR_MAX_NODES;
		unsigned at = n;

		if (!(mask >> candidate & 1))
			continue;
		for (; at && rank[list[at - 1]] > rank[candidate]; at--)
			list[at] = list[at - 1];
		list[at] = (uint8_t)candidate;
		n++;
	}
	return n;
}

int qr_topology_cpus(const char *root, unsigned node, uint64_t cpus[16])
{
	uint64_t mask[CPU_WORDS];
	struct qr_reader r;
	int rc = reader_open_of_node(&r, root, node, "cpulist");

	if (rc)
		return rc;
	rc = read_list(&r, mask, CPU_WORDS);
	qr_reader_close(&r);
	if (!rc)
		memcpy(cpus, mask, sizeof(mask));
	return rc;
}
