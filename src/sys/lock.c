#include "sys/lock.h"

#include "sys/futex.h"

enum {
	SPINS = 100	/* about as long as the longest section under a lock */
};

static void cpu_relax(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

void qr_lock_init(struct qr_lock *lock, enum qr_lock_rank rank)
{
	atomic_init(&lock->word, 0);
	lock->rank = rank;
}

/*
 * U. Drepper, "Futexes Are Tricky", mutex 3: whoever had to wait leaves 2
 * behind, because others may wait too.
 */
void qr_lock_acquire_slow(struct qr_lock *lock)
{
	for (int i = 0; i < SPINS; i++) {
		uint32_t free_word = 0;

		if (atomic_load_explicit(&lock->word, memory_order_relaxed) ==
			    0 &&
		    atomic_compare_exchange_weak_explicit(
			    &lock->word, &free_word, 1, memory_order_acquire,
			    memory_order_relaxed))
			return;
		cpu_relax();
	}
	/* acquire: pairs with the release in qr_lock_release */
	while (atomic_exchange_explicit(&lock->word, 2,
					memory_order_acquire) != 0)
		qr_futex_wait(&lock->word, 2);
}

void qr_lock_release_slow(struct qr_lock *lock)
{
	qr_futex_wake(&lock->word);
}

#ifdef QR_LOCK_DEBUG

/* How many locks of each rank this thread holds; fork holds many of one. */
static _Thread_local uint32_t held[QR_NR_RANKS];
static _Thread_local bool same_rank_allowed;

void qr_lock_allow_same_rank(bool allow)
{
	same_rank_allowed = allow;
}

void qr_lock_check_order(const struct qr_lock *lock)
{
	for (unsigned rank = lock->rank; rank < QR_NR_RANKS; rank++) {
		if (held[rank] && !(rank == lock->rank && same_rank_allowed))
			__builtin_trap();
	}
}

void qr_lock_note_acquired(struct qr_lock *lock)
{
	held[lock->rank]++;
}

void qr_lock_note_released(struct qr_lock *lock)
{
	if (!held[lock->rank])
		__builtin_trap();
	held[lock->rank]--;
}

void qr_lock_assert_held(const struct qr_lock *lock)
{
	if (!held[lock->rank] ||
	    !atomic_load_explicit(&lock->word, memory_order_relaxed))
		__builtin_trap();
}

#endif
