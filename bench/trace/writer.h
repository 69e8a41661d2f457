/*
 * The recorder's pen: one file, a stream per thread.
 *
 *	unsettled  the environment cannot be read yet: forget what happens
 *	on         events go to the file
 *	off        not asked for, the file is full, or a child of fork
 *
 * A stream is written into a chunk of the file that is mapped shared, so no
 * flush is ever missed.  A thread that has ended hands later events (the C
 * library frees some of its blocks after every destructor) to one stream for
 * all such threads, under a lock.
 *
 * A child of fork must not write into its parent's chunks.  One private page
 * with MADV_WIPEONFORK tells it apart, whichever way it was made, at the price
 * of one load.
 */
#ifndef BENCH_TRACE_WRITER_H
#define BENCH_TRACE_WRITER_H

#include "format.h"

#include <stdbool.h>

struct writer_object {
	uint32_t thread;
	uint64_t number;
};

struct writer_stream;

/*
 * Whether events are wanted; settles the state where it can.  @forget is called
 * in a child of fork that begins a trace of its own, before anything is
 * written: what is known of the parent's blocks does not count there.
 */
bool writer_on(void (*forget)(void));

/*
 * Writes an event of the calling thread.  FREE and RESIZE name their object by
 * thread and number; it is here that they turn into FREE_AT and RESIZE_AT.
 * Returns the object that the event made, if it did.
 */
struct writer_object writer_append(const struct format_event *e);

/*
 * A thread about to be made: a stream with a number, NULL without memory; given
 * back if the thread was not made; begun by the thread itself, first thing.
 */
struct writer_stream *writer_stream_new(uint32_t *ret_thread);
void writer_stream_drop(struct writer_stream *s);
void writer_stream_begin(struct writer_stream *s);

#endif
