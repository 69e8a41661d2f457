#include "core/container.h"

#include "arena/large.h"
#include "arena/node.h"
#include "core/boot.h"
#include "core/limit.h"
#include "core/news.h"

#include <stdatomic.h>

enum {
	SHARE_SHIFT = 4,   /* a sixteenth of the limit may be kept */
	PRESSED_SHIFT = 3, /* less room than an eighth is little */
};

static const size_t PRESSED_KEEP = (size_t)1 << 20;

static atomic_flag looking = ATOMIC_FLAG_INIT;
/* Whose turn it is to look. */
static struct qr_cgroup group;
static bool found;

/* Relaxed: figures. */
static _Atomic size_t container_limit = SIZE_MAX;
static _Atomic size_t kept = SIZE_MAX; /* of what keep_at_most() was told */
static _Atomic bool was_pressed;

/* What may be kept ready in zones, as much in mappings. */
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

/* How far the container is from its limit, page cache not counted. */
static bool is_pressed(const struct qr_cgroup_memory *memory)
{
	uint64_t least = memory->limit >> PRESSED_SHIFT, file = 0;

	if (memory->room >= least)
		return false;
	if (qr_cgroup_file_read(&group, memory->level, &file))
		file = 0;
	return memory->room + file < least;
}

/* Looks for the group again where it is gone. */
static bool read_group(struct qr_cgroup_memory *ret_memory)
{
	if (!found && qr_cgroup_find("", "memory", &group))
		return false;
	found = qr_cgroup_memory_read(&group, ret_memory) == 0;
	return found;
}

static bool heed(const struct qr_cgroup_memory *memory)
{
	size_t limit = qr_min(qr_min(memory->max, memory->high), SIZE_MAX);
	size_t share = limit == SIZE_MAX ? SIZE_MAX : limit >> SHARE_SHIFT;
	bool pressed = limit != SIZE_MAX && is_pressed(memory);

	keep_at_most(pressed ? qr_min(share, PRESSED_KEEP) : share);
	atomic_store_explicit(&container_limit, limit, memory_order_relaxed);
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

size_t qr_container_limit(void)
{
	return atomic_load_explicit(&container_limit, memory_order_relaxed);
}

void qr_container_after_fork(void)
{
	found = false;
	atomic_flag_clear_explicit(&looking, memory_order_relaxed);
}
