#include "core/fork.h"

#include "arena/large.h"
#include "arena/meta.h"
#include "arena/node.h"
#include "core/reclaim.h"
#include "core/shrinker.h"
#include "slab/cache.h"
#include "sys/rcu.h"

void qr_fork_prepare(void)
{
	qr_rcu_before_fork(); /* ahead of every lock: see there */
	qr_lock_allow_same_rank(true);
	qr_shrinkers_lock_all();
	qr_caches_lock_all();
	qr_large_lock_all();
	qr_nodes_lock_all();
	qr_meta_lock_all();
}

static void unlock_all(bool child)
{
	qr_meta_unlock_all(child);
	qr_nodes_unlock_all(child);
	qr_large_unlock_all(child);
	qr_caches_unlock_all(child);
	qr_shrinkers_unlock_all(child);
	qr_lock_allow_same_rank(false);
	qr_rcu_after_fork(child);
}

void qr_fork_parent(void)
{
	unlock_all(false);
}

void qr_fork_child(void)
{
	unlock_all(true);
	qr_reclaim_after_fork();
}
