#include "core/shrinker.h"

#include "arena/meta.h"
#include "base/list.h"
#include "sys/futex.h"
#include "sys/lock.h"

#include <errno.h>
#include <pthread.h>

struct shrinker {
	struct qr_list link;
	uint64_t number; /* ascending along the list */
	qr_shrink_fn *shrink;
	void *arg;
};

static struct qr_lock lock = QR_LOCK_INIT(QR_RANK_SHRINKERS);
/* under the lock */
static struct qr_list shrinkers = QR_LIST_INIT(shrinkers);
static uint64_t last_number, nr_runs;
static uint64_t running; /* the number of the one that is called; 0: none */
static pthread_t runner; /* if is_busy */

/* Written under the lock. */
static _Atomic uint64_t nr_registered, nr_calls, nr_bytes;
static _Atomic bool is_busy;
static _Atomic uint32_t nr_ended; /* calls; who waits for one waits here */

static uint64_t load(_Atomic uint64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

static void add(_Atomic uint64_t *counter, uint64_t n)
{
	atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

/* The lock is held. */
static bool is_runner(void)
{
	return atomic_load_explicit(&is_busy, memory_order_relaxed) &&
	       pthread_equal(runner, pthread_self());
}

static struct shrinker *find(qr_shrink_fn *shrink, const void *arg)
{
	QR_LIST_FOR_EACH(node, safe, &shrinkers) {
		struct shrinker *one =
			QR_CONTAINER_OF(node, struct shrinker, link);

		if (one->shrink == shrink && one->arg == arg)
			return one;
	}
	return NULL;
}

int qr_shrinker_register(qr_shrink_fn *shrink, void *arg)
{
	struct shrinker *new;

	if (!shrink)
		return -EINVAL;
	new = qr_meta_alloc(sizeof(*new));
	if (!new)
		return -ENOMEM;
	qr_lock_acquire(&lock);
	if (find(shrink, arg)) {
		qr_lock_release(&lock);
		qr_meta_free(new, sizeof(*new));
		return -EEXIST;
	}
	*new = (struct shrinker){
		.number = ++last_number, .shrink = shrink, .arg = arg};
	qr_list_add_tail(&new->link, &shrinkers);
	add(&nr_registered, 1);
	qr_lock_release(&lock);
	return 0;
}

/* Every sleeper wakes the next. */
static void wait_for_end(uint32_t ended)
{
	/* acquire: pairs with end_call */
	while (atomic_load_explicit(&nr_ended, memory_order_acquire) == ended)
		qr_futex_wait(&nr_ended, ended);
	qr_futex_wake(&nr_ended);
}

int qr_shrinker_unregister(qr_shrink_fn *shrink, void *arg)
{
	struct shrinker *one;
	uint32_t ended;
	bool runs;

	qr_lock_acquire(&lock);
	one = find(shrink, arg);
	if (!one) {
		qr_lock_release(&lock);
		return -ENOENT;
	}
	qr_list_del(&one->link);
	atomic_fetch_sub_explicit(&nr_registered, 1, memory_order_relaxed);
	runs = running == one->number && !is_runner();
	ended = atomic_load_explicit(&nr_ended, memory_order_relaxed);
	qr_lock_release(&lock);
	qr_meta_free(one, sizeof(*one));
	if (runs)
		wait_for_end(ended);
	return 0;
}

static bool begin_run(void)
{
	bool begun;

	/* nobody registers in most programs */
	if (!load(&nr_registered))
		return false;
	qr_lock_acquire(&lock);
	begun = !atomic_load_explicit(&is_busy, memory_order_relaxed);
	if (begun) {
		runner = pthread_self();
		nr_runs++;
		atomic_store_explicit(&is_busy, true, memory_order_relaxed);
	}
	qr_lock_release(&lock);
	return begun;
}

static void end_run(void)
{
	qr_lock_acquire(&lock);
	atomic_store_explicit(&is_busy, false, memory_order_relaxed);
	qr_lock_release(&lock);
}

/* The first one past number @after, as a copy: it may be unregistered. */
static bool begin_call(uint64_t after, struct shrinker *ret_copy)
{
	bool found = false;

	qr_lock_acquire(&lock);
	QR_LIST_FOR_EACH(node, safe, &shrinkers) {
		struct shrinker *one =
			QR_CONTAINER_OF(node, struct shrinker, link);

		if (one->number > after && !found) {
			*ret_copy = *one;
			running = one->number;
			found = true;
		}
	}
	qr_lock_release(&lock);
	return found;
}

static void end_call(void)
{
	qr_lock_acquire(&lock);
	running = 0;
	/* release: pairs with wait_for_end */
	atomic_fetch_add_explicit(&nr_ended, 1, memory_order_release);
	qr_lock_release(&lock);
	qr_futex_wake(&nr_ended);
}

size_t qr_shrinkers_run(size_t bytes)
{
	struct shrinker one = {.number = 0};
	int saved = errno;
	size_t left = bytes;

	if (!begin_run())
		return 0;
	while (left && begin_call(one.number, &one)) {
		size_t freed = one.shrink(one.arg, left);

		end_call();
		add(&nr_calls, 1);
		add(&nr_bytes, freed);
		left -= freed < left ? freed : left;
	}
	end_run();
	errno = saved;
	return bytes - left;
}

uint64_t qr_shrinkers_other_run(void)
{
	uint64_t run = 0;

	if (!atomic_load_explicit(&is_busy, memory_order_relaxed))
		return 0;
	qr_lock_acquire(&lock);
	if (atomic_load_explicit(&is_busy, memory_order_relaxed) &&
	    !is_runner())
		run = nr_runs;
	qr_lock_release(&lock);
	return run;
}

void qr_shrinkers_read_stats(struct qr_shrinker_stats *ret_stats)
{
	*ret_stats = (struct qr_shrinker_stats){
		.registered = load(&nr_registered),
		.calls = load(&nr_calls),
		.bytes = load(&nr_bytes),
	};
}

void qr_shrinkers_lock_all(void)
{
	qr_lock_acquire(&lock);
}

void qr_shrinkers_unlock_all(bool child)
{
	if (child && !is_runner()) {
		atomic_store_explicit(&is_busy, false, memory_order_relaxed);
		running = 0;
	}
	qr_lock_after_fork(&lock, child);
}
