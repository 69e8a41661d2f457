/*
 * Read-copy-update by liburcu's bulletproof flavour; see sys/rcu.h.
 *
 * The program may use the same flavour, and the domain is one for the whole
 * process.  So a thread inside the program's own read section never waits for
 * a grace period here, and nobody waits but in qr_rcu_hurry(), rarely.
 *
 * liburcu aborts where it cannot map memory to register a thread; so a
 * thread's first read section looks whether there is any, and does without
 * protection where there is none.
 *
 *	started		grace periods begun
 *	completed	the latest begun one that has ended; all begun before
 *			it have served too
 */
#include "sys/rcu.h"

#include "base/compiler.h"
#include "sys/map.h"

#include <stdatomic.h>
#include <urcu/urcu-bp.h>

static const size_t REGISTRATION = (size_t)1 << 18; /* more than enough */

static _Atomic unsigned long started, completed;
static _Thread_local bool registered;

static bool may_register(void)
{
	void *probe = qr_map_map(REGISTRATION, qr_page_size());

	if (!probe)
		return false;
	qr_map_unmap(probe, REGISTRATION);
	registered = true;
	return true;
}

unsigned qr_rcu_read_lock(void)
{
	if (qr_unlikely(!registered) && !may_register())
		return QR_RCU_NONE;
	urcu_bp_read_lock();
	return 0;
}

void qr_rcu_read_unlock(unsigned token)
{
	if (token != QR_RCU_NONE)
		urcu_bp_read_unlock();
}

unsigned long qr_rcu_cookie(void)
{
	/* seq_cst: a grace period counted later begins later */
	return atomic_load_explicit(&started, memory_order_seq_cst) + 1;
}

bool qr_rcu_passed(unsigned long cookie)
{
	/* acquire: pairs with the exchange in qr_rcu_hurry */
	unsigned long now =
		atomic_load_explicit(&completed, memory_order_acquire);

	return (long)(now - cookie) >= 0;
}

void qr_rcu_poll(void)
{
}

void qr_rcu_hurry(void)
{
	if (!registered && !may_register())
		return;
	if (urcu_bp_read_ongoing())
		return;

	unsigned long mine =
		atomic_fetch_add_explicit(&started, 1, memory_order_seq_cst) +
		1;

	urcu_bp_synchronize_rcu();

	unsigned long latest =
		atomic_load_explicit(&completed, memory_order_relaxed);

	/* release: pairs with the acquire in qr_rcu_passed */
	while ((long)(mine - latest) > 0 &&
	       !atomic_compare_exchange_weak_explicit(&completed, &latest, mine,
						      memory_order_acq_rel,
						      memory_order_relaxed))
		;
}

void qr_rcu_before_fork(void)
{
	urcu_bp_before_fork();
}

void qr_rcu_after_fork(bool child)
{
	if (child)
		urcu_bp_after_fork_child();
	else
		urcu_bp_after_fork_parent();
}

const char *qr_rcu_name(void)
{
	return "liburcu-bp";
}
