/*
 * What the programs for a machine with several nodes share: on which CPU a
 * thread runs, and on which node a page lies, by the kernel's word.
 */
#ifndef QR_TEST_VM_H
#define QR_TEST_VM_H

#include <errno.h>
#include <linux/mempolicy.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { MAX_NODES = 8, PAGE = 4096 };

__attribute__((noreturn, format(printf, 1, 2))) static inline void
fail(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	_exit(1);
}

#define CHECK(condition, ...)                                      \
	do {                                                       \
		if (!(condition)) {                                \
			fputs("not so: " #condition "  ", stderr); \
			fail(__VA_ARGS__);                         \
		}                                                  \
	} while (0)

static inline void run_on_cpu(unsigned cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	CHECK(sched_setaffinity(0, sizeof(set), &set) == 0, "CPU %u", cpu);
}

static inline unsigned node_of_this_cpu(void)
{
	unsigned cpu, node;

	CHECK(syscall(SYS_getcpu, &cpu, &node, NULL) == 0, " ");
	return node;
}

/* The first CPU of @node. */
static inline unsigned cpu_of_node(unsigned node)
{
	for (unsigned cpu = 0; cpu < sysconf(_SC_NPROCESSORS_ONLN); cpu++) {
		run_on_cpu(cpu);
		if (node_of_this_cpu() == node)
			return cpu;
	}
	fail("node %u has no CPU", node);
}

/* The node that the page at @p lies on; it must have been touched. */
static inline unsigned node_of(const void *p)
{
	int node = -1;

	CHECK(syscall(SYS_get_mempolicy, &node, NULL, 0, p,
		      MPOL_F_NODE | MPOL_F_ADDR) == 0,
	      " ");
	return (unsigned)node;
}

/* Touch every page of @size bytes, and count the nodes they lie on. */
static inline void count_pages(void *p, size_t size, size_t pages[MAX_NODES])
{
	memset(p, 0x5a, size);
	for (uintptr_t at = (uintptr_t)p & -(uintptr_t)PAGE;
	     at < (uintptr_t)p + size; at += PAGE)
		pages[node_of((void *)at)]++;
}

static inline unsigned nr_nodes(void)
{
	char path[64];
	unsigned n = 0;

	do
		snprintf(path, sizeof(path), "/sys/devices/system/node/node%u",
			 n);
	while (access(path, F_OK) == 0 && ++n < MAX_NODES);
	return n;
}

/* A number behind "NAME:" in a node's meminfo, in bytes. */
static inline size_t node_memory(unsigned node, const char *name)
{
	char path[64], line[256];
	unsigned long kib;
	FILE *file;

	snprintf(path, sizeof(path), "/sys/devices/system/node/node%u/meminfo",
		 node);
	file = fopen(path, "r");
	CHECK(file, "%s", path);
	while (fgets(line, sizeof(line), file)) {
		char *at = strstr(line, name);

		if (at && sscanf(at + strlen(name), ": %lu kB", &kib) == 1) {
			fclose(file);
			return kib * 1024;
		}
	}
	fail("%s: no %s", path, name);
}

/* Nodes with memory by their distance from @node, nearest first. */
static inline unsigned nearest(unsigned node, unsigned list[MAX_NODES])
{
	unsigned distance[MAX_NODES], n = 0, all = nr_nodes();
	char path[64];
	FILE *file;

	snprintf(path, sizeof(path), "/sys/devices/system/node/node%u/distance",
		 node);
	file = fopen(path, "r");
	CHECK(file, "%s", path);
	for (unsigned other = 0; other < all; other++) {
		unsigned d, at;

		CHECK(fscanf(file, "%u", &d) == 1, "%s", path);
		if (!node_memory(other, "MemTotal"))
			continue;
		for (at = n++; at > 0 && distance[at - 1] > d; at--) {
			distance[at] = distance[at - 1];
			list[at] = list[at - 1];
		}
		distance[at] = d;
		list[at] = other;
	}
	fclose(file);
	return n;
}

#endif
