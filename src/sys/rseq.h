/*
 * Restartable sequences: work on the data of one CPU without atomics.
 *
 * P. Turner and A. Hunter, "PerCpu Atomics" (Linux Plumbers 2013);
 * M. Desnoyers' rseq(2).  The kernel aborts a sequence that was preempted,
 * migrated or interrupted by a signal: it jumps to the abort handler, and
 * nothing has happened, because a sequence changes shared state in its very
 * last instruction only.
 *
 * Data is indexed by an id that no two running threads of the process share:
 * mm_cid (concurrency ids: dense, as few as threads run at once) where the
 * kernel fills it in, else the CPU number.
 *
 * The data of one id is a region of 2^QR_REGION_SHIFT bytes that begins with
 * rows, two words each, four 32-bit indices of 8-byte slots of the region:
 *
 *	at	one past the top of the allocation array
 *	al	its bottom
 *	ft	one past the top of the free array
 *	fl	its limit
 *
 * The operations in pseudo-code; each line in braces is one instruction:
 *
 *	pop(row)                          push(row, object)
 *		{ area->rseq_cs = ... }           { area->rseq_cs = ... }
 *	     begin:                            begin:
 *		r = regions[area->id]             r = regions[area->id]
 *		if (r->row.at <= r->row.al)       if (r->row.ft >= r->row.fl)
 *			return EMPTY                      return FULL
 *		object = r[r->row.at - 1]         r[r->row.ft] = object
 *		{ r->row.at-- }                   { r->row.ft++ }
 *	     end:                              end:
 *		return object                     return DONE
 *	     abort:                            abort:
 *		start again                       start again
 *
 *	change(id, row, expect, desired, dst, src, n)
 *		{ area->rseq_cs = &this sequence }
 *	     begin:
 *		if (area->id != id) return MOVED
 *		if (*row != expect) return CHANGED
 *		dst[0 .. n-1] = src[0 .. n-1]
 *		{ *row = desired }	(one store of 16 bytes)
 *	     end:
 *		return 0
 *	     abort:
 *		return MOVED
 *
 * Indices are 32 bits wide because the pop after a pop waits for its store,
 * and shorter stores are forwarded later: 16 bits cost a third more per pair.
 *
 * A row with at <= al and ft >= fl misses whatever else it holds: zeros, or
 * the stop pattern.  What excludes what:
 *
 *	             other sequences    a drain of another CPU's data
 *	sequence     same CPU: abort    stop pattern, then qr_rseq_barrier()
 *	drain        as left            QR_RANK_DRAIN
 *
 * A thread without a registered area has a negative id: the two regions
 * before regions[0] exist, read as zeros, and so miss.  (Not so where libc
 * registered the main thread but could not register another one, say under a
 * filter of system calls set meanwhile: libraries that do that need rseq:cpu.)
 *
 * We use the area that libc registered (glibc 2.35 and later), read the id
 * fields and write rseq_cs only.  Where libc has none a thread registers an
 * area of ours at its first miss, and unregisters when it ends.  Where the
 * kernel refuses, mode is OFF and callers lock instead.
 */
#ifndef QR_SYS_RSEQ_H
#define QR_SYS_RSEQ_H

#include "base/compiler.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum qr_rseq_mode {
	QR_RSEQ_AUTO,	/* a wish only: the best there is */
	QR_RSEQ_CID,
	QR_RSEQ_CPU,
	QR_RSEQ_OFF,
};

enum { QR_RSEQ_MOVED = -1, QR_RSEQ_CHANGED = 1 };

/* What precedes an abort handler, as glibc registers it. */
#if defined(__aarch64__)
#define QR_RSEQ_SIGNATURE 0xd428bc00
#else
#define QR_RSEQ_SIGNATURE 0x53053053
#endif

enum { QR_REGION_SHIFT = 17, QR_REGION_SIZE = 1 << QR_REGION_SHIFT };

struct qr_row {
	uint32_t at, al, ft, fl;
} QR_ALIGNED(16);

/* Written at boot only. */
struct qr_rseq {
	ptrdiff_t cs_offset;	/* from the thread pointer to rseq_cs */
	ptrdiff_t id_offset;	/* and to the id in use, 32 bits */
	char *regions;		/* of id 0; two more lie before it */
	enum qr_rseq_mode mode;
	bool own;		/* our area, registered thread by thread */
};

extern struct qr_rseq qr_rseq QR_HIDDEN;

/*
 * Choose the mode: @wish, or what is nearest to it.  @one_node allows
 * concurrency ids, which wander between nodes.  Called once, at boot.
 */
void qr_rseq_init(enum qr_rseq_mode wish, bool one_node);

/* The mode as reports name it. */
const char *qr_rseq_mode_name(void);

/*
 * Give the calling thread an area of its own, if that is how it works here.
 * False: it has none and gets none; it must do without per-CPU data.
 */
bool qr_rseq_register_thread(void);

/*
 * The calling thread does without sequences, so that every operation misses,
 * until it returns.  False: it still has them (mode CID, whose id the kernel
 * leaves at 0).
 */
bool qr_rseq_leave(void);
void qr_rseq_return(void);

/*
 * When it returns, every sequence that had begun before the call has ended
 * or will abort.  False: the kernel cannot (before Linux 5.10).
 */
bool qr_rseq_barrier(void);

#if defined(__x86_64__)
#include "sys/rseq_x86_64.h"
#elif defined(__aarch64__)
#include "sys/rseq_aarch64.h"
#else
#include "sys/rseq_none.h"
#endif

#endif
