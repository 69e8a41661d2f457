/*
 * Huge pages: which pageblocks the kernel may back by one.
 *
 * A huge page saves 511 faults and most misses of the TLB, and costs memory
 * wherever a part of it is not needed.  So a heap has base pages while it is
 * small, whatever the system says, and huge ones where it is dense:
 *
 *	range		the kernel is told		when
 *	the zone	no huge pages			its first pageblock is
 *							committed
 *	a pageblock	huge; had as a whole		it is the next step of
 *							fault-ahead
 *	a pageblock	huge, if khugepaged likes	slabs fill it, and
 *							nobody purges
 *	a pageblock	no huge pages any more		a part of it is purged
 *
 * So khugepaged, which makes huge pages of what a program has touched, never
 * fills again what was given back.  A huge pageblock is resident as a whole.
 *
 * Each border between pageblocks that are huge and others that are not costs a
 * mapping of the kernel.  Where these are spent none becomes huge, and if one
 * has to leave, all of its zone do, which costs one call and no mapping; huge
 * pages that are there stay so.
 *
 * A step of huge pages may be dear: where the kernel has to compact memory
 * first, or where the machine is virtual and its host has to find what it took
 * from free huge pages.  So steps are timed, per frame, and after a huge one
 * that takes more than twice what the others take there are no more for some
 * steps, each time for twice as many as before.
 *
 * The option thp: auto is all this; with always the kernel is told so of
 * everything, once; with never it is told the opposite.  Under auto nobody is
 * told of large objects: these are as the system has them.
 *
 * Locking: zone->lock guards pageblock->huge and zone->nr_huge.  Who holds
 * blocks of a pageblock off the lists tells the kernel, with no lock held.
 */
#ifndef QR_ARENA_HUGE_H
#define QR_ARENA_HUGE_H

#include "arena/zone.h"

enum qr_huge_wish { QR_HUGE_AUTO, QR_HUGE_ALWAYS, QR_HUGE_NEVER };

/* For tests: how many times the others' time a huge step may take. */
extern unsigned qr_huge_dear;

/* @sysfs_root: "" but for tests. */
void qr_huge_init(enum qr_huge_wish wish, const char *sysfs_root);

/* The end of a commit that would end at @frame. */
size_t qr_huge_commit_end(const struct qr_zone *zone, size_t frame);

/* Frames [@from, @to) are committed, and untouched.  qr_span_lock is held. */
void qr_huge_note_commit(struct qr_zone *zone, size_t from, size_t to);

/* A large object's mapping is new. */
void qr_huge_note_mapping(void *addr, size_t size);

/* May pageblocks that the zone grows by be huge?  zone->lock is held. */
bool qr_huge_wanted(const struct qr_zone *zone);

/*
 * May the pageblock at @frame, off the lists, be huge?  Then the kernel is
 * told, and if it has given the memory, the pageblock is.  zone->lock is held.
 */
bool qr_huge_may_enter(const struct qr_zone *zone, size_t frame);
void qr_huge_enter(struct qr_zone *zone, size_t frame);

/*
 * What a block is part of, or consists of, is huge no longer.  zone->lock is
 * held; who gets an answer other than NONE tells the kernel.
 */
enum qr_huge_left { QR_HUGE_NONE, QR_HUGE_BLOCK, QR_HUGE_ALL };
enum qr_huge_left qr_huge_leave(struct qr_zone *zone, size_t frame,
				unsigned order);

/* Tell the kernel of the pageblock at @frame: 0 or -errno. */
int qr_huge_tell_enter(const struct qr_zone *zone, size_t frame);
/* Tell it of a block's pageblocks, or of all below @frontier. */
void qr_huge_tell_leave(const struct qr_zone *zone, size_t frame,
			unsigned order);
void qr_huge_tell_leave_all(const struct qr_zone *zone, size_t frontier);

/*
 * A tick of the reclaimer's clock in which there was nothing to purge: some of
 * the pageblocks that are resident as a whole become huge.
 */
void qr_huge_age(struct qr_zone *zone);

/* A step of fault-ahead of @order took so much of the thread's time. */
void qr_huge_note_step(unsigned order, uint64_t ns);

/* Borders of huge pageblocks, over all zones. */
size_t qr_huge_nr_borders(void);

#endif
