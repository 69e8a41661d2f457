/*
 * NUMA policies as quarry.h offers them, over arena/policy.h.
 */
#include "quarry.h"

#include "core/boot.h"
#include "slab/cache.h"
#include "sys/rseq.h"

#include <errno.h>

static int number_of(enum quarry_numa policy, uint64_t nodes)
{
	switch (policy) {
	case QUARRY_NUMA_DEFAULT:
		return QR_NO_POLICY;
	case QUARRY_NUMA_LOCAL:
		return qr_policy_number(QR_POLICY_LOCAL, UINT64_MAX);
	case QUARRY_NUMA_INTERLEAVE:
		return qr_policy_number(QR_POLICY_INTERLEAVE,
					nodes ? nodes : UINT64_MAX);
	case QUARRY_NUMA_BIND:
		return qr_policy_number(QR_POLICY_BIND, nodes);
	}
	return -EINVAL;
}

QR_EXPORT int quarry_thread_set_numa(enum quarry_numa policy, uint64_t nodes)
{
	int number = qr_boot() ? number_of(policy, nodes) : -ENOMEM;

	if (number < 0)
		return -number;
	if (qr_nr_nodes() == 1)
		return 0;
	if (qr_policy_set_thread((unsigned)number))
		qr_rseq_leave();
	else
		qr_rseq_return();
	return 0;
}

QR_EXPORT int quarry_cache_set_numa(struct quarry_cache *cache,
				    enum quarry_numa policy, uint64_t nodes)
{
	struct qr_cache *inner = (struct qr_cache *)(void *)cache;
	int number = number_of(policy, nodes);

	if (number < 0)
		return -number;
	__atomic_store_n(&inner->policy, (uint8_t)number, __ATOMIC_RELAXED);
	return 0;
}
