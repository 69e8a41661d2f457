/*
 * A heap of mixed sizes that grows and shrinks, for the programs that ask what
 * becomes of memory that was freed.
 *
 * A third of the bytes each is in blocks of 16 to 512 bytes, of 512 bytes to
 * 16 KiB and of 16 KiB to 1 MiB.  Each new block goes into one of 1000 lists at
 * random, and lists are freed one after the other: so a tenth of the lists is a
 * random tenth of the blocks.  The lists run through the blocks themselves, and
 * the process holds nothing but them.
 */
#ifndef BENCH_MICRO_MIXED_H
#define BENCH_MICRO_MIXED_H

#include "bench.h"

#define MIXED_LISTS 1000
#define MIXED_NOTES 1024

struct mixed_block {
	struct mixed_block *next;
	size_t size;
};

struct mixed {
	struct mixed_block *lists[MIXED_LISTS];
	size_t first; /* list that is freed next */
	size_t live;  /* bytes asked for */
	uint64_t seed;
	/* live bytes against seconds since the start */
	size_t notes;
	double at[MIXED_NOTES], live_mib[MIXED_NOTES];
};

/* Allocates until @live bytes are there; every page of a block is written. */
void mixed_grow(struct mixed *m, size_t live);

/* Frees the blocks of the next @lists lists. */
void mixed_free(struct mixed *m, size_t lists);

/* Remembers the live bytes of now, for the series "live". */
void mixed_note(struct mixed *m);
void mixed_print(const struct mixed *m, const char *label);

/* Does nothing at all until @seconds after bench_begin(). */
void mixed_idle_until(double seconds);

#endif
