/*
 * CPUs and NUMA nodes, as the kernel tells them.
 *
 * Two parts: what can be asked by system calls without opening a file (at
 * start), and what /sys knows (distances; read once, lazily, when a zone is
 * exhausted for the first time).
 *
 * Node ids of the kernel may have gaps; they are the index everywhere here.
 */
#ifndef QR_SYS_TOPOLOGY_H
#define QR_SYS_TOPOLOGY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { QR_MAX_NODES = 64 };

struct qr_topology {
	uint64_t nodes;		/* mask of nodes with memory we may use */
	unsigned nr_cpus;	/* CPU numbers are below this: those that we
				   may run on at the time of the call */
	unsigned nr_cpu_ids;	/* and whatever happens later, below this */
};

/*
 * get_mempolicy(MPOL_F_MEMS_ALLOWED), sched_getaffinity: 2 system calls.
 * Where the kernel refuses: node 0; 1024 CPUs.
 */
void qr_topology_read(struct qr_topology *topology);

/*
 * CPU the caller runs on, and its node; never fails (0, 0 at worst).  A node
 * past QR_MAX_NODES is told as 0.
 */
unsigned qr_topology_cpu(unsigned *ret_node);

/*
 * The zonelist of @node: the nodes of @mask, nearest first, by
 * ROOT/sys/devices/system/node/nodeN/distance; @node itself first when it is
 * in @mask; nodes without CPUs, by ROOT/.../has_cpu, after all that have some;
 * ties by index counted up from @node, so that the load spreads.  Without the
 * files: by that order alone.  Writes one byte per node of @mask and returns
 * how many.  @root is "" or the root of a fake tree.
 */
unsigned qr_topology_zonelist(const char *root, unsigned node, uint64_t mask,
			      uint8_t list[QR_MAX_NODES]);

/* Bit mask of the CPUs of @node up to 1024, from nodeN/cpulist; 0 or -errno */
int qr_topology_cpus(const char *root, unsigned node, uint64_t cpus[16]);

#endif
