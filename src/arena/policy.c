#include "arena/policy.h"

#include "arena/vma.h"
#include "sys/map.h"

#include <errno.h>

static_assert((int)QR_MAX_NODES + (int)QR_MAX_POLICIES < (int)QR_VMA_ANY_NODE,
	      "numbers of mappings");

static struct policy {
	enum qr_policy_kind kind;
	uint64_t nodes;
	/* INTERLEAVE: bytes had of each node; about right is enough */
	_Atomic uint64_t given[QR_MAX_NODES];
} policies[QR_MAX_POLICIES];

static _Atomic unsigned nr_policies = 1; /* with QR_NO_POLICY */
static unsigned of_process;
static _Thread_local uint8_t of_thread;

static unsigned find(enum qr_policy_kind kind, uint64_t nodes)
{
	/* acquire: pairs with add */
	unsigned n = atomic_load_explicit(&nr_policies, memory_order_acquire);

	for (unsigned i = 1; i < n; i++) {
		if (policies[i].kind == kind && policies[i].nodes == nodes)
			return i;
	}
	return QR_NO_POLICY;
}

static int add(enum qr_policy_kind kind, uint64_t nodes)
{
	unsigned i = find(kind, nodes); /* another thread was faster */

	if (i)
		return (int)i;
	i = atomic_load_explicit(&nr_policies, memory_order_relaxed);
	if (i == QR_MAX_POLICIES)
		return -ENOSPC;
	policies[i].kind = kind;
	policies[i].nodes = nodes;
	/* release: pairs with find */
	atomic_store_explicit(&nr_policies, i + 1, memory_order_release);
	return (int)i;
}

int qr_policy_number(enum qr_policy_kind kind, uint64_t nodes)
{
	int i;

	nodes &= qr_nodes_mask();
	if (!nodes)
		return -EINVAL;
	if (kind == QR_POLICY_LOCAL)
		nodes = qr_nodes_mask();
	i = (int)find(kind, nodes);
	if (i)
		return i;
	qr_lock_acquire(&qr_span_lock);
	i = add(kind, nodes);
	qr_lock_release(&qr_span_lock);
	return i;
}

void qr_policy_set_process(unsigned policy)
{
	of_process = policy;
}

bool qr_policy_set_thread(unsigned policy)
{
	/* what everybody has needs no slow path */
	if (policies[policy].kind == QR_POLICY_LOCAL && !of_process)
		policy = QR_NO_POLICY;
	of_thread = (uint8_t)(policy == of_process ? QR_NO_POLICY : policy);
	return of_thread;
}

bool qr_policy_is_own(void)
{
	return of_thread;
}

unsigned qr_policy_in_force(unsigned of_cache)
{
	if (qr_likely(qr_nr_nodes() == 1))
		return QR_NO_POLICY;
	if (of_cache)
		return of_cache;
	return of_thread ? of_thread : of_process;
}

/* The node that has given the least. */
static unsigned next_in_turn(struct policy *policy)
{
	uint64_t least = UINT64_MAX;
	unsigned next = 0;

	for (uint64_t left = policy->nodes; left; left &= left - 1) {
		unsigned node = qr_ctz(left);
		uint64_t given = atomic_load_explicit(&policy->given[node],
						      memory_order_relaxed);

		if (given < least) {
			least = given;
			next = node;
		}
	}
	return next;
}

struct qr_place qr_policy_place(unsigned policy)
{
	struct qr_place place = qr_place_near(qr_home_node());
	struct policy *p = &policies[policy];

	if (qr_likely(!policy))
		return place;
	if (p->kind == QR_POLICY_INTERLEAVE) {
		place.node = next_in_turn(p);
		place.interleave = true;
	} else if (p->kind == QR_POLICY_BIND) {
		place.node = qr_nearest_node(place.home, p->nodes);
		place.nodes = p->nodes;
	}
	return place;
}

void qr_policy_note(unsigned policy, const struct qr_place *place, size_t bytes)
{
	if (qr_unlikely(place->interleave))
		atomic_fetch_add_explicit(&policies[policy].given[place->node],
					  bytes, memory_order_relaxed);
}

bool qr_policy_suits(unsigned policy, unsigned node, unsigned home)
{
	if (policies[policy].kind == QR_POLICY_LOCAL)
		return node == home;
	return policies[policy].nodes >> node & 1;
}

struct qr_page *qr_policy_run_alloc(size_t nr_frames, unsigned align_order,
				    bool *ret_clean)
{
	unsigned policy = qr_policy_in_force(QR_NO_POLICY);
	struct qr_place place = qr_policy_place(policy);
	struct qr_page *page = qr_run_alloc_at(&place, nr_frames, align_order,
					       ret_clean);

	if (page)
		qr_policy_note(policy, &place, nr_frames << QR_FRAME_SHIFT);
	return page;
}

unsigned qr_policy_of_mapping(void)
{
	unsigned policy = qr_policy_in_force(QR_NO_POLICY);

	if (qr_nr_nodes() == 1)
		return QR_VMA_ANY_NODE;
	if (policies[policy].kind == QR_POLICY_LOCAL)
		return qr_home_node();
	return QR_MAX_NODES + policy;
}

void qr_policy_place_mapping(void *addr, size_t size, unsigned number,
			     bool fresh)
{
	uint64_t bound = qr_nodes_bound();

	if (number >= QR_MAX_NODES && number != QR_VMA_ANY_NODE) {
		struct policy *p = &policies[number - QR_MAX_NODES];

		if (p->kind == QR_POLICY_INTERLEAVE)
			qr_map_interleave(addr, size, p->nodes);
		else
			qr_map_bind_within(
				addr, size, p->nodes,
				qr_nearest_node(qr_home_node(), p->nodes));
	} else if (bound) {
		qr_map_bind_within(
			addr, size, bound,
			number == QR_VMA_ANY_NODE ? qr_ctz(bound) : number);
	} else if (!fresh && number != QR_VMA_ANY_NODE) {
		qr_map_unbind(addr, size);
	}
}
