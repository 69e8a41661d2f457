/*
 * Policies: whose memory a request is for.
 *
 *	LOCAL		the node of the CPU that asks, then the nearest ones
 *	INTERLEAVE	the nodes of a set in turn, as many bytes from each; if
 *			the one whose turn it is has none, any other
 *	BIND		the nearest node of a set, then the others of it, and
 *			none but these
 *
 * A request goes by the policy of its cache, else of its thread, else of the
 * process, whichever is set.  Only the slow path asks, and only where there
 * is more than one node.  A thread with a policy has nothing but slow paths:
 * the arrays hold what suits everybody else (sys/rseq.h, qr_rseq_leave).
 *
 * A policy is a number.  Equal ones have the same, none is ever forgotten, and
 * QR_NO_POLICY is that none is set: for the process, LOCAL.
 *
 * Within Quarry: the kernel backs a zone's addresses with memory of another
 * node rather than none.  Large mappings have the kernel's own policy, and so
 * have all objects where the process is bound (struct qr_nodes_config).
 *
 * Locking: policies are added under qr_span_lock, and never change.
 */
#ifndef QR_ARENA_POLICY_H
#define QR_ARENA_POLICY_H

#include "arena/node.h"

enum qr_policy_kind { QR_POLICY_LOCAL, QR_POLICY_INTERLEAVE, QR_POLICY_BIND };

enum { QR_NO_POLICY, QR_MAX_POLICIES = 32 };

/*
 * The number of a policy; nodes that we have none of are left out of @nodes.
 * -EINVAL: that leaves none; -ENOSPC: too many policies.
 */
int qr_policy_number(enum qr_policy_kind kind, uint64_t nodes);

/* Set once, at boot. */
void qr_policy_set_process(unsigned policy);
/* Of the calling thread.  True: it now has one of its own. */
bool qr_policy_set_thread(unsigned policy);
bool qr_policy_is_own(void);

/* Which one a request follows: that of its cache, if set, or the next. */
unsigned qr_policy_in_force(unsigned of_cache);

/* Whom to ask, and what was had from there: it counts as the node's turn. */
struct qr_place qr_policy_place(unsigned policy);
void qr_policy_note(unsigned policy, const struct qr_place *place,
		    size_t bytes);

/* May what lies on @node stay with CPUs of @home? */
bool qr_policy_suits(unsigned policy, unsigned node, unsigned home);

/* A run by the policy in force; see qr_run_alloc_at. */
struct qr_page *qr_policy_run_alloc(size_t nr_frames, unsigned align_order,
				    bool *ret_clean);

/*
 * Mappings of their own.  A number, below 256, for where their memory comes
 * from if had now: equal numbers, equal placement; and make it so.  @fresh:
 * the mapping is new, else it may have been placed before.
 */
unsigned qr_policy_of_mapping(void);
void qr_policy_place_mapping(void *addr, size_t size, unsigned number,
			     bool fresh);

#endif
