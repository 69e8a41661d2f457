/*
 * The recorder: writes what a program asks of malloc into a trace.
 *
 *	LD_PRELOAD=libquarry-record.so QUARRY_RECORD=FILE program
 *
 *	QUARRY_RECORD		the trace; a process that finds it there already
 *				(a child that was exec'ed) writes FILE.PID
 *	QUARRY_RECORD_FORK	"follow": a child of fork writes FILE.PID; else
 *				it stops recording
 *	QUARRY_RECORD_TIME	"0": leave out the times of marks
 *
 * Each call goes to the next malloc in the order of preloading; record over
 * libc, because an allocator that brings its own operator new calls nobody.  A
 * block is entered in the map after it was allocated and before the program
 * sees it, and taken out before it is freed.  What is asked for before dlsym
 * has answered comes from a small arena and is never freed.
 */
#include "map.h"
#include "writer.h"

#include "base/compiler.h"

#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

static struct {
	void *(*malloc)(size_t);
	void *(*calloc)(size_t, size_t);
	void *(*realloc)(void *, size_t);
	void (*free)(void *);
	void *(*memalign)(size_t, size_t);
	int (*posix_memalign)(void **, size_t, size_t);
	void *(*aligned_alloc)(size_t, size_t);
	int (*pthread_create)(pthread_t *, const pthread_attr_t *,
			      void *(*)(void *), void *);
	int (*pthread_join)(pthread_t, void **);
} next;

static _Alignas(16) char arena[65536];
static size_t arena_used;

static struct map blocks;
/* pthread_t to thread number. */
static struct map threads;

static void forget_blocks(void)
{
	map_reset(&blocks);
	map_reset(&threads);
}

static bool recording(void)
{
	return writer_on(forget_blocks);
}

static void find_next(void)
{
	static bool looking;

	if (looking)
		return;
	looking = true;
#define FIND(name) *(void **)&next.name = dlsym(RTLD_NEXT, #name)
	FIND(calloc);
	FIND(realloc);
	FIND(free);
	FIND(memalign);
	FIND(posix_memalign);
	FIND(aligned_alloc);
	FIND(pthread_create);
	FIND(pthread_join);
	FIND(malloc);
#undef FIND
	looking = false;
}

/* Whether calls can go on to the next malloc. */
static bool ready(void)
{
	if (qr_unlikely(!next.malloc))
		find_next();
	return next.malloc;
}

/* Only ever used by the thread that starts the program. */
static void *arena_alloc(size_t size)
{
	size_t at = (arena_used + 15) & ~(size_t)15;

	if (size > sizeof(arena) - at)
		return NULL;
	arena_used = at + size;
	return arena + at;
}

static bool in_arena(const void *p)
{
	return (const char *)p >= arena &&
	       (const char *)p < arena + sizeof(arena);
}

/* Notes that @p came of @e. */
static void note_object(void *p, const struct format_event *e)
{
	struct writer_object o = writer_append(e);

	map_put(&blocks, &(struct map_entry){.key = (uintptr_t)p,
					     .thread = o.thread,
					     .number = o.number});
}

static void *note_new(void *p, enum format_kind kind, size_t size)
{
	if (p && recording())
		note_object(p,
			    &(struct format_event){.kind = kind, .size = size});
	return p;
}

static void *note_aligned(void *p, size_t align, size_t size)
{
	if (p && align && recording())
		note_object(p, &(struct format_event){
				       .kind = FORMAT_ALIGNED,
				       .align_log2 =
					       (uint32_t)__builtin_ctzl(align),
				       .size = size});
	return p;
}

QR_EXPORT void *malloc(size_t size)
{
	if (!ready())
		return arena_alloc(size);
	return note_new(next.malloc(size), FORMAT_MALLOC, size);
}

QR_EXPORT void *calloc(size_t count, size_t size)
{
	size_t total;

	if (!ready())
		return __builtin_mul_overflow(count, size, &total)
			       ? NULL
			       : arena_alloc(total);
	return note_new(next.calloc(count, size), FORMAT_CALLOC, count * size);
}

QR_EXPORT void free(void *p)
{
	struct map_entry o;
	int saved = errno;

	if (in_arena(p) || !ready())
		return;
	if (recording()) {
		struct format_event e = {.kind = FORMAT_STRAY};

		if (!p) {
			e.kind = FORMAT_FREE0;
		} else if (map_take(&blocks, (uintptr_t)p, &o)) {
			e.kind = FORMAT_FREE;
			e.thread = o.thread;
			e.number = o.number;
		}
		writer_append(&e);
	}
	errno = saved;
	next.free(p);
}

/* A block that was there before the recorder grows: it is new to the trace. */
static void *resize_stray(void *old, size_t size)
{
	void *p;

	if (!in_arena(old))
		return note_new(next.realloc(old, size), FORMAT_MALLOC, size);
	p = malloc(size);
	if (p) {
		size_t rest = (size_t)(arena + sizeof(arena) - (char *)old);

		memcpy(p, old, size < rest ? size : rest);
	}
	return p;
}

QR_EXPORT void *realloc(void *old, size_t size)
{
	struct map_entry o;

	if (!old)
		return malloc(size);
	if (!ready() || in_arena(old) || !recording() ||
	    !map_take(&blocks, (uintptr_t)old, &o))
		return ready() ? resize_stray(old, size) : NULL;

	void *p = next.realloc(old, size);
	struct format_event e = {.kind = p ? FORMAT_RESIZE : FORMAT_FREE,
				 .thread = o.thread,
				 .number = o.number,
				 .size = size};

	if (p)
		note_object(p, &e);
	else if (size)
		map_put(&blocks, &o);
	else
		writer_append(&e);
	return p;
}

QR_EXPORT void *reallocarray(void *old, size_t count, size_t size)
{
	size_t total;

	if (__builtin_mul_overflow(count, size, &total)) {
		errno = ENOMEM;
		return NULL;
	}
	return realloc(old, total);
}

QR_EXPORT void *memalign(size_t align, size_t size)
{
	if (!ready())
		return NULL;
	return note_aligned(next.memalign(align, size), align, size);
}

QR_EXPORT void *aligned_alloc(size_t align, size_t size)
{
	if (!ready())
		return NULL;
	return note_aligned(next.aligned_alloc(align, size), align, size);
}

QR_EXPORT int posix_memalign(void **ret_block, size_t align, size_t size)
{
	if (!ready())
		return ENOMEM;
	int error = next.posix_memalign(ret_block, align, size);

	if (!error)
		note_aligned(*ret_block, align, size);
	return error;
}

QR_EXPORT void *valloc(size_t size)
{
	return memalign((size_t)sysconf(_SC_PAGESIZE), size);
}

QR_EXPORT void *pvalloc(size_t size)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t rounded = (size + page - 1) & ~(page - 1);

	if (rounded < size) {
		errno = ENOMEM;
		return NULL;
	}
	return memalign(page, rounded);
}

/* What the new thread runs, and in whose stream. */
struct start {
	void *(*function)(void *);
	void *argument;
	struct writer_stream *stream;
};

static void *start_thread(void *argument)
{
	struct start s = *(struct start *)argument;

	writer_stream_begin(s.stream);
	next.free(argument);
	return s.function(s.argument);
}

QR_EXPORT int pthread_create(pthread_t *ret_thread, const pthread_attr_t *attr,
			     void *(*function)(void *), void *argument)
{
	struct writer_stream *stream;
	struct start *start;
	uint32_t number;

	if (!ready())
		return EAGAIN;
	if (!recording())
		return next.pthread_create(ret_thread, attr, function,
					   argument);
	start = next.malloc(sizeof(*start));
	stream = writer_stream_new(&number);
	if (!start || !stream)
		return EAGAIN;
	*start = (struct start){function, argument, stream};
	/* Before the thread is there: its own marks must come after this. */
	writer_append(
		&(struct format_event){.kind = FORMAT_SPAWN, .thread = number});
	int error = next.pthread_create(ret_thread, attr, start_thread, start);

	if (error) {
		next.free(start);
		writer_stream_drop(stream);
		return error;
	}
	map_put(&threads, &(struct map_entry){.key = (uintptr_t)*ret_thread,
					      .thread = number});
	return 0;
}

QR_EXPORT int pthread_join(pthread_t thread, void **ret_value)
{
	struct map_entry t;

	if (!ready())
		return ESRCH;
	/* Before: afterwards another thread may have the same handle. */
	bool known = recording() && map_take(&threads, (uintptr_t)thread, &t);
	int error = next.pthread_join(thread, ret_value);

	if (known && error)
		map_put(&threads, &t);
	else if (known && recording())
		writer_append(&(struct format_event){.kind = FORMAT_JOIN,
						     .thread = t.thread});
	return error;
}
