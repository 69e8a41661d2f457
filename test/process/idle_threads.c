/*
 * Threads that allocate once and then sleep, ten thousand of them: what the
 * allocator holds for each beside its live objects is next to nothing, because
 * caches belong to CPUs.  (libc and the kernel take two pages for
 * the stack of each, whatever the allocator.)
 */
#include "check.h"

#include <pthread.h>

enum { THREADS = 10000, FEWEST = 1000, STACK = 32 << 10 };

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int nr_asleep;
static bool over;

static void *sleep_on(void *arg)
{
	size_t size = 16 + (uintptr_t)arg % 64 * 128;
	void *p = malloc(size);

	CHECK(p);
	memset(opaque(p), 1, size);
	free(p);
	pthread_mutex_lock(&mutex);
	nr_asleep++;
	pthread_cond_broadcast(&changed);
	while (!over)
		pthread_cond_wait(&changed, &mutex);
	pthread_mutex_unlock(&mutex);
	return NULL;
}

/* Bytes that the library has beside live objects; 0 on libc. */
static double held(void)
{
	size_t (*resident)(void), (*live)(void);

	*(void **)&resident = dlsym(RTLD_DEFAULT, "quarry_resident_bytes");
	*(void **)&live = dlsym(RTLD_DEFAULT, "quarry_live_bytes");
	return library() ? (double)resident() - (double)live() : 0;
}

static pthread_t threads[THREADS];

/* Until there are @n of them, all asleep; how many there are. */
static int start(int from, int n)
{
	static pthread_attr_t attr;
	int i;

	CHECK(!pthread_attr_init(&attr));
	CHECK(!pthread_attr_setstacksize(&attr, STACK));
	for (i = from; i < n; i++) {
		if (pthread_create(&threads[i], &attr, sleep_on,
				   as_pointer((uintptr_t)i)))
			break;
	}
	pthread_mutex_lock(&mutex);
	while (nr_asleep < i)
		pthread_cond_wait(&changed, &mutex);
	pthread_mutex_unlock(&mutex);
	return i;
}

int main(void)
{
	double before, held_before;
	int n;

	check_library();
	if (available() < 512 * MIB)
		skip("less than 512 MiB of memory left");
	/* the CPUs' caches are filled by the first of them */
	if (start(0, FEWEST) < FEWEST)
		skip("no thousand threads can be had here");
	before = (double)anonymous();
	held_before = held();
	n = start(FEWEST, THREADS);
	if (n < 2 * FEWEST)
		skip("no two thousand threads can be had here");
	printf("figure: held-by-caches %.0f KiB\n", held_before / KIB);
	printf("figure: memory-by-idle-thread %.0f bytes, stack and all\n",
	       ((double)anonymous() - before) / (n - FEWEST));
	figure_at_most("held-by-idle-thread",
		       (held() - held_before) / (n - FEWEST), "bytes", 128);
	pthread_mutex_lock(&mutex);
	over = true;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&mutex);
	for (int i = 0; i < n; i++)
		pthread_join(threads[i], NULL);
	return 0;
}
