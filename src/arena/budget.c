#include "arena/budget.h"

struct qr_budget qr_budget = {.bar = SIZE_MAX, .mark = SIZE_MAX};

bool qr_budget_take(size_t size)
{
	size_t used = size + atomic_fetch_add_explicit(&qr_budget.used, size,
						       memory_order_relaxed);

	if (qr_likely(used <= qr_budget_top()))
		return true;
	qr_budget_give(size);
	return false;
}

void qr_budget_set_bar(size_t bar)
{
	atomic_store_explicit(&qr_budget.bar, bar, memory_order_relaxed);
}

void qr_budget_set_mark(size_t mark)
{
	atomic_store_explicit(&qr_budget.mark, mark, memory_order_relaxed);
}
