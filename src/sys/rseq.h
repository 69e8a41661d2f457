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
 * The operations in pseudo-code; each line in braces is one instruction:
 *
 *	swap(id, word, expect, desired, dst, src, n)
 *		{ area->rseq_cs = &this sequence }
 *	     begin:
 *		if (area->id != id) return MOVED
 *		if (*word != expect) return CHANGED
 *		dst[0 .. n-1] = src[0 .. n-1]
 *		{ *word = desired }
 *	     end:
 *		return 0
 *	     abort:
 *		return MOVED
 *
 * src/slab/hot.h has two more, the pop and the push of malloc and free.  What
 * excludes what:
 *
 *	             other sequences    a drain of another CPU's data
 *	sequence     same CPU: abort    stop pattern, then qr_rseq_barrier()
 *	drain        as left            QR_RANK_DRAIN
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

struct qr_rseq {
	ptrdiff_t cs_offset;	/* from the thread pointer to rseq_cs */
	ptrdiff_t id_offset;	/* and to the id in use, 32 bits */
	enum qr_rseq_mode mode;
	bool own;		/* our area, registered thread by thread */
};

extern struct qr_rseq qr_rseq;

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
