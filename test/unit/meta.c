#include "arena/meta.h"
#include "sys/map.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static bool all_zero(const unsigned char *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (p[i])
			return false;
	}
	return true;
}

Test(meta, memory_is_zero_and_aligned_also_when_it_was_used_before)
{
	for (size_t size = 1; size <= 200000; size = size * 3 / 2 + 1) {
		for (int round = 0; round < 2; round++) {
			unsigned char *p = qr_meta_alloc(size);

			cr_assert_not_null(p);
			cr_assert_eq((uintptr_t)p % 64, 0);
			cr_assert(all_zero(p, size), "size %zu", size);
			memset(p, 0xa5, size);
			qr_meta_free(p, size);
		}
	}
}

Test(meta, freed_memory_is_handed_out_again_before_the_kernel_is_asked)
{
	enum { N = 5000, SIZE = 100 };
	static void *p[N];

	for (int i = 0; i < N; i++)
		cr_assert_not_null(p[i] = qr_meta_alloc(SIZE));

	size_t before = qr_meta_bytes();

	cr_assert_geq(before, (size_t)N * SIZE);
	for (int round = 0; round < 10; round++) {
		for (int i = 0; i < N; i++)
			qr_meta_free(p[i], SIZE);
		for (int i = 0; i < N; i++)
			cr_assert_not_null(p[i] = qr_meta_alloc(SIZE));
	}
	cr_assert_eq(qr_meta_bytes(), before);
}

Test(meta, what_a_chunk_has_left_is_used_before_the_kernel_is_asked)
{
	size_t used = 0;

	/* blocks of 64 KiB do not fill chunks, which begin with a header */
	for (int i = 0; i < 50; i++) {
		cr_assert_not_null(qr_meta_alloc(33000));
		used += 65536;
	}

	size_t before = qr_meta_bytes();
	size_t headers = 64 * 50;

	cr_assert_gt(before, used + headers);
	for (; used + 64 <= before - headers; used += 64)
		cr_assert_not_null(qr_meta_alloc(64));
	cr_assert_eq(qr_meta_bytes(), before);
}

Test(meta, blocks_beyond_the_largest_class_come_back_as_blocks_of_it)
{
	size_t size = 5 * 65536 + 1;
	char *p = qr_meta_alloc(size);

	cr_assert_not_null(p);
	qr_meta_free(p, size);

	size_t before = qr_meta_bytes();

	for (int i = 0; i < 6; i++) {
		char *q = qr_meta_alloc(65536);

		cr_assert(q >= p && q < p + 6 * 65536);
	}
	cr_assert_eq(qr_meta_bytes(), before);
}

Test(meta, the_list_of_chunks_adds_up_to_the_bytes)
{
	for (int i = 0; i < 100; i++)
		cr_assert_not_null(qr_meta_alloc(50000));

	size_t sum = 0, size;
	const struct qr_meta_chunk *chunk = qr_meta_chunks();

	while (chunk) {
		chunk = qr_meta_chunk_older(chunk, &size);
		sum += size;
	}
	cr_assert_eq(sum, qr_meta_bytes());
}

Test(meta, no_memory_is_null_and_what_is_free_still_serves)
{
	struct rlimit limit;
	void *p = qr_meta_alloc(4000);

	cr_assert_null(qr_meta_alloc(SIZE_MAX));
	cr_assert_null(qr_meta_alloc(SIZE_MAX / 2 + 2));
	cr_assert_null(qr_meta_alloc(SIZE_MAX / 2 - 200000));
	getrlimit(RLIMIT_AS, &limit);
	limit.rlim_cur = 1 << 20;
	cr_assert_eq(setrlimit(RLIMIT_AS, &limit), 0);
	if (qr_map_map(1 << 20, 1 << 12))
		cr_skip_test("limits are not kept here, as in an emulator");
	cr_assert_null(qr_meta_alloc(1 << 20));
	qr_meta_free(p, 4000);
	cr_assert_eq(qr_meta_alloc(4096), p);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_AS, &limit);
}

static void *alloc_and_free(void *arg)
{
	unsigned seed = (unsigned)(uintptr_t)arg;
	void *held[64] = {0};
	size_t size[64];

	for (int i = 0; i < 20000; i++) {
		unsigned k = (unsigned)rand_r(&seed) % 64;

		if (held[k]) {
			/* nobody else wrote into it */
			if (*(void **)held[k] != &held[k])
				return "overwritten";
			qr_meta_free(held[k], size[k]);
			held[k] = NULL;
			continue;
		}
		size[k] = 8 + (size_t)rand_r(&seed) % 3000;
		held[k] = qr_meta_alloc(size[k]);
		if (!held[k] || *(void **)held[k])
			return "not zero";
		*(void **)held[k] = &held[k];
	}
	return NULL;
}

Test(meta, threads_never_share_a_block)
{
	pthread_t thread[4];

	for (uintptr_t i = 0; i < 4; i++)
		pthread_create(&thread[i], NULL, alloc_and_free,
			       (void *)(i + 1));
	for (int i = 0; i < 4; i++) {
		void *complaint;

		pthread_join(thread[i], &complaint);
		cr_assert_null(complaint, "%s", (char *)complaint);
	}
}

static _Atomic bool stop;

static void *churn(void *arg)
{
	while (!stop)
		qr_meta_free(qr_meta_alloc(100), 100);
	return arg;
}

Test(meta, a_child_forked_while_others_allocate_can_allocate)
{
	pthread_t thread;

	pthread_create(&thread, NULL, churn, NULL);
	for (int i = 0; i < 100; i++) {
		int status;

		qr_meta_lock_all();

		pid_t pid = fork();

		qr_meta_unlock_all(pid == 0);
		if (pid == 0)
			_exit(qr_meta_alloc(100) ? 0 : 1);
		cr_assert_eq(waitpid(pid, &status, 0), pid);
		cr_assert_eq(status, 0);
	}
	stop = true;
	pthread_join(thread, NULL);
}
