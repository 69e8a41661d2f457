/*
 * Reads a trace, each thread's stream on its own.
 *
 * The file is walked once, to find the chunks and to check every event; then
 * any number of cursors read it, a chunk at a time, into memory of their own.
 * Nothing here calls malloc: the replayer measures that.
 */
#ifndef BENCH_TRACE_READER_H
#define BENCH_TRACE_READER_H

#include "format.h"

struct reader_thread {
	uint64_t events, calls, objects;
	uint32_t chunks, first_chunk; /* in reader->chunks */
	bool spawned;		      /* some thread's SPAWN names it */
};

struct reader_chunk {
	uint64_t offset;
	uint32_t thread, used;
};

struct reader {
	int fd;
	char name[64];
	uint32_t threads, chunk_count;
	uint64_t events, calls, marks; /* marks: the highest sequence + 1 */
	struct reader_thread *thread;
	struct reader_chunk *chunks; /* thread by thread, in order */
	/* One byte per sequence number: whether some stream holds its mark. */
	uint8_t *mark_seen;
};

struct reader_cursor {
	const struct reader *reader;
	uint32_t chunk, end; /* the chunk to read next, and past the last */
	struct format_stream stream;
	const uint8_t *at, *stop;
	uint8_t *buffer;       /* FORMAT_CHUNK_MAX bytes, of whoever made it */
	uint64_t sequence, us; /* of the last MARK, absolute */
};

/* Leaves with a sentence when @path is no trace. */
void reader_open(struct reader *r, const char *path);

void reader_seek(struct reader_cursor *c, const struct reader *r,
		 uint32_t thread, uint8_t *buffer);
/* The next event; false at the end of the stream. */
bool reader_next(struct reader_cursor *c, struct format_event *ret_event);

/* Whether the object of a FREE_AT or RESIZE_AT is in the trace. */
static inline bool reader_has(const struct reader *r,
			      const struct format_event *e)
{
	return e->thread < r->threads &&
	       e->number < r->thread[e->thread].objects;
}

/* Whether the program called the allocator there. */
static inline bool reader_is_call(enum format_kind kind)
{
	return kind <= FORMAT_STRAY;
}

#endif
