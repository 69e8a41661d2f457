#include "core/boot.h"

#include "arena/large.h"
#include "arena/policy.h"
#include "core/config.h"
#include "core/fork.h"
#include "core/limit.h"
#include "core/news.h"
#include "core/reclaim.h"
#include "core/report.h"
#include "slab/audit.h"
#include "slab/hot.h"
#include "slab/pcpu.h"
#include "sys/limits.h"
#include "sys/print.h"
#include "sys/topology.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

_Atomic int qr_boot_state;
struct qr_hot qr_hot;

static struct qr_options options;

uint64_t qr_option(enum qr_option_id id)
{
	return options.value[id];
}

/* One line, whatever the item holds: it ends before a control character. */
static void complain(void *arg, const char *item, size_t length)
{
	size_t shown = 0;

	(void)arg;
	while (shown < length && (unsigned char)item[shown] >= ' ')
		shown++;
	qr_warn("option not understood: %.*s", (int)shown, item);
}

static void read_options(void)
{
	const char *text = qr_environment("QUARRY_OPTIONS");

	qr_options_init(&options);
	qr_options_parse(&options, QUARRY_DEFAULT_OPTIONS,
			 sizeof(QUARRY_DEFAULT_OPTIONS) - 1, complain, NULL);
	if (text)
		qr_options_parse(&options, text, strlen(text), complain, NULL);
}

/*
 * How much address space: what the machine's memory could ever fill, twice.
 * Under a limit the span takes what it needs as it grows.
 */
static size_t span_size(const struct qr_limits *limits)
{
	size_t size = options.value[QR_OPT_RESERVE];

	if (!size)
		size = qr_max(2 * limits->memory, (size_t)64 << 30);
	size = qr_max(size, (size_t)64 << 20);
	return qr_min(size, limits->address_space);
}

/* The words of option numa. */
enum { NUMA_LOCAL, NUMA_INTERLEAVE, NUMA_INTERLEAVE_LIST, NUMA_BIND };

static void complain_of_nodes(void)
{
	qr_warn("option numa: none of these nodes may be used");
}

/* What is left out does not exist. */
static void bind_nodes(struct qr_nodes_config *config)
{
	uint64_t nodes = config->nodes & options.list[QR_OPT_NUMA];

	if (!nodes) {
		complain_of_nodes();
		return;
	}
	config->bound = nodes != config->nodes;
	config->nodes = nodes;
}

static int boot_nodes(const struct qr_topology *topology,
		      const struct qr_limits *limits)
{
	struct qr_nodes_config config = {
		.nodes = topology->nodes,
		.nr_cpus = topology->nr_cpus,
		.high = options.value[QR_OPT_DIRTY],
		.max_spans = QR_MAX_SPANS,
		.huge = (enum qr_huge_wish)options.value[QR_OPT_THP],
		.sysfs_root = "",
	};

	config.span_size = span_size(limits);
	config.extended = limits->address_space != SIZE_MAX;
	/* one node's worth of nodes is none */
	if (options.value[QR_OPT_NODES])
		config.nodes = 1;
	else if (options.value[QR_OPT_NUMA] == NUMA_BIND)
		bind_nodes(&config);
	return qr_nodes_init(&config);
}

/* After the nodes. */
static void boot_policy(void)
{
	uint64_t word = options.value[QR_OPT_NUMA];
	uint64_t nodes = options.list[QR_OPT_NUMA];
	int policy;

	if (word != NUMA_INTERLEAVE && word != NUMA_INTERLEAVE_LIST)
		return;
	policy = qr_policy_number(QR_POLICY_INTERLEAVE,
				  nodes ? nodes : UINT64_MAX);
	if (policy > 0)
		qr_policy_set_process((unsigned)policy);
	else
		complain_of_nodes();
}

/* The hit path may hit from now on. */
static void open_hot_path(void)
{
	const struct qr_span *span = &qr_spans[0];

	if (qr_rseq.mode == QR_RSEQ_OFF || !qr_rseq.regions)
		return;
	qr_hot.frame_bytes = span->frame_bytes;
	qr_hot.nr_sizes = QR_NR_SIZES;
	/* release: whoever sees the number sees the bytes */
	__atomic_store_n(&qr_hot.nr_frames, span->nr_frames, __ATOMIC_RELEASE);
}

/*
 * What was asked for; locks where regions for every id would take much of a
 * limited address space.
 */
static enum qr_rseq_mode rseq_wish(const struct qr_limits *limits,
				   unsigned nr_ids)
{
	return qr_pcpu_regions_size(nr_ids) > limits->address_space / 4
		       ? QR_RSEQ_OFF
		       : (enum qr_rseq_mode)options.value[QR_OPT_RSEQ];
}

static bool boot(void)
{
	struct qr_topology topology;
	struct qr_limits limits;

	read_options();
	qr_topology_read(&topology);
	qr_limits_read(&limits);
	if (boot_nodes(&topology, &limits))
		return false;
	boot_policy();
	qr_large_set_limit(options.value[QR_OPT_DIRTY]);
	qr_limit_init();
	qr_rseq_init(rseq_wish(&limits, topology.nr_cpu_ids),
		     qr_nr_nodes() == 1);
	qr_caches_init();
	if (qr_pcpu_init(topology.nr_cpu_ids, topology.nr_cpus) == 0)
		open_hot_path();
	return true;
}

bool qr_boot_slow(void)
{
	int state = QR_BOOT_COLD;

	if (atomic_compare_exchange_strong_explicit(
		    &qr_boot_state, &state, QR_BOOT_BOOTING,
		    memory_order_acquire, memory_order_acquire)) {
		state = boot() ? QR_BOOT_READY : QR_BOOT_FAILED;
		/* release: pairs with the acquires here and in qr_boot */
		atomic_store_explicit(&qr_boot_state, state,
				      memory_order_release);
	}
	while (state == QR_BOOT_BOOTING) {
		sched_yield();
		state = atomic_load_explicit(&qr_boot_state,
					     memory_order_acquire);
	}
	return state == QR_BOOT_READY;
}

/* Misuse that no flush has met comes to light at the latest here. */
__attribute__((destructor(101))) static void destructor(void)
{
	if (atomic_load_explicit(&qr_boot_state, memory_order_acquire) ==
	    QR_BOOT_READY) {
		qr_reclaim_allow(false);
		qr_audit();
	}
	qr_report_at_exit();
}

/* When libc can be used; early, because others' constructors may fork. */
__attribute__((constructor(101))) static void constructor(void)
{
	if (!qr_boot())
		return;
	qr_news_read_environment();
	pthread_atfork(qr_fork_prepare, qr_fork_parent, qr_fork_child);
	qr_reclaim_allow(true);
}
