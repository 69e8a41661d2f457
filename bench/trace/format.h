/*
 * Traces of what a program asked of malloc: the file format, both ways.
 *
 * A trace is a page-sized header and then chunks, each a power-of-two number
 * of pages and the stream of one thread for a while.  The recorder maps the
 * chunks it fills, so that a program that is killed, or execs, or calls _exit
 * leaves all it did up to there.
 *
 *	header	"QUARRYT1", u32 header bytes, u32 flags, name[64] of the program
 *	chunk	u32 magic "QTCH", u32 chunk bytes, u32 thread, u32 bytes used
 *	...	events, back to back, an event never crosses a chunk
 *
 * All integers are little-endian; varint is LEB128.  A chunk whose magic is 0
 * has never been begun; the file ends there or at its end.
 *
 * Objects have numbers instead of addresses: (thread, n) is the n-th object
 * that thread made, from 0.  An event is one byte, its kind in the low four
 * bits and a small value in the high four, then varints:
 *
 *	kind	high	then		meaning
 *	MALLOC	s	[size]		the next object of this thread
 *	CALLOC	s	[size]		the same, zeroed; size is the product
 *	ALIGNED	0	log2, size	the same, aligned to 2^log2
 *	FREE	b	[back]		free an object of this thread
 *	FREE_AT	0	thread, n	free an object of another thread
 *	FREE0	0			free(NULL)
 *	RESIZE	b	[back], size	realloc of an object of this thread; the
 *					result is its next object
 *	RESIZE_AT 0	thread, n, size	realloc of another thread's object
 *	STRAY	0			free of a block from before the trace
 *	SPAWN	0	thread		that thread begins now
 *	JOIN	0	thread		this thread has waited for that one
 *	MARK	0	sequence, us	see below; both since this thread's last
 *	END	0			the thread is gone
 *
 * Small values.  s: 1 to 15 is a size of 16 * s bytes, exactly; 0: the size
 * follows.  b: 1 to 15 is how far back the object is counted from the next
 * number, 1 the newest; 0: the distance follows.
 *
 * Marks.  Every FORMAT_MARK_EVENTS events, and at its start and its end, a
 * thread draws a number from one sequence for the whole program.  It does so
 * before the events that follow, so a replayer that keeps marks in order within
 * a window keeps threads about as far apart as they were, without any deadlock:
 * the owner of the lowest mark not yet passed can only wait for events that lie
 * before lower marks.
 *
 * What a call that failed did is left out.  A block that is allocated before
 * the recorder is ready, or that a fork left behind, has no number.
 */
#ifndef BENCH_TRACE_FORMAT_H
#define BENCH_TRACE_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define FORMAT_MAGIC "QUARRYT1"
#define FORMAT_HEADER_BYTES 4096u
#define FORMAT_CHUNK_MAGIC 0x48435451u /* "QTCH" */
#define FORMAT_CHUNK_MIN 4096u
#define FORMAT_CHUNK_MAX 262144u
#define FORMAT_MARK_EVENTS 64u
/* One byte and three varints of 64 bits. */
#define FORMAT_EVENT_MAX 31u

struct format_header {
	char magic[8];
	uint32_t bytes;
	uint32_t flags;
	char name[64];
};

struct format_chunk {
	uint32_t magic;
	uint32_t bytes; /* of the whole chunk, this header included */
	uint32_t thread;
	uint32_t used; /* of what follows this header */
};

enum format_kind {
	FORMAT_MALLOC,
	FORMAT_CALLOC,
	FORMAT_ALIGNED,
	FORMAT_FREE,
	FORMAT_FREE_AT,
	FORMAT_FREE0,
	FORMAT_RESIZE,
	FORMAT_RESIZE_AT,
	FORMAT_STRAY,
	FORMAT_SPAWN,
	FORMAT_JOIN,
	FORMAT_MARK,
	FORMAT_END,
	FORMAT_KINDS
};

/*
 * One event, decoded.  In FREE and RESIZE @number is the absolute number of the
 * object; @thread is set where the kind names one.  A decoded FREE_AT keeps its
 * kind even when it names the thread itself.
 */
struct format_event {
	enum format_kind kind;
	uint32_t align_log2;
	uint32_t thread;
	union {
		uint64_t number;
		uint64_t sequence; /* of MARK: since the last one */
	};
	union {
		uint64_t size;
		uint64_t us; /* of MARK: since the last one */
	};
};

/* What a reader or writer of one thread's stream has to know. */
struct format_stream {
	uint64_t next_number;
};

static inline uint8_t *format_put_varint(uint8_t *at, uint64_t value)
{
	while (value >= 0x80) {
		*at++ = (uint8_t)(value | 0x80);
		value >>= 7;
	}
	*at++ = (uint8_t)value;
	return at;
}

/* Returns the byte after it, or NULL when [at, end) holds no whole varint. */
static inline const uint8_t *
format_get_varint(const uint8_t *at, const uint8_t *end, uint64_t *ret_value)
{
	uint64_t value = 0;

	for (unsigned shift = 0; shift < 64 && at < end; shift += 7) {
		uint8_t byte = *at++;

		if (shift == 63 && byte > 1)
			return NULL;
		value |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80)) {
			*ret_value = value;
			return at;
		}
	}
	return NULL;
}

/* The kind with its small value, or the kind and then the value in full. */
static inline uint8_t *format_put_head(uint8_t *at, enum format_kind kind,
				       uint64_t small, uint64_t full)
{
	if (small >= 1 && small <= 15) {
		*at++ = (uint8_t)(kind | small << 4);
		return at;
	}
	*at++ = (uint8_t)kind;
	return format_put_varint(at, full);
}

static inline bool format_makes_object(enum format_kind kind)
{
	return kind == FORMAT_MALLOC || kind == FORMAT_CALLOC ||
	       kind == FORMAT_ALIGNED || kind == FORMAT_RESIZE ||
	       kind == FORMAT_RESIZE_AT;
}

/*
 * Writes @e at @at, where FORMAT_EVENT_MAX bytes are free, and returns the byte
 * after it.
 */
static inline uint8_t *format_encode(struct format_stream *s, uint8_t *at,
				     const struct format_event *e)
{
	uint64_t back = s->next_number - e->number;
	uint64_t small = e->size % 16 == 0 ? e->size / 16 : 0;

	switch (e->kind) {
	case FORMAT_MALLOC:
	case FORMAT_CALLOC:
		at = format_put_head(at, e->kind, small, e->size);
		break;
	case FORMAT_ALIGNED:
		*at++ = (uint8_t)e->kind;
		at = format_put_varint(at, e->align_log2);
		at = format_put_varint(at, e->size);
		break;
	case FORMAT_FREE:
		at = format_put_head(at, e->kind, back, back);
		break;
	case FORMAT_RESIZE:
		at = format_put_head(at, e->kind, back, back);
		at = format_put_varint(at, e->size);
		break;
	case FORMAT_FREE_AT:
	case FORMAT_RESIZE_AT:
		*at++ = (uint8_t)e->kind;
		at = format_put_varint(at, e->thread);
		at = format_put_varint(at, e->number);
		if (e->kind == FORMAT_RESIZE_AT)
			at = format_put_varint(at, e->size);
		break;
	case FORMAT_SPAWN:
	case FORMAT_JOIN:
		*at++ = (uint8_t)e->kind;
		at = format_put_varint(at, e->thread);
		break;
	case FORMAT_MARK:
		*at++ = (uint8_t)e->kind;
		at = format_put_varint(at, e->sequence);
		at = format_put_varint(at, e->us);
		break;
	default:
		*at++ = (uint8_t)e->kind;
	}
	s->next_number += format_makes_object(e->kind);
	return at;
}

/* Reads the size of MALLOC and CALLOC, or the number of FREE and RESIZE. */
static inline const uint8_t *format_get_head(const uint8_t *at,
					     const uint8_t *end, uint8_t first,
					     unsigned unit, uint64_t *ret_value)
{
	if (!(first >> 4))
		return format_get_varint(at, end, ret_value);
	*ret_value = (uint64_t)(first >> 4) * unit;
	return at;
}

/*
 * Reads the event at @at, before @end.  Returns the byte after it, or NULL when
 * it is cut short, of no known kind, or names an object that cannot be.
 */
static inline const uint8_t *format_decode(struct format_stream *s,
					   const uint8_t *at,
					   const uint8_t *end,
					   struct format_event *ret_event)
{
	struct format_event e = {0};
	uint64_t value = 0;

	if (at >= end)
		return NULL;
	uint8_t first = *at++;

	e.kind = (enum format_kind)(first & 15);
	switch (e.kind) {
	case FORMAT_MALLOC:
	case FORMAT_CALLOC:
		at = format_get_head(at, end, first, 16, &e.size);
		break;
	case FORMAT_ALIGNED:
		at = format_get_varint(at, end, &value);
		if (!at || value > 63)
			return NULL;
		e.align_log2 = (uint32_t)value;
		at = format_get_varint(at, end, &e.size);
		break;
	case FORMAT_FREE:
	case FORMAT_RESIZE:
		at = format_get_head(at, end, first, 1, &value);
		if (!at || value < 1 || value > s->next_number)
			return NULL;
		e.number = s->next_number - value;
		if (e.kind == FORMAT_RESIZE)
			at = format_get_varint(at, end, &e.size);
		break;
	case FORMAT_FREE_AT:
	case FORMAT_RESIZE_AT:
	case FORMAT_SPAWN:
	case FORMAT_JOIN:
		at = format_get_varint(at, end, &value);
		if (!at || value > UINT32_MAX)
			return NULL;
		e.thread = (uint32_t)value;
		if (e.kind == FORMAT_SPAWN || e.kind == FORMAT_JOIN)
			break;
		at = format_get_varint(at, end, &e.number);
		if (at && e.kind == FORMAT_RESIZE_AT)
			at = format_get_varint(at, end, &e.size);
		break;
	case FORMAT_MARK:
		at = format_get_varint(at, end, &e.sequence);
		if (at)
			at = format_get_varint(at, end, &e.us);
		break;
	case FORMAT_FREE0:
	case FORMAT_STRAY:
	case FORMAT_END:
		break;
	default:
		return NULL;
	}
	if (!at)
		return NULL;
	s->next_number += format_makes_object(e.kind);
	*ret_event = e;
	return at;
}

/*
 * The chunk at @offset of a trace of @length bytes.  Returns NULL at the end;
 * @ret_next is the offset of the one after it.  A chunk that claims more than
 * the file holds ends the trace: what was written of it is still read.
 */
static inline const struct format_chunk *format_chunk_at(const uint8_t *trace,
							 size_t length,
							 size_t offset,
							 size_t *ret_next)
{
	const struct format_chunk *c;

	if (offset > length || length - offset < sizeof(*c))
		return NULL;
	c = (const struct format_chunk *)(const void *)(trace + offset);
	if (c->magic != FORMAT_CHUNK_MAGIC || c->bytes < FORMAT_CHUNK_MIN ||
	    c->bytes > FORMAT_CHUNK_MAX || c->bytes % FORMAT_CHUNK_MIN ||
	    c->used > c->bytes - sizeof(*c) ||
	    c->used > length - offset - sizeof(*c))
		return NULL;
	*ret_next = offset + c->bytes;
	return c;
}

static inline bool format_header_valid(const uint8_t *trace, size_t length)
{
	const struct format_header *h = (const void *)trace;

	return length >= FORMAT_HEADER_BYTES &&
	       !memcmp(h->magic, FORMAT_MAGIC, sizeof(h->magic)) &&
	       h->bytes == FORMAT_HEADER_BYTES;
}

#endif
