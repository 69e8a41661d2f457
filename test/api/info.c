/*
 * glibc's questions and knobs.
 */
#include "api.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <limits.h>
#include <malloc.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

/* mallinfo, because it is old */
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

static bool on_quarry(void)
{
	return find_function("quarry_version");
}

Test(info, mallinfo2_counts_what_is_allocated)
{
	struct mallinfo2 before = mallinfo2(), with, after;
	void *small[1000], *large = malloc(MiB(40));

	for (size_t i = 0; i < NR(small); i++)
		small[i] = malloc(1000);
	with = mallinfo2();
	cr_assert_geq(with.uordblks, before.uordblks + 1000 * 1000);
	cr_assert_geq(with.hblkhd, before.hblkhd + MiB(40));
	cr_assert_eq(with.hblks, before.hblks + 1);
	cr_assert_eq(with.arena, with.uordblks + with.fordblks);
	for (size_t i = 0; i < NR(small); i++)
		free(small[i]);
	free(large);
	after = mallinfo2();
	/* libc counts what its threads keep as used */
	cr_assert_leq(after.uordblks, before.uordblks + KiB(16));
	cr_assert_eq(after.hblks, before.hblks);
}

static void *free_all(void *arg)
{
	void **ptrs = arg;

	for (size_t i = 0; ptrs[i]; i++)
		free(ptrs[i]);
	return NULL;
}

static size_t in_use(void)
{
	struct mallinfo2 info = mallinfo2();

	return info.uordblks + info.hblkhd;
}

Test(info, mallinfo2_is_exact_whoever_frees)
{
	static void *mine[300], *theirs[300];
	size_t before, ours = 0, others = 0;
	pthread_t thread;

	if (!on_quarry())
		cr_skip("glibc counts what threads keep as used");
	/* what a thread itself costs is there before; a small heap has no
	 * thread of ours */
	pthread_create(&thread, NULL, free_all, theirs);
	pthread_join(thread, NULL);
	before = in_use();
	for (size_t i = 0; i < NR(mine) - 1; i++) {
		size_t size = i == 7 ? MiB(5) : 1 + i * 20;

		mine[i] = malloc(size);
		theirs[i] = malloc(size);
		ours += malloc_usable_size(mine[i]);
		others += malloc_usable_size(theirs[i]);
	}
	cr_assert_eq(in_use(), before + ours + others);
	pthread_create(&thread, NULL, free_all, theirs);
	pthread_join(thread, NULL);
	cr_assert_eq(in_use(), before + ours);
	free_all(mine);
	cr_assert_eq(in_use(), before);
}

Test(info, mallinfo_says_the_same_in_int)
{
	/* all objects first: reading must not allocate */
	struct mallinfo2 wide = mallinfo2();
	struct mallinfo narrow = mallinfo();

	cr_assert_eq(narrow.uordblks, (int)wide.uordblks);
	cr_assert_eq(narrow.arena, (int)wide.arena);
	cr_assert_eq(narrow.hblks, (int)wide.hblks);
}

Test(info, mallinfo_saturates_where_int_ends)
{
	void *ptrs[3];

	if (!on_quarry())
		cr_skip("glibc's wraps");
	for (size_t i = 0; i < NR(ptrs); i++) {
		ptrs[i] = malloc(MiB(1024));
		if (!ptrs[i])
			cr_skip("no 3 GiB of addresses here");
	}
	cr_assert_eq(mallinfo().hblkhd, INT_MAX);
	cr_assert_geq(mallinfo2().hblkhd, 3 * MiB(1024));
	for (size_t i = 0; i < NR(ptrs); i++)
		free(ptrs[i]);
}

Test(info, trim_gives_memory_back_once)
{
	enum { N = 3000 };
	static void *ptrs[N];

	for (size_t i = 0; i < N; i++) {
		ptrs[i] = malloc(KiB(10));
		memset(ptrs[i], 1, KiB(10));
	}
	for (size_t i = 0; i < N; i++)
		free(ptrs[i]);
	cr_assert_eq(malloc_trim(0), 1);
	cr_assert_eq(malloc_trim(0), 0, "there was something left");
}

/* Elements nest, attributes are quoted, character data is escaped. */
static const char *check_xml(const char *at)
{
	static char open[16][64];
	size_t depth = 0, elements = 0;

	while (*at) {
		if (*at == '&' && strncmp(at, "&lt;", 4) &&
		    strncmp(at, "&gt;", 4) && strncmp(at, "&amp;", 5))
			return "a bare &";
		if (*at != '<') {
			if (!depth && *at != '\n')
				return "text outside the root";
			at++;
			continue;
		}

		bool closing = at[1] == '/';
		size_t n = strcspn(at + 1 + closing, " \n>/");
		const char *end = strchr(at, '>');

		if (!end || !n || n >= 64)
			return "no element";
		if (closing) {
			if (!depth-- || strlen(open[depth]) != n ||
			    strncmp(open[depth], at + 2, n))
				return "closed what was not open";
		} else {
			unsigned quotes = 0;

			for (const char *c = at + 1; c < end; c++) {
				quotes += *c == '"';
				if (*c == '<')
					return "< inside a tag";
			}
			if (quotes % 2)
				return "odd quotes";
			if (!depth && elements)
				return "two roots";
			elements++;
			if (end[-1] != '/') {
				if (depth == NR(open))
					return "too deep";
				memcpy(open[depth], at + 1, n);
				open[depth++][n] = 0;
			}
		}
		at = end + 1;
	}
	return depth ? "not closed" : elements ? NULL : "empty";
}

Test(info, malloc_info_writes_well_formed_xml)
{
	char *text = NULL;
	size_t size = 0;
	/* a stream that allocates while it is written to */
	FILE *stream = open_memstream(&text, &size);
	const char *wrong;

	cr_assert(stream);
	cr_assert_eq(malloc_info(0, stream), 0);
	fclose(stream);
	wrong = check_xml(text);
	cr_assert_null(wrong, "%s in:\n%s", wrong, text);
	cr_assert(strstr(text, "<malloc version=\"1\""));
	cr_assert(strstr(text, "<system type=\"current\" size=\""));
	cr_assert(strstr(text, "<total type=\"mmap\" count=\""));
	if (on_quarry()) {
		struct mallinfo2 info = mallinfo2();
		unsigned long live = 0, mapped = 0;

		cr_assert(strstr(text, "<report format=\"json\">"));
		sscanf(strstr(text, "<live count="),
		       "<live count=\"%*u\" size=\"%lu\"", &live);
		sscanf(strstr(text, "<total type=\"mmap\""),
		       "<total type=\"mmap\" count=\"%*u\" size=\"%lu\"",
		       &mapped);
		cr_assert_eq(mapped, info.hblkhd);
		cr_assert_geq(live, info.hblkhd);
		/* the stream itself has allocated since */
		cr_assert_leq(live, info.uordblks + info.hblkhd + MiB(1));
	}
	free(text);
}

Test(info, malloc_info_has_no_options)
{
	cr_assert_neq(malloc_info(1, stdout), 0);
}

Test(info, malloc_info_says_when_the_stream_fails)
{
	FILE *full = fopen("/dev/full", "w");

	if (!on_quarry())
		cr_skip("glibc does not look");
	if (!full)
		cr_skip("no /dev/full");
	setbuf(full, NULL);
	cr_assert_eq(malloc_info(0, full), -1);
	fclose(full);
}

/* Read while it is written, so that no pipe is ever full for good. */
static void *read_all(void *arg)
{
	int fd = *(int *)arg;
	size_t size = 0, n;
	char *text = malloc(1);
	ssize_t got;

	do {
		/* the reader allocates as it goes */
		text = realloc(text, size + 4097);
		got = read(fd, text + size, 4096);
		n = got > 0 ? (size_t)got : 0;
		size += n;
	} while (n);
	text[size] = 0;
	return text;
}

Test(info, malloc_stats_writes_to_standard_error)
{
	int ends[2], saved = dup(2);
	void *text, *large = malloc(MiB(9));
	pthread_t reader;

	cr_assert_eq(pipe(ends), 0);
	pthread_create(&reader, NULL, read_all, &ends[0]);
	dup2(ends[1], 2);
	malloc_stats();
	dup2(saved, 2);
	close(ends[1]);
	pthread_join(reader, &text);
	cr_assert_gt(strlen(text), 50);
	cr_assert(strstr(text, "bytes"));
	if (on_quarry()) {
		unsigned long live = 0;

		cr_assert_eq(sscanf(text, "quarry %*s %lu bytes in", &live), 1);
		cr_assert_geq(live, MiB(9));
		cr_assert_leq(live, MiB(9) + MiB(1));
		cr_assert(strstr(text, "\nmemory (KiB)\n"));
		cr_assert(strstr(text, "\nslabinfo\n"));
	}
	free(text);
	free(large);
}

Test(info, mallopt_takes_what_is_harmless_and_refuses_promises)
{
	cr_assert_eq(mallopt(M_ARENA_MAX, 2), 1);
	cr_assert_eq(mallopt(M_ARENA_TEST, 2), 1);
	cr_assert_eq(mallopt(M_TRIM_THRESHOLD, 1 << 20), 1);
	cr_assert_eq(mallopt(M_TOP_PAD, 1 << 20), 1);
	cr_assert_eq(mallopt(M_MMAP_THRESHOLD, 1 << 20), 1);
	cr_assert_eq(mallopt(M_MMAP_MAX, 100), 1);
	cr_assert_eq(mallopt(M_MXFAST, 64), 1);
	cr_assert_eq(mallopt(M_MXFAST, 100000), 0);
	if (on_quarry()) {
		cr_assert_eq(mallopt(M_PERTURB, 0x55), 0);
		cr_assert_eq(mallopt(12345, 1), 0);
	}
	free(malloc(MiB(2)));
}

/* Some programs call these to get around a replaced malloc. */
Test(info, second_names_work_on_the_same_heap)
{
	void *(*get)(size_t) = NULL, *(*clear)(size_t, size_t) = NULL;
	void *(*resize)(void *, size_t) = NULL;
	void *(*align)(size_t, size_t) = NULL, *(*page)(size_t) = NULL;
	void (*put)(void *) = NULL;
	char *ptr;

	*(void **)&get = find_function("__libc_malloc");
	*(void **)&clear = find_function("__libc_calloc");
	*(void **)&resize = find_function("__libc_realloc");
	*(void **)&align = find_function("__libc_memalign");
	*(void **)&page = find_function("__libc_valloc");
	*(void **)&put = find_function("__libc_free");
	cr_assert(get && clear && resize && align && page && put);
	free(get(100));
	put(malloc(100));
	ptr = clear(10, 100);
	cr_assert(all_bytes(ptr, 1000, 0));
	ptr = resize(ptr, 5000);
	ptr = realloc(ptr, 50000);
	cr_assert(all_bytes(ptr, 1000, 0));
	put(ptr);
	ptr = align(KiB(64), 10);
	cr_assert(is_aligned(ptr, KiB(64)));
	free(ptr);
	ptr = page(10);
	cr_assert(is_aligned(ptr, (size_t)sysconf(_SC_PAGESIZE)));
	put(ptr);
}
