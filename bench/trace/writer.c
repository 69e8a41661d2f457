#include "writer.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Where programs that close every descriptor from 3 up rarely look. */
#define FD_LOWEST 900

struct writer_stream {
	struct writer_stream *next_free;
	struct format_stream format;
	struct format_chunk *chunk;
	uint8_t *at, *end;
	uint32_t thread;
	uint32_t chunk_bytes; /* of the next chunk */
	uint32_t until_mark;
	int destructor_rounds;
	uint64_t last_sequence, last_us;
};

enum { UNSETTLED, ON, OFF };

static atomic_int state;
/* Not 0 in the process that records, 0 in its children. */
static _Atomic(uint32_t) *alive;
static bool follow_forks, with_time;

/* Guards everything down to the blank line. */
static atomic_flag lock = ATOMIC_FLAG_INIT;
static char path[PATH_MAX + 16];
static int file = -1;
static dev_t file_device;
static ino_t file_inode;
static off_t file_bytes;
static struct writer_stream *free_streams;

static _Atomic(uint32_t) next_thread;
static _Atomic(uint64_t) next_sequence;
static pthread_key_t key;
static _Thread_local struct writer_stream *self;
/* For threads that have ended; guarded by late_lock. */
static struct writer_stream *late;
static atomic_flag late_lock = ATOMIC_FLAG_INIT;

static void take(atomic_flag *flag)
{
	while (atomic_flag_test_and_set_explicit(flag, memory_order_acquire))
		sched_yield();
}

static void drop(atomic_flag *flag)
{
	atomic_flag_clear_explicit(flag, memory_order_release);
}

static void give_up(const char *why)
{
	char text[256];
	int n = snprintf(text, sizeof(text),
			 "quarry-record: %s: %s; recording ends here\n", why,
			 strerror(errno));

	if (atomic_exchange(&state, OFF) == ON &&
	    write(STDERR_FILENO, text, (size_t)n) < 0)
		return;
}

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

/* Programs close descriptors they do not know and put others there. */
static bool file_is_ours_locked(void)
{
	struct stat st;

	if (!fstat(file, &st) && st.st_dev == file_device &&
	    st.st_ino == file_inode)
		return true;
	file = open(path, O_RDWR | O_CLOEXEC);
	return file >= 0 && !fstat(file, &st) && st.st_dev == file_device &&
	       st.st_ino == file_inode;
}

/* Adds @bytes to the file and maps them. */
static void *extend_locked(uint32_t bytes)
{
	if (!file_is_ours_locked()) {
		give_up("the file is gone");
		return NULL;
	}
	/* Blocks of its own, or a full disk becomes a bus error. */
	int error = posix_fallocate(file, file_bytes, bytes);

	if (error) {
		errno = error;
		give_up("no room for the trace");
		return NULL;
	}
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file,
		       file_bytes);

	if (p == MAP_FAILED) {
		give_up("cannot map the trace");
		return NULL;
	}
	file_bytes += bytes;
	return p;
}

static bool next_chunk(struct writer_stream *s)
{
	if (s->chunk)
		munmap(s->chunk, s->chunk->bytes);
	take(&lock);
	s->chunk = extend_locked(s->chunk_bytes);
	drop(&lock);
	if (!s->chunk)
		return false;
	s->chunk->bytes = s->chunk_bytes;
	s->chunk->thread = s->thread;
	s->chunk->used = 0;
	s->chunk->magic = FORMAT_CHUNK_MAGIC;
	s->at = (uint8_t *)(s->chunk + 1);
	s->end = (uint8_t *)s->chunk + s->chunk_bytes;
	if (s->chunk_bytes < FORMAT_CHUNK_MAX)
		s->chunk_bytes *= 2;
	return true;
}

static void put(struct writer_stream *s, const struct format_event *e)
{
	if ((!s->chunk || s->end - s->at < (ptrdiff_t)FORMAT_EVENT_MAX) &&
	    !next_chunk(s))
		return;
	s->at = format_encode(&s->format, s->at, e);
	s->chunk->used = (uint32_t)(s->at - (uint8_t *)(s->chunk + 1));
}

static void put_mark(struct writer_stream *s)
{
	uint64_t sequence = atomic_fetch_add(&next_sequence, 1) + 1;
	uint64_t us = with_time ? now_us() : 0;

	put(s, &(struct format_event){.kind = FORMAT_MARK,
				      .sequence = sequence - s->last_sequence,
				      .us = us - s->last_us});
	s->last_sequence = sequence;
	s->last_us = us;
	s->until_mark = FORMAT_MARK_EVENTS;
}

static void put_marked(struct writer_stream *s, const struct format_event *e)
{
	if (s->until_mark-- == 0)
		put_mark(s);
	put(s, e);
}

struct writer_stream *writer_stream_new(uint32_t *ret_thread)
{
	struct writer_stream *s;

	take(&lock);
	s = free_streams;
	if (s)
		free_streams = s->next_free;
	drop(&lock);
	if (!s) {
		s = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (s == MAP_FAILED)
			return NULL;
	}
	*s = (struct writer_stream){.thread = atomic_fetch_add(&next_thread, 1),
				    .chunk_bytes = FORMAT_CHUNK_MIN};
	if (ret_thread)
		*ret_thread = s->thread;
	return s;
}

void writer_stream_drop(struct writer_stream *s)
{
	take(&lock);
	s->next_free = free_streams;
	free_streams = s;
	drop(&lock);
}

void writer_stream_begin(struct writer_stream *s)
{
	self = s;
	pthread_setspecific(key, s);
}

/*
 * The last words of a thread.  Destructors of other keys may still allocate, so
 * it asks to be called again until the C library gives up asking.
 */
static void thread_ends(void *argument)
{
	struct writer_stream *s = argument;

	if (++s->destructor_rounds < PTHREAD_DESTRUCTOR_ITERATIONS) {
		pthread_setspecific(key, s);
		return;
	}
	self = late;
	if (atomic_load(&state) != ON || !atomic_load(alive))
		return;
	put_mark(s);
	put(s, &(struct format_event){.kind = FORMAT_END});
	if (s->chunk)
		munmap(s->chunk, s->chunk->bytes);
	writer_stream_drop(s);
}

struct writer_object writer_append(const struct format_event *e)
{
	struct format_event event = *e;
	struct writer_stream *s = self;
	int saved = errno;

	if (!s) {
		/* Nobody saw this thread begin. */
		s = writer_stream_new(NULL);
		if (!s) {
			give_up("no memory for a thread");
			return (struct writer_object){0};
		}
		writer_stream_begin(s);
	}
	if (s == late)
		take(&late_lock);
	if (event.thread != s->thread) {
		if (event.kind == FORMAT_FREE)
			event.kind = FORMAT_FREE_AT;
		else if (event.kind == FORMAT_RESIZE)
			event.kind = FORMAT_RESIZE_AT;
	}
	struct writer_object made = {s->thread, s->format.next_number};

	put_marked(s, &event);
	if (s == late)
		drop(&late_lock);
	errno = saved;
	return made;
}

/* FILE for the first process that comes, FILE.PID for each one after it. */
static bool open_file(const char *wanted)
{
	struct format_header *h;
	struct stat st;
	int fd;

	snprintf(path, sizeof(path), "%s", wanted);
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	if (fd < 0 && errno == EEXIST) {
		snprintf(path, sizeof(path), "%s.%d", wanted, (int)getpid());
		fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	}
	if (fd < 0)
		return false;
	file = fcntl(fd, F_DUPFD_CLOEXEC, FD_LOWEST);
	if (file < 0)
		file = fd;
	else
		close(fd);
	fstat(file, &st);
	file_device = st.st_dev;
	file_inode = st.st_ino;
	file_bytes = 0;
	h = extend_locked(FORMAT_HEADER_BYTES);
	if (!h)
		return false;
	memcpy(h->magic, FORMAT_MAGIC, sizeof(h->magic));
	h->bytes = FORMAT_HEADER_BYTES;
	snprintf(h->name, sizeof(h->name), "%s", program_invocation_short_name);
	munmap(h, FORMAT_HEADER_BYTES);
	return true;
}

/* A relative path must survive chdir. */
static bool settle_path(const char *wanted, char *ret_full, size_t size)
{
	char here[PATH_MAX];

	if (*wanted == '/')
		return snprintf(ret_full, size, "%s", wanted) < (int)size;
	return getcwd(here, sizeof(here)) &&
	       snprintf(ret_full, size, "%s/%s", here, wanted) < (int)size;
}

static bool begin(const char *wanted)
{
	char full[PATH_MAX];

	if (!settle_path(wanted, full, sizeof(full)))
		return false;
	if (!alive) {
		void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (page == MAP_FAILED ||
		    madvise(page, 4096, MADV_WIPEONFORK) ||
		    pthread_key_create(&key, thread_ends))
			return false;
		alive = page;
	}
	self = NULL;
	atomic_store(&next_thread, 0);
	atomic_store(&next_sequence, 0);
	free_streams = NULL;
	atomic_flag_clear(&lock);
	atomic_flag_clear(&late_lock);
	if (!open_file(full))
		return false;
	/* The main thread is 0, the late stream 1. */
	struct writer_stream *first = writer_stream_new(NULL);

	late = writer_stream_new(NULL);
	if (!first || !late)
		return false;
	writer_stream_begin(first);
	atomic_store(alive, 1);
	return true;
}

/* The first call that finds an environment decides. */
static bool settle(void)
{
	const char *wanted, *fork_mode, *time_mode;

	if (!environ)
		return false;
	wanted = getenv("QUARRY_RECORD");
	fork_mode = getenv("QUARRY_RECORD_FORK");
	time_mode = getenv("QUARRY_RECORD_TIME");
	follow_forks = fork_mode && !strcmp(fork_mode, "follow");
	with_time = !time_mode || strcmp(time_mode, "0");
	if (!wanted || !*wanted) {
		atomic_store(&state, OFF);
		return false;
	}
	/* What begin() allocates, if anything, is not recorded. */
	atomic_store(&state, OFF);
	if (!begin(wanted)) {
		atomic_store(&state, ON);
		give_up("cannot begin the trace");
		return false;
	}
	atomic_store(&state, ON);
	return true;
}

bool writer_on(void (*forget)(void))
{
	int now = atomic_load_explicit(&state, memory_order_relaxed);

	if (now == OFF)
		return false;
	if (now == UNSETTLED)
		return settle();
	if (atomic_load_explicit(alive, memory_order_relaxed))
		return true;
	/* A child; only the thread that forked is here. */
	if (!follow_forks) {
		atomic_store(&state, OFF);
		return false;
	}
	forget();
	return settle();
}
