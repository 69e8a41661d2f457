/*
 * quarry.h, but for the caches: those are in core/kmem_cache.c.
 */
#include "quarry.h"

#include "api/text.h"
#include "arena/budget.h"
#include "core/boot.h"
#include "core/core.h"
#include "core/limit.h"
#include "core/reclaim.h"
#include "core/report.h"
#include "core/shrinker.h"

#include <errno.h>

QR_EXPORT const char *quarry_version(void)
{
	return QR_VERSION;
}

static int write_all(int fd, const struct qr_text *text)
{
	struct qr_out out;

	qr_out_init_fd(&out, fd);
	return out.sink(out.arg, text->base, text->used);
}

QR_EXPORT int quarry_report(int fd, enum quarry_format format,
			    unsigned sections)
{
	struct qr_text text;
	int error;

	if (format != QUARRY_TEXT && format != QUARRY_JSON &&
	    format != QUARRY_METRICS)
		return EINVAL;
	if (sections & ~(unsigned)QUARRY_ALL_SECTIONS)
		return EINVAL;
	qr_text_init(&text);
	qr_report_write(&text.out, format, sections);
	error = qr_text_finish(&text);
	if (!error)
		error = write_all(fd, &text);
	qr_text_destroy(&text);
	return -error;
}

QR_EXPORT size_t quarry_trim(void)
{
	return qr_reclaim_trim(0, QR_BY_REQUEST);
}

QR_EXPORT size_t quarry_resident_bytes(void)
{
	return qr_budget_used();
}

QR_EXPORT void quarry_set_limit(size_t bytes, bool hard)
{
	if (qr_boot())
		qr_limit_set(bytes, hard);
}

QR_EXPORT int quarry_shrinker_register(size_t (*shrink)(void *arg,
							size_t bytes),
				       void *arg)
{
	return -qr_shrinker_register(shrink, arg);
}

QR_EXPORT int quarry_shrinker_unregister(size_t (*shrink)(void *arg,
							  size_t bytes),
					 void *arg)
{
	return -qr_shrinker_unregister(shrink, arg);
}

QR_EXPORT size_t quarry_balloon(size_t bytes)
{
	return qr_balloon(bytes);
}

QR_EXPORT size_t quarry_live_bytes(void)
{
	struct qr_totals totals;

	qr_read_totals(&totals);
	return totals.live;
}
