#include "slab/audit.h"

#include "slab/misuse.h"
#include "slab/pcpu.h"
#include "slab/slab.h"

#include <string.h>

enum { MAX_SET = 8192 };

/* Open addressing; what does not fit is not looked at. */
static void *set[MAX_SET];

struct audit {
	size_t mask, room;
	bool suspicious;
};

/* True: it was there already. */
static bool insert(struct audit *audit, void *object)
{
	size_t i = ((uintptr_t)object >> 4) * 0x9e3779b97f4a7c15 >> 32;

	for (i &= audit->mask; set[i]; i = (i + 1) & audit->mask) {
		if (set[i] == object)
			return true;
	}
	if (audit->room) {
		set[i] = object;
		audit->room--;
	}
	return false;
}

static void look(struct qr_cache *cache, void *object, void *arg)
{
	struct audit *audit = arg;

	if (!qr_slab_is_object(cache, (uintptr_t)object) ||
	    insert(audit, object) || qr_slab_looks_free(cache, object))
		audit->suspicious = true;
}

static void audit_cache(struct qr_cache *cache, void *arg)
{
	struct qr_cache **ret_suspicious = arg;
	struct qr_pcpu_counts counts;
	struct audit audit = {0};
	size_t n;

	if (*ret_suspicious)
		return;
	qr_pcpu_count(cache, &counts);
	n = counts.in_arrays + counts.in_barns;
	if (!n)
		return;
	n = qr_min((size_t)2 << qr_order_up(n), MAX_SET);
	memset(set, 0, n * sizeof(set[0]));
	audit.mask = n - 1;
	audit.room = n / 2;
	qr_pcpu_for_each_cached(cache, look, &audit);
	if (audit.suspicious)
		*ret_suspicious = cache;
}

void qr_audit(void)
{
	struct qr_cache *suspicious = NULL;

	qr_caches_for_each(audit_cache, &suspicious);
	if (suspicious)
		qr_pcpu_drain(suspicious);
}
