#include "core/container.h"

#include "arena/budget.h"
#include "arena/large.h"
#include "arena/node.h"
#include "core/boot.h"
#include "core/limit.h"
#include "core/news.h"
#include "core/reclaim.h"

#include <stdatomic.h>

enum {
	SHARE_SHIFT = 4,   /* a sixteenth of the limit: see keep_at_most() */
	PRESSED_SHIFT = 3, /* less room than an eighth is little */
	STEP_SHIFT = 6,	   /* of the limit: from mark to mark, at least */
};

static const size_t PRESSED_KEEP = (size_t)1 << 20;
static const size_t LEAST_STEP = (size_t)1 << 20;
static const size_t MOST_STEP = (size_t)64 << 20;

const char *qr_container_root = "";

static atomic_flag looking = ATOMIC_FLAG_INIT;
/* Of whoever looks. */
static struct qr_cgroup group;
static bool found;

/* Relaxed: figures. */
static _Atomic size_t container_limit = SIZE_MAX;
static _Atomic size_t kept = SIZE_MAX; /* what keep_at_most() was told */
static _Atomic bool was_pressed;
static _Atomic size_t wanted;
/* What we use when the group is full, if nobody else changes. */
static _Atomic size_t full = SIZE_MAX;

static size_t load(_Atomic size_t *figure)
{
	return atomic_load_explicit(figure, memory_order_relaxed);
}

static void store(_Atomic size_t *figure, size_t value)
{
	atomic_store_explicit(figure, value, memory_order_relaxed);
}

/* In each zone, and as much again by what is in use; and in mappings. */
static void keep_at_most(size_t share)
{
	size_t dirty = qr_option(QR_OPT_DIRTY);

	atomic_store_explicit(&kept, share, memory_order_relaxed);
	share = qr_min(share, qr_limit_keep());
	qr_nodes_set_watermarks(qr_min(dirty, share), share);
	qr_large_set_limit(qr_min(dirty, share));
}

void qr_container_keep_again(void)
{
	keep_at_most(atomic_load_explicit(&kept, memory_order_relaxed));
}

/* So far the container is from its limit, of which page cache is no part. */
static size_t room_of(const struct qr_cgroup_memory *memory, uint64_t least)
{
	uint64_t file = 0;

	if (memory->room < least &&
	    qr_cgroup_file_read(&group, memory->level, &file))
		file = 0;
	return qr_min(memory->room + file, SIZE_MAX);
}

/* Until @bytes more, and half of the room, are used. */
static void move_mark(size_t bytes)
{
	size_t used = qr_budget_used(), end = load(&full), room, step;

	if (end == SIZE_MAX) {
		qr_budget_set_mark(SIZE_MAX);
		return;
	}
	room = end > used ? end - used : 0;
	step = qr_clamp(load(&container_limit) >> STEP_SHIFT, LEAST_STEP,
			MOST_STEP);
	qr_budget_set_mark(used + bytes + qr_max(room / 2, step));
}

/* Looks for the group again where it is gone. */
static bool read_group(struct qr_cgroup_memory *ret_memory)
{
	if (!found && qr_cgroup_find(qr_container_root, "memory", &group))
		return false;
	found = qr_cgroup_memory_read(&group, ret_memory) == 0;
	return found;
}

static bool heed(const struct qr_cgroup_memory *memory)
{
	size_t limit = qr_min(qr_min(memory->max, memory->high), SIZE_MAX);
	size_t share = limit == SIZE_MAX ? SIZE_MAX : limit >> SHARE_SHIFT;
	size_t least = qr_min(memory->limit >> PRESSED_SHIFT, SIZE_MAX);
	size_t room = limit == SIZE_MAX ? SIZE_MAX : room_of(memory, least);
	bool pressed = limit != SIZE_MAX && room < least;

	keep_at_most(pressed ? qr_min(share, PRESSED_KEEP) : share);
	store(&container_limit, limit);
	store(&wanted, pressed ? least - room : 0);
	store(&full, limit == SIZE_MAX ? SIZE_MAX : qr_budget_used() + room);
	move_mark(0);
	atomic_store_explicit(&was_pressed, pressed, memory_order_relaxed);
	return pressed;
}

static bool look(bool listen)
{
	struct qr_cgroup_memory memory;
	bool pressed;

	/* acquire, release: what the one before found */
	if (atomic_flag_test_and_set_explicit(&looking, memory_order_acquire))
		return atomic_load_explicit(&was_pressed, memory_order_relaxed);
	pressed = read_group(&memory) && heed(&memory);
	if (listen)
		qr_news_listen(found ? &group : NULL,
			       found ? memory.level : 0);
	atomic_flag_clear_explicit(&looking, memory_order_release);
	return pressed;
}

bool qr_container_look(void)
{
	return look(false);
}

bool qr_container_look_and_listen(void)
{
	return look(true);
}

bool qr_container_relieve(size_t bytes)
{
	if (bytes <= qr_budget_mark() &&
	    qr_budget_used() <= qr_budget_mark() - bytes)
		return false;
	if (look(false))
		qr_reclaim_shed(QR_BY_STALL);
	move_mark(bytes);
	return true;
}

size_t qr_container_want(void)
{
	return load(&wanted);
}

size_t qr_container_limit(void)
{
	return load(&container_limit);
}

void qr_container_after_fork(void)
{
	found = false;
	atomic_flag_clear_explicit(&looking, memory_order_relaxed);
}
