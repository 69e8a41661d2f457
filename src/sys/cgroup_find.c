/*
 * Control groups: a group is a directory.  Two files of /proc say which one
 * is ours:
 *
 *	/proc/PID/cgroup     ID:CONTROLLERS:GROUP     the group's path within
 *			     0::GROUP                 its hierarchy; v2's
 *	/proc/PID/mountinfo  .. ROOT POINT .. - cgroup2 .. OPTIONS
 *			     which part of which hierarchy is mounted where
 *
 * GROUP and ROOT are relative to the root of our cgroup namespace, and begin
 * with "/.." for each level that they lie above it:
 *
 *	GROUP	ROOT	the directory
 *	/a/b	/	POINT/a/b
 *	/a/b	/a	POINT/b		only this much is mounted
 *	/	/	POINT		in a container
 *	/..	/../..	POINT		mounted outside of the namespace: we are
 *					below, the names are hidden
 *	/a	/b	none		elsewhere
 *	/..	/	none		ROOT is below us
 *
 * From there on a descriptor of the directory climbs from level to level by
 * "..": no path is put together again.
 */
#include "sys/cgroup.h"

#include "sys/file.h"
#include "sys/print.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

struct finder {
	const char *root;
	const char *controller;
	bool v2;
	int error; /* why the best place so far is none; 0: ret has it */
	int rank;  /* of that place: levels, 0 if hidden */
	struct qr_cgroup *ret;
	char group[QR_CGROUP_PATH]; /* the path in its hierarchy */
	char mount_root[QR_CGROUP_PATH];
	char mount_point[QR_CGROUP_PATH];
	char directory[QR_CGROUP_PATH];
};

/*
 * A file of our own in /proc.  The thread's first: those of the process are
 * the main thread's, which may have ended.
 */
static int open_own(struct finder *f, struct qr_reader *r, const char *name)
{
	static const char *const selves[] = {"thread-self", "self"};
	int rc = -ENOENT;

	for (size_t i = 0; i < QR_ARRAY_SIZE(selves) && rc == -ENOENT; i++) {
		if (qr_format(f->directory, sizeof(f->directory),
			      "%s/proc/%s/%s", f->root, selves[i],
			      name) >= sizeof(f->directory))
			return -ENAMETOOLONG;
		rc = qr_reader_open(r, AT_FDCWD, f->directory);
	}
	return rc;
}

/* Whether @word is in the list of words between commas that ends with @end. */
static bool read_list(struct qr_reader *r, char end, const char *word)
{
	char item[16];
	bool found = false;

	while (!qr_at_end_of_line(r) && !qr_take(r, end)) {
		size_t n = 0;

		for (; !qr_at_end_of_line(r) &&
		       qr_peek(r) != (unsigned char)end && qr_peek(r) != ',';
		     r->at++) {
			if (n + 1 < sizeof(item))
				item[n] = (char)qr_peek(r);
			n++;
		}
		item[n < sizeof(item) ? n : sizeof(item) - 1] = '\0';
		found |= n < sizeof(item) && strcmp(item, word) == 0;
		qr_take(r, ',');
	}
	return found;
}

/* One line of /proc/PID/cgroup; true if no other can be better. */
static bool read_group_line(struct finder *f, struct qr_reader *r)
{
	bool v2, ours;
	size_t n;

	qr_read_field(r, ':', NULL, 0);
	v2 = qr_peek(r) == ':';
	ours = read_list(r, ':', f->controller) || (v2 && f->error == -ENOENT);
	if (ours && qr_peek(r) == '/') {
		f->v2 = v2;
		n = qr_read_field(r, '\n', f->group, sizeof(f->group));
		f->error = n < sizeof(f->group) ? 0 : -ENAMETOOLONG;
		return !v2;
	}
	qr_skip_line(r);
	return false;
}

static int find_group(struct finder *f)
{
	struct qr_reader r;
	int rc = open_own(f, &r, "cgroup");

	if (rc)
		return rc;
	f->error = -ENOENT;
	while (qr_peek(&r) >= 0 && !read_group_line(f, &r))
		;
	qr_reader_close(&r);
	return r.error ? r.error : f->error;
}

/* "\040" is a space and so on; a backslash itself is "\134". */
static void unescape(char *text)
{
	char *to = text;

	for (; *text; to++) {
		unsigned c = 0, digits = 0;

		while (*text == '\\' && digits < 3 && text[1 + digits] >= '0' &&
		       text[1 + digits] <= '7')
			c = c * 8 + (unsigned)(text[1 + digits++] - '0');
		if (digits == 3) {
			*to = (char)c;
			text += 4;
		} else {
			*to = *text++;
		}
	}
	*to = '\0';
}

/* Whether @path starts with the component "..". */
static bool goes_up(const char *path)
{
	return strncmp(path, "/..", 3) == 0 && (!path[3] || path[3] == '/');
}

/*
 * The way from the root of the mount down to our group, "" if there is none
 * to go; NULL: it is not there.  @ret_hidden: the way has no name.
 */
static const char *way_down(const struct finder *f, bool *ret_hidden)
{
	const char *group = f->group, *root = f->mount_root;
	size_t n;

	*ret_hidden = false;
	if (root[0] != '/')
		return NULL;
	for (; goes_up(group) && goes_up(root); group += 3)
		root += 3;
	*ret_hidden = goes_up(root);
	while (goes_up(root))
		root += 3;
	n = strcmp(root, "/") ? strlen(root) : 0;
	if (*ret_hidden)
		return n ? NULL : "";
	if (strncmp(group, root, n) || (group[n] && group[n] != '/'))
		return NULL;
	group += n;
	if (strcmp(group, "/") == 0)
		return "";
	for (const char *p = group; (p = strchr(p, '/')); p++) {
		if (goes_up(p))
			return NULL;
	}
	return group;
}

/*
 * Before 5.11, v1's groups were charged to their ancestors only on demand:
 * whether those below @dir are charged to it, or -errno.
 */
static int is_charged(int dir, bool v2)
{
	struct qr_reader r;
	int rc = v2 ? -ENOENT : qr_reader_open(&r, dir, "memory.use_hierarchy");

	if (rc)
		return rc == -ENOENT ? 1 : rc;
	rc = qr_peek(&r) != '0';
	qr_reader_close(&r);
	return rc;
}

/* How many levels of @most count, from @dir on, which is closed; or -errno. */
static int count_levels(int dir, int most, bool v2)
{
	int charged;

	for (int n = 1; n < most; n++) {
		dir = qr_cgroup_climb(dir);
		if (dir < 0)
			return dir == -EACCES ? n : dir;
		charged = is_charged(dir, v2);
		if (charged > 0)
			continue;
		qr_file_close(dir);
		return charged ? charged : n;
	}
	qr_file_close(dir);
	return most;
}

/* A descriptor of @directory if it is a group, else -errno. */
static int open_group(const char *directory)
{
	int dir = qr_file_open(AT_FDCWD, directory, O_PATH | O_DIRECTORY);
	int rc = dir < 0 ? dir : qr_file_exists(dir, "cgroup.procs");

	if (rc && dir >= 0)
		qr_file_close(dir);
	return rc ? rc : dir;
}

/* Why there is no place yet: the first reason that says something. */
static void note_error(struct finder *f, int error)
{
	if (f->error == -ENOENT)
		f->error = error;
}

/*
 * Take this mount if it leads to our group and shows more ancestors than the
 * one before.  It may be covered by another mount: look before.
 */
static void consider_mount(struct finder *f)
{
	bool hidden;
	const char *way;
	int dir, rc, rank = 1;

	unescape(f->mount_root);
	unescape(f->mount_point);
	way = way_down(f, &hidden);
	if (!way)
		return;
	for (const char *p = way; *p; p++)
		rank += *p == '/';
	/* where the way is hidden is worse than anything */
	if (!f->error && (hidden || rank <= f->rank))
		return;
	if (qr_format(f->directory, sizeof(f->directory), "%s%s%s", f->root,
		      f->mount_point, way) >= sizeof(f->directory)) {
		note_error(f, -ENAMETOOLONG);
		return;
	}
	dir = open_group(f->directory);
	rc = dir < 0 ? dir : count_levels(dir, rank, f->v2);
	if (rc < 0) {
		note_error(f, rc);
		return;
	}
	f->error = 0;
	f->rank = hidden ? 0 : rank;
	f->ret->v2 = f->v2;
	f->ret->levels = (uint16_t)rc;
	memcpy(f->ret->path, f->directory, sizeof(f->directory));
}

/*
 * "36 35 98:0 /root /point rw,noatime master:1 - cgroup none rw,memory": any
 * number of fields before the dash.  Whether it is a mount of our hierarchy,
 * with its root and point.
 */
static bool read_mount(struct finder *f, struct qr_reader *r)
{
	char word[16];

	for (int i = 0; i < 3; i++)
		qr_read_field(r, ' ', NULL, 0);
	if (qr_read_field(r, ' ', f->mount_root, sizeof(f->mount_root)) >=
		    sizeof(f->mount_root) ||
	    qr_read_field(r, ' ', f->mount_point, sizeof(f->mount_point)) >=
		    sizeof(f->mount_point))
		return false;
	do {
		if (qr_at_end_of_line(r))
			return false;
		qr_read_field(r, ' ', word, sizeof(word));
	} while (strcmp(word, "-"));
	qr_read_field(r, ' ', word, sizeof(word));
	qr_read_field(r, ' ', NULL, 0);
	if (f->v2)
		return strcmp(word, "cgroup2") == 0;
	return strcmp(word, "cgroup") == 0 && read_list(r, ' ', f->controller);
}

static int find_directory(struct finder *f)
{
	struct qr_reader r;
	int rc = open_own(f, &r, "mountinfo");

	if (rc)
		return rc;
	f->error = -ENOENT;
	for (; qr_peek(&r) >= 0; qr_skip_line(&r)) {
		if (read_mount(f, &r))
			consider_mount(f);
	}
	qr_reader_close(&r);
	return f->error && r.error ? r.error : f->error;
}

int qr_cgroup_find(const char *root, const char *controller,
		   struct qr_cgroup *ret_cgroup)
{
	struct finder f;
	int rc;

	f.root = root;
	f.controller = controller;
	f.ret = ret_cgroup;
	rc = find_group(&f);
	return rc ? rc : find_directory(&f);
}
