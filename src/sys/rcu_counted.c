/*
 * Read-copy-update by counting readers; see sys/rcu.h.
 *
 * Time has two colours, and time's last bit is the current one.  A reader
 * counts itself under the colour it found, in one of several slots so that
 * threads do not share a cache line.
 *
 *	read_lock	count[slot][time & 1]++
 *	read_unlock	the same count--
 *	poll		if every slot of the colour that is not current is zero:
 *			time++
 *
 * What is unpublished at time t may be reused at t + 2.  The step to t + 1
 * saw each slot of colour t + 1 at zero after the unpublishing, the step to
 * t + 2 the same of colour t; so every reader that had counted itself before,
 * under either colour, has gone.  A reader that counts itself later (also one
 * that read a time long past) loads the root after that and finds the new
 * version: both sides are seq_cst, so one of them sees the other.
 */
#include "sys/rcu.h"

#include "base/compiler.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>

enum { SLOT_BITS = 5, NR_SLOTS = 1 << SLOT_BITS };

static struct slot {
	_Atomic unsigned long count[2];
} QR_ALIGNED(64) slots[NR_SLOTS];

static _Atomic unsigned long time;

/* Threads differ in the address of their errno. */
static unsigned slot_of_thread(void)
{
	uint64_t hash = (uintptr_t)&errno * UINT64_C(0x9e3779b97f4a7c15);

	return (unsigned)(hash >> (64 - SLOT_BITS));
}

unsigned qr_rcu_read_lock(void)
{
	unsigned slot = slot_of_thread();
	unsigned colour = atomic_load_explicit(&time, memory_order_seq_cst) & 1;

	/* seq_cst: see the top */
	atomic_fetch_add_explicit(&slots[slot].count[colour], 1,
				  memory_order_seq_cst);
	return slot << 1 | colour;
}

void qr_rcu_read_unlock(unsigned token)
{
	/* release: pairs with the loads in step */
	atomic_fetch_sub_explicit(&slots[token >> 1].count[token & 1], 1,
				  memory_order_release);
}

unsigned long qr_rcu_cookie(void)
{
	return atomic_load_explicit(&time, memory_order_seq_cst) + 2;
}

bool qr_rcu_passed(unsigned long cookie)
{
	/* acquire: pairs with the store in step */
	unsigned long now = atomic_load_explicit(&time, memory_order_acquire);

	return (long)(now - cookie) >= 0;
}

static bool step(void)
{
	unsigned long now = atomic_load_explicit(&time, memory_order_relaxed);

	for (unsigned i = 0; i < NR_SLOTS; i++) {
		if (atomic_load_explicit(&slots[i].count[(now + 1) & 1],
					 memory_order_seq_cst))
			return false;
	}
	atomic_store_explicit(&time, now + 1, memory_order_seq_cst);
	return true;
}

void qr_rcu_poll(void)
{
	if (step())
		step();
}

void qr_rcu_hurry(void)
{
}

void qr_rcu_before_fork(void)
{
}

/* The child has none of the readers that were counted. */
void qr_rcu_after_fork(bool child)
{
	for (unsigned i = 0; child && i < NR_SLOTS; i++) {
		atomic_store_explicit(&slots[i].count[0], 0,
				      memory_order_relaxed);
		atomic_store_explicit(&slots[i].count[1], 0,
				      memory_order_relaxed);
	}
}

const char *qr_rcu_name(void)
{
	return "counted";
}
