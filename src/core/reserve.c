#include "core/reserve.h"

#include "arena/budget.h"
#include "sys/map.h"

static _Atomic(void *) addresses;
static _Atomic bool opened;	  /* once */
static _Atomic size_t refused_at; /* bytes used, and 1; 0: never */

void qr_reserve_fill(void)
{
	void *none = NULL, *fresh;

	if (atomic_load_explicit(&addresses, memory_order_relaxed))
		return;
	fresh = qr_map_map(QR_RESERVE, qr_page_size());
	if (fresh && !atomic_compare_exchange_strong_explicit(
			     &addresses, &none, fresh, memory_order_relaxed,
			     memory_order_relaxed))
		qr_map_unmap(fresh, QR_RESERVE);
}

void qr_reserve_note_freed(size_t bytes)
{
	if (bytes < QR_RESERVE)
		return;
	atomic_store_explicit(&refused_at, 0, memory_order_relaxed);
	if (atomic_load_explicit(&opened, memory_order_relaxed))
		qr_reserve_fill();
}

bool qr_reserve_open(void)
{
	void *held = atomic_exchange_explicit(&addresses, NULL,
					      memory_order_relaxed);

	if (!held)
		return false;
	atomic_store_explicit(&opened, true, memory_order_relaxed);
	return qr_map_unmap(held, QR_RESERVE) == 0;
}

void qr_reserve_note_refusal(void)
{
	atomic_store_explicit(&refused_at, qr_budget_used() + 1,
			      memory_order_relaxed);
}

bool qr_reserve_is_for(size_t size)
{
	size_t at = atomic_load_explicit(&refused_at, memory_order_relaxed);

	return size <= QR_RESERVE_OBJECT && at &&
	       qr_budget_used() <= at + QR_RESERVE;
}
