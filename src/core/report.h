/*
 * The reports: slabinfo, buddyinfo, zoneinfo, mappings, vmstat.
 *
 * Written to a qr_out, text or JSON, without allocating.  Figures are read
 * under the locks that guard them, one cache or zone at a time.
 */
#ifndef QR_CORE_REPORT_H
#define QR_CORE_REPORT_H

#include "quarry.h"
#include "sys/print.h"

void qr_report_write(struct qr_out *out, enum quarry_format format,
		     unsigned sections);

/* To stderr, if option report says so. */
void qr_report_at_exit(void);

#endif
