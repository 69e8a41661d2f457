/*
 * The sections of a report that are figures (core/figures.h); each is a file,
 * and so is memory, which has a header of its own:
 *
 *	slabinfo	per cache: objects, slabs, and where free objects are
 *	zoneinfo	per node: frames, watermarks, what went where
 *	numastat	per node: whose wishes it served, as the kernel counts
 *	vmstat		of the process
 *
 * Figures are read under the locks that guard them, one cache or zone at a
 * time: exact while nobody allocates or frees.
 */
#ifndef QR_CORE_SECTIONS_H
#define QR_CORE_SECTIONS_H

#include "core/figures.h"

extern const struct qr_section qr_slabinfo;
extern const struct qr_section qr_zoneinfo;
extern const struct qr_section qr_numastat;
extern const struct qr_section qr_vmstat;

#endif
