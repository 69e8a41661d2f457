/*
 * The reports: memory (core/memory.h), other sections of figures
 * (core/sections.h), and the tables buddyinfo and mappings.
 *
 * Written to a qr_out, as text, JSON or metrics, without allocating.
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
