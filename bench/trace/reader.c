#include "reader.h"

#include "../micro/bench.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static _Noreturn void leave(const char *path, const char *why)
{
	dprintf(STDERR_FILENO, "%s: %s\n", path, why);
	_exit(2);
}

/* Chunks in the order of the file, and how many threads there are. */
static void find_chunks(struct reader *r, const uint8_t *trace, size_t length)
{
	size_t next = FORMAT_HEADER_BYTES;
	const struct format_chunk *c;

	for (size_t at = next;
	     (c = format_chunk_at(trace, length, at, &next)) != NULL;
	     at = next) {
		r->chunk_count++;
		if (c->thread >= r->threads)
			r->threads = c->thread + 1;
	}
}

/* Sorts the chunks by thread; their order in the file is that of time. */
static void sort_chunks(struct reader *r, const uint8_t *trace, size_t length)
{
	size_t next = FORMAT_HEADER_BYTES;
	const struct format_chunk *c;
	uint32_t first = 0;

	for (size_t at = next;
	     (c = format_chunk_at(trace, length, at, &next)) != NULL; at = next)
		r->thread[c->thread].chunks++;
	for (uint32_t t = 0; t < r->threads; t++) {
		r->thread[t].first_chunk = first;
		first += r->thread[t].chunks;
		r->thread[t].chunks = 0;
	}
	for (size_t at = next = FORMAT_HEADER_BYTES;
	     (c = format_chunk_at(trace, length, at, &next)) != NULL;
	     at = next) {
		struct reader_thread *t = &r->thread[c->thread];

		r->chunks[t->first_chunk + t->chunks++] =
			(struct reader_chunk){.offset = at + sizeof(*c),
					      .thread = c->thread,
					      .used = c->used};
	}
}

/* Counts what a stream holds; what follows a broken event is cut off. */
static void count_events(struct reader *r, uint32_t thread,
			 const uint8_t *trace, uint64_t *ret_highest)
{
	struct reader_thread *t = &r->thread[thread];
	struct format_stream stream = {0};
	struct format_event e;
	uint64_t sequence = 0;

	for (uint32_t i = 0; i < t->chunks; i++) {
		struct reader_chunk *c = &r->chunks[t->first_chunk + i];
		const uint8_t *start = trace + c->offset;
		const uint8_t *stop = start + c->used, *at = start, *after;

		while (at < stop &&
		       (after = format_decode(&stream, at, stop, &e))) {
			at = after;
			t->events++;
			t->calls += reader_is_call(e.kind);
			if (e.kind == FORMAT_SPAWN && e.thread < r->threads)
				r->thread[e.thread].spawned = true;
			if (e.kind != FORMAT_MARK)
				continue;
			sequence += e.sequence;
			if (r->mark_seen && sequence < r->marks)
				r->mark_seen[sequence] = 1;
			if (sequence > *ret_highest)
				*ret_highest = sequence;
		}
		if (at < stop) {
			dprintf(STDERR_FILENO,
				"thread %u: broken event, the rest of its "
				"stream is left out\n",
				(unsigned)thread);
			c->used = (uint32_t)(at - start);
			t->chunks = i + 1;
		}
	}
	t->objects = stream.next_number;
}

void reader_open(struct reader *r, const char *path)
{
	struct stat st;
	uint64_t highest = 0, again;

	*r = (struct reader){.fd = open(path, O_RDONLY | O_CLOEXEC)};
	if (r->fd < 0 || fstat(r->fd, &st))
		leave(path, "cannot be opened");
	if (st.st_size < (off_t)FORMAT_HEADER_BYTES)
		leave(path, "is no trace");
	size_t length = (size_t)st.st_size;
	const uint8_t *trace =
		mmap(NULL, length, PROT_READ, MAP_PRIVATE, r->fd, 0);

	if (trace == MAP_FAILED)
		leave(path, "cannot be mapped");
	if (!format_header_valid(trace, length))
		leave(path, "is no trace");
	memcpy(r->name,
	       ((const struct format_header *)(const void *)trace)->name,
	       sizeof(r->name) - 1);
	find_chunks(r, trace, length);
	if (!r->chunk_count)
		leave(path, "holds no events");
	if (r->threads > r->chunk_count + (1u << 20))
		leave(path, "names absurd threads");
	r->thread = bench_own(r->threads * sizeof(*r->thread));
	r->chunks = bench_own(r->chunk_count * sizeof(*r->chunks));
	sort_chunks(r, trace, length);
	for (uint32_t t = 0; t < r->threads; t++) {
		count_events(r, t, trace, &highest);
		r->events += r->thread[t].events;
		r->calls += r->thread[t].calls;
	}
	/* Sequence numbers come one per mark: more than events is nonsense. */
	r->marks = (highest < r->events ? highest : r->events) + 1;
	r->mark_seen = bench_own(r->marks);
	for (uint32_t t = 0; t < r->threads; t++) {
		r->thread[t].events = r->thread[t].calls = 0;
		count_events(r, t, trace, &again);
	}
	munmap((void *)(uintptr_t)trace, length);
}

void reader_seek(struct reader_cursor *c, const struct reader *r,
		 uint32_t thread, uint8_t *buffer)
{
	const struct reader_thread *t = &r->thread[thread];

	*c = (struct reader_cursor){.reader = r,
				    .chunk = t->first_chunk,
				    .end = t->first_chunk + t->chunks,
				    .buffer = buffer};
}

static bool read_chunk(struct reader_cursor *c)
{
	const struct reader_chunk *next = &c->reader->chunks[c->chunk++];

	for (size_t got = 0; got < next->used;) {
		ssize_t n =
			pread(c->reader->fd, c->buffer + got, next->used - got,
			      (off_t)(next->offset + got));

		if (n <= 0)
			leave(c->reader->name, "the trace cannot be read");
		got += (size_t)n;
	}
	c->at = c->buffer;
	c->stop = c->buffer + next->used;
	return true;
}

bool reader_next(struct reader_cursor *c, struct format_event *ret_event)
{
	while (c->at == c->stop)
		if (c->chunk == c->end || !read_chunk(c))
			return false;
	c->at = format_decode(&c->stream, c->at, c->stop, ret_event);
	if (!c->at)
		leave(c->reader->name, "the trace changed while it was read");
	if (ret_event->kind == FORMAT_MARK) {
		c->sequence += ret_event->sequence;
		c->us += ret_event->us;
	}
	return true;
}
