/*
 * Trim: what it returns is what left the process, from whichever thread, and
 * whatever others do meanwhile.
 */
#include "quarry.h"

#include "api.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

enum { N = 4000, THREADS = 8, ROUNDS = 40, KEPT = 400 };

static void *ptrs[N];

/* Resident anonymous memory of the process; allocates nothing. */
static size_t anonymous(void)
{
	static char text[4096];
	int fd = open("/proc/self/smaps_rollup", O_RDONLY | O_CLOEXEC);
	const char *line;
	ssize_t n;

	if (fd < 0)
		cr_skip("no /proc/self/smaps_rollup here");
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[n > 0 ? n : 0] = 0;
	line = strstr(text, "\nAnonymous:");
	cr_assert(line);
	return KiB(strtoul(line + 11, NULL, 10));
}

static void fill(size_t size)
{
	for (size_t i = 0; i < N; i++) {
		ptrs[i] = malloc(size);
		cr_assert(ptrs[i]);
		memset(ptrs[i], 1, size);
	}
}

static void empty(void)
{
	for (size_t i = 0; i < N; i++)
		free(ptrs[i]);
}

/*
 * Trims, and compares what that returns with what the kernel got back; more by
 * the descriptors of a heap that had @size bytes.
 */
static size_t checked_trim(size_t size)
{
	size_t before = anonymous(), bytes = quarry_trim(), after = anonymous();

	cr_assert_leq(bytes + after, before + KiB(256) + bytes / 20,
		      "%zu returned, %zu before, %zu after", bytes, before,
		      after);
	cr_assert_leq(before, bytes + after + KiB(256) + size / 25,
		      "%zu returned, %zu before, %zu after", bytes, before,
		      after);
	return bytes;
}

Test(trim, returns_what_left_the_process)
{
	static const size_t sizes[] = {100, 3000, KiB(10)};

	anonymous(); /* its buffer */
	quarry_trim();
	for (size_t i = 0; i < NR(sizes); i++) {
		size_t all = N * sizes[i], resident;

		fill(sizes[i]);
		checked_trim(all);
		resident = quarry_resident_bytes();
		/* told in steps */
		cr_assert_geq(resident + KiB(256), all);
		empty();
		checked_trim(all);
		cr_assert_leq(quarry_trim(), KiB(64));
		cr_assert_leq(quarry_resident_bytes() + all * 9 / 10,
			      resident + KiB(256));
	}
}

Test(trim, finds_what_is_free_in_caches_and_finds_it_once)
{
	quarry_trim();
	fill(1000);
	quarry_trim(); /* the ends of slabs */
	cr_assert_eq(quarry_trim(), 0u);
	/* all of it may be in arrays, barns and pcps */
	for (size_t i = 0; i < 40; i++)
		free(ptrs[i]);
	cr_assert_gt(quarry_trim(), 0u);
	cr_assert_eq(quarry_trim(), 0u);
	for (size_t i = 40; i < N; i++)
		free(ptrs[i]);
	cr_assert_gt(quarry_trim(), 0u);
	cr_assert_eq(quarry_trim(), 0u);
}

static void *trim_here(void *arg)
{
	*(size_t *)arg = quarry_trim();
	return NULL;
}

Test(trim, any_thread_returns_what_any_other_freed)
{
	pthread_t thread;
	size_t bytes;

	/* what a thread itself costs is there before */
	pthread_create(&thread, NULL, trim_here, &bytes);
	pthread_join(thread, NULL);
	fill(KiB(4));
	empty();
	pthread_create(&thread, NULL, trim_here, &bytes);
	pthread_join(thread, NULL);
	/* beyond the watermarks it went before */
	cr_assert(bytes >= N * KiB(4) / 2 ||
		  quarry_resident_bytes() < N * KiB(4) / 2);
	cr_assert_leq(quarry_trim(), KiB(64));
}

static _Atomic unsigned busy;

/* Objects of many sizes, each with its own content, come and go. */
static void *work(void *arg)
{
	uint64_t state = 1 + (uintptr_t)arg;
	unsigned char *mine[KEPT] = {0};
	size_t sizes[KEPT] = {0};

	for (size_t i = 0; i < 40000; i++) {
		size_t at, size;

		state = state * UINT64_C(6364136223846793005) + 1;
		at = (state >> 33) % KEPT;
		if (mine[at] && (mine[at][0] != (unsigned char)at ||
				 mine[at][sizes[at] - 1] != (unsigned char)at))
			return (void *)"an object changed";
		free(mine[at]);
		size = 1 + (state >> 40) % (at % 50 ? 2000 : KiB(200));
		mine[at] = malloc(size);
		if (!mine[at])
			return (void *)"no memory";
		memset(mine[at], (int)at, size);
		sizes[at] = size;
	}
	for (size_t i = 0; i < KEPT; i++)
		free(mine[i]);
	atomic_fetch_sub(&busy, 1);
	return NULL;
}

Test(trim, may_run_while_eight_threads_allocate)
{
	pthread_t threads[THREADS];
	size_t before, trims = 0;

	/* what threads cost is there before */
	atomic_store(&busy, 1);
	pthread_create(&threads[0], NULL, work, NULL);
	pthread_join(threads[0], NULL);
	before = quarry_live_bytes();
	atomic_store(&busy, THREADS);
	for (size_t i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, work, (void *)(i + 1));
	for (; atomic_load(&busy) || trims < ROUNDS; trims++) {
		size_t bytes = quarry_trim();

		cr_assert_leq(bytes, MiB(4096));
		usleep(500);
	}
	for (size_t i = 0; i < THREADS; i++) {
		void *wrong;

		pthread_join(threads[i], &wrong);
		cr_assert_null(wrong, "%s", (char *)wrong);
	}
	/* libc may have kept a little for its threads */
	cr_assert_leq(quarry_live_bytes(), before + KiB(16));
	quarry_trim();
	cr_assert_leq(quarry_resident_bytes(), quarry_live_bytes() + MiB(2));
}
