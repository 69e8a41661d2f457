/*
 * What the suites of src/slab share: everything below core, set up as boot
 * does, in the mode that QUARRY_OPTIONS asks for.
 */
#ifndef QR_TEST_SLAB_H
#define QR_TEST_SLAB_H

#include "arena.h"

#include "arena/budget.h"
#include "base/option.h"
#include "slab/barn.h"
#include "slab/pcpu.h"
#include "slab/slab.h"
#include "sys/rseq.h"
#include "sys/topology.h"

static inline enum qr_rseq_mode slab_mode(void)
{
	const char *text = getenv("QUARRY_OPTIONS");
	struct qr_options options;

	qr_options_init(&options);
	if (text)
		qr_options_parse(&options, text, strlen(text), NULL, NULL);
	return (enum qr_rseq_mode)options.value[QR_OPT_RSEQ];
}

/* Nodes that this machine need not have: the kernel falls back. */
static inline void slab_init_nodes(uint64_t nodes)
{
	struct qr_nodes_config config = arena_config(1024 * MIB);
	struct qr_topology topology;

	config.nodes = nodes;
	qr_topology_read(&topology);
	cr_assert_eq(qr_nodes_init(&config), 0);
	qr_rseq_init(slab_mode(), qr_nr_nodes() == 1);
	qr_caches_init();
	cr_assert_eq(qr_pcpu_init(topology.nr_cpu_ids, topology.nr_cpus), 0);
}

static inline void slab_init(void)
{
	slab_init_nodes(1);
}

static inline struct qr_cache *cache_of(size_t size)
{
	return qr_caches[2 * qr_class_of(size)];
}

#endif
