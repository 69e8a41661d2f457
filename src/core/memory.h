/*
 * The memory section: every resident byte of ours, and what it is for.
 *
 *	counted		what our own books say
 *	resident	how much of it has memory, as the kernel says
 *	shared		the same, but not ours alone (sys/pagemap.h)
 *	swapped
 *
 * What is counted and none of the others was never touched: pages of a large
 * object that its owner has not got to yet, the end of a slab that is new.
 * How much of the metadata is touched we do not count; there the kernel's
 * figure stands for ours.
 *
 * A slab's pages belong to several parts.  The first that are touched are
 * those of objects in use, the last those of objects that nobody ever had.
 *
 * Not in here: the library's own code and data, and the text of the report.
 */
#ifndef QR_CORE_MEMORY_H
#define QR_CORE_MEMORY_H

#include "core/figures.h"

extern const struct qr_section qr_memory;

/* @format: text and JSON have a sum; metrics are for others to add up. */
void qr_memory_write(struct qr_out *out, enum quarry_format format);

#endif
