/*
 * What control groups say.  A level is a directory with files of one line or
 * of lines "KEY NUMBER"; a file that is missing is that of a controller which
 * is not on at that level, and limits nothing.
 */
#include "sys/cgroup.h"

#include "base/bits.h"
#include "sys/file.h"
#include "sys/print.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>

int qr_cgroup_climb(int dir)
{
	int parent = qr_file_open(dir, "..", O_PATH | O_DIRECTORY);

	qr_file_close(dir);
	return parent;
}

/* Where a function is on its way through the levels. */
struct climber {
	const struct qr_cgroup *cgroup;
	unsigned level;
	int dir; /* of that level, or -errno */
};

static bool climber_start(struct climber *c, const struct qr_cgroup *cgroup)
{
	c->cgroup = cgroup;
	c->level = 0;
	c->dir = qr_file_open(AT_FDCWD, cgroup->path, O_PATH | O_DIRECTORY);
	return c->dir >= 0;
}

static bool climber_next(struct climber *c)
{
	if (c->level + 1 == c->cgroup->levels)
		return false;
	c->level++;
	c->dir = qr_cgroup_climb(c->dir);
	return c->dir >= 0;
}

/* 0, @rc if that is an error, or why climbing ended early. */
static int climber_end(struct climber *c, int rc)
{
	if (c->dir < 0)
		return rc ? rc : c->dir;
	qr_file_close(c->dir);
	return rc;
}

/* To @level; if that fails, there is nothing to end. */
static int climber_start_at(struct climber *c, const struct qr_cgroup *cgroup,
			    unsigned level)
{
	if (level >= cgroup->levels)
		return -EINVAL;
	climber_start(c, cgroup);
	while (c->dir >= 0 && c->level < level)
		climber_next(c);
	return c->dir < 0 ? c->dir : 0;
}

/* A number, or "max" (v2) or "-1" (v1): UINT64_MAX. */
static bool read_limit(struct qr_reader *r, uint64_t *ret_limit)
{
	*ret_limit = UINT64_MAX;
	if (qr_take(r, 'm'))
		return qr_take(r, 'a') && qr_take(r, 'x');
	if (qr_take(r, '-'))
		return qr_take(r, '1');
	return qr_read_number(r, ret_limit);
}

/* The one limit in a file; UINT64_MAX without one. */
static int read_limit_file(int dir, const char *name, uint64_t *ret_limit)
{
	struct qr_reader r;
	int rc = qr_reader_open(&r, dir, name);

	*ret_limit = UINT64_MAX;
	if (rc)
		return rc == -ENOENT ? 0 : rc; /* no such controller here */
	rc = qr_reader_end(&r, read_limit(&r, ret_limit));
	qr_reader_close(&r);
	return rc;
}

static int read_number_file(int dir, const char *name, uint64_t *ret_number)
{
	struct qr_reader r;
	int rc = qr_reader_open(&r, dir, name);

	if (rc)
		return rc;
	rc = qr_reader_end(&r, qr_read_number(&r, ret_number));
	qr_reader_close(&r);
	return rc;
}

/*
 * Numbers of lines "KEY NUMBER\n"; 0 for a key that has no line.
 */
static int read_keys(struct qr_reader *r, const char *const *keys,
		     uint64_t *ret_numbers, unsigned n)
{
	char key[24];

	memset(ret_numbers, 0, n * sizeof(*ret_numbers));
	for (; qr_peek(r) >= 0; qr_skip_line(r)) {
		if (qr_read_field(r, ' ', key, sizeof(key)) >= sizeof(key))
			continue;
		for (unsigned i = 0; i < n; i++) {
			if (strcmp(key, keys[i]) == 0 &&
			    (!qr_read_number(r, &ret_numbers[i]) ||
			     !qr_at_end_of_line(r)))
				return r->error ? r->error : -EINVAL;
		}
	}
	return r->error;
}

/*
 * Memory
 */

/* v1's way to say that there is no limit: 2^63 less one page of any size. */
static const uint64_t v1_no_limit = (UINT64_C(1) << 63) - (1 << 20);

static int read_memory_limits(const struct climber *c, uint64_t *ret_max,
			      uint64_t *ret_high)
{
	int rc;

	*ret_high = UINT64_MAX;
	if (c->cgroup->v2) {
		rc = read_limit_file(c->dir, "memory.max", ret_max);
		return rc ? rc
			  : read_limit_file(c->dir, "memory.high", ret_high);
	}
	rc = read_limit_file(c->dir, "memory.limit_in_bytes", ret_max);
	if (*ret_max >= v1_no_limit)
		*ret_max = UINT64_MAX;
	return rc;
}

/* What the level that @c is at adds to @memory. */
static int read_memory_level(const struct climber *c,
			     struct qr_cgroup_memory *memory)
{
	uint64_t max, high, limit, current, room;
	int rc = read_memory_limits(c, &max, &high);

	if (rc)
		return rc;
	limit = qr_min(max, high);
	if (limit == UINT64_MAX)
		return 0;
	rc = read_number_file(c->dir,
			      c->cgroup->v2 ? "memory.current"
					    : "memory.usage_in_bytes",
			      &current);
	if (rc)
		return rc;
	memory->max = qr_min(memory->max, max);
	memory->high = qr_min(memory->high, high);
	room = limit > current ? limit - current : 0;
	if (room < memory->room) {
		memory->room = room;
		memory->limit = limit;
		memory->current = current;
		memory->level = c->level;
	}
	return 0;
}

int qr_cgroup_memory_read(const struct qr_cgroup *cgroup,
			  struct qr_cgroup_memory *ret_memory)
{
	struct qr_cgroup_memory memory = {.max = UINT64_MAX,
					  .high = UINT64_MAX,
					  .room = UINT64_MAX,
					  .limit = UINT64_MAX};
	struct climber c;
	int rc = 0;

	if (climber_start(&c, cgroup)) {
		do {
			rc = read_memory_level(&c, &memory);
		} while (!rc && climber_next(&c));
	}
	rc = climber_end(&c, rc);
	if (!rc)
		*ret_memory = memory;
	return rc;
}

int qr_cgroup_file_read(const struct qr_cgroup *cgroup, unsigned level,
			uint64_t *ret_bytes)
{
	static const char *const v2_keys[] = {"inactive_file", "active_file"};
	static const char *const v1_keys[] = {"total_inactive_file",
					      "total_active_file"};
	uint64_t bytes[2];
	struct climber c;
	struct qr_reader r;
	int rc = climber_start_at(&c, cgroup, level);

	if (rc)
		return rc;
	rc = qr_reader_open(&r, c.dir, "memory.stat");
	if (!rc) {
		rc = read_keys(&r, cgroup->v2 ? v2_keys : v1_keys, bytes, 2);
		qr_reader_close(&r);
	}
	rc = climber_end(&c, rc);
	if (!rc)
		*ret_bytes = bytes[0] + bytes[1];
	return rc;
}

/*
 * CPU time
 */

static int read_quota_v2(int dir, uint64_t *ret_quota, uint64_t *ret_period)
{
	struct qr_reader r;
	int rc = qr_reader_open(&r, dir, "cpu.max");

	if (rc)
		return rc;
	rc = qr_reader_end(&r, read_limit(&r, ret_quota) && qr_take(&r, ' ') &&
				       qr_read_number(&r, ret_period));
	qr_reader_close(&r);
	return rc;
}

static int read_quota_v1(int dir, uint64_t *ret_quota, uint64_t *ret_period)
{
	int rc = read_limit_file(dir, "cpu.cfs_quota_us", ret_quota);

	if (rc || *ret_quota == UINT64_MAX)
		return rc;
	return read_number_file(dir, "cpu.cfs_period_us", ret_period);
}

static int read_cpus_level(const struct climber *c, uint64_t *cpus)
{
	uint64_t quota, period = 1;
	int rc = c->cgroup->v2 ? read_quota_v2(c->dir, &quota, &period)
			       : read_quota_v1(c->dir, &quota, &period);

	if (rc)
		return rc == -ENOENT ? 0 : rc;
	if (!period)
		return -EINVAL;
	if (quota != UINT64_MAX)
		*cpus = qr_min(*cpus, quota / period + !!(quota % period));
	return 0;
}

int qr_cgroup_cpus_read(const struct qr_cgroup *cgroup, unsigned *ret_cpus)
{
	uint64_t cpus = UINT_MAX;
	struct climber c;
	int rc = 0;

	if (climber_start(&c, cgroup)) {
		do {
			rc = read_cpus_level(&c, &cpus);
		} while (!rc && climber_next(&c));
	}
	rc = climber_end(&c, rc);
	if (!rc)
		*ret_cpus = (unsigned)qr_max(cpus, 1);
	return rc;
}

/*
 * Being told
 */

int qr_cgroup_events_open(const struct qr_cgroup *cgroup, unsigned level)
{
	struct qr_cgroup_events events;
	struct climber c;
	int fd, rc;

	if (!cgroup->v2)
		return -ENOSYS;
	rc = climber_start_at(&c, cgroup, level);
	if (rc)
		return rc;
	do {
		fd = qr_file_open(c.dir, "memory.events", O_RDONLY);
	} while (fd == -ENOENT && climber_next(&c));
	rc = climber_end(&c, fd < 0 ? fd : 0);
	/* what was before the first reading counts as news */
	if (!rc)
		rc = qr_cgroup_events_read(fd, &events);
	if (rc && fd >= 0)
		qr_file_close(fd);
	return rc ? rc : fd;
}

int qr_cgroup_events_read(int fd, struct qr_cgroup_events *ret_events)
{
	static const char *const keys[] = {"high", "max", "oom"};
	uint64_t numbers[QR_ARRAY_SIZE(keys)];
	struct qr_reader r;
	int rc = qr_file_rewind(fd);

	if (rc)
		return rc;
	qr_reader_init(&r, fd);
	rc = read_keys(&r, keys, numbers, QR_ARRAY_SIZE(keys));
	if (rc)
		return rc;
	ret_events->high = numbers[0];
	ret_events->max = numbers[1];
	ret_events->oom = numbers[2];
	return 0;
}

int qr_cgroup_psi_open(const struct qr_cgroup *cgroup, unsigned stall_us,
		       unsigned window_us)
{
	struct climber c;
	char trigger[40];
	size_t n;
	int fd, rc;

	if (!cgroup->v2)
		return -ENOSYS;
	rc = climber_start_at(&c, cgroup, 0);
	if (rc)
		return rc;
	fd = qr_file_open(c.dir, "memory.pressure", O_RDWR | O_NONBLOCK);
	climber_end(&c, 0);
	if (fd < 0)
		return fd;
	n = qr_format(trigger, sizeof(trigger), "some %u %u", stall_us,
		      window_us);
	/* the kernel overwrites the last byte with NUL */
	rc = qr_file_write(fd, trigger, n + 1);
	if (rc)
		qr_file_close(fd);
	return rc ? rc : fd;
}
