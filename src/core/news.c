#include "core/news.h"

#include "sys/bell.h"
#include "sys/file.h"
#include "sys/limits.h"
#include "sys/pressure.h"

#include <errno.h>

enum source { BELL, EVENTS, PRESSURE, NR_SOURCES };

/* For those without rights the window is a multiple of 2 s. */
enum { STALL_US = 200000, WINDOW_US = 2000000 };

static struct qr_pressure_wish wish;
static struct qr_bell bell;

/* The thread's. */
static struct pollfd fds[NR_SOURCES] = {{.fd = -1}, {.fd = -1}, {.fd = -1}};
static bool asked_for_pressure;
static unsigned level_heard;
static struct qr_cgroup_events last;

void qr_news_read_environment(void)
{
	qr_pressure_parse(qr_environment("MEMORY_PRESSURE_WATCH"),
			  qr_environment("MEMORY_PRESSURE_WRITE"), &wish);
}

static void close_source(enum source source)
{
	if (fds[source].fd >= 0)
		qr_file_close(fds[source].fd);
	fds[source].fd = -1;
}

/* Errors are no news. */
static void set_source(enum source source, int fd, short events)
{
	close_source(source);
	if (fd >= 0)
		fds[source] = (struct pollfd){.fd = fd, .events = events};
}

static void listen_to_events(const struct qr_cgroup *group, unsigned level)
{
	if (fds[EVENTS].fd >= 0 && level == level_heard)
		return;
	level_heard = level;
	last = (struct qr_cgroup_events){0};
	set_source(EVENTS, qr_cgroup_events_open(group, level), POLLPRI);
	if (fds[EVENTS].fd >= 0)
		qr_cgroup_events_read(fds[EVENTS].fd, &last);
}

/* Once: what is refused will be refused again. */
static void listen_to_pressure(const struct qr_cgroup *group)
{
	short events = POLLPRI;
	int fd = -ENODEV;

	if (asked_for_pressure)
		return;
	asked_for_pressure = wish.given || group;
	if (wish.given)
		fd = qr_pressure_open(&wish, &events);
	else if (group)
		fd = qr_cgroup_psi_open(group, STALL_US, WINDOW_US);
	set_source(PRESSURE, fd, events);
}

bool qr_news_expected(void)
{
	return fds[EVENTS].fd >= 0 || fds[PRESSURE].fd >= 0;
}

void qr_news_listen(const struct qr_cgroup *group, unsigned level)
{
	listen_to_pressure(group);
	if (group)
		listen_to_events(group, level);
	else
		close_source(EVENTS);
	if (qr_news_expected() && fds[BELL].fd < 0)
		set_source(BELL, qr_bell_open(&bell), POLLIN);
}

/* A limit was met since we last looked. */
static bool take_events(void)
{
	struct qr_cgroup_events now;
	bool news;

	if (qr_cgroup_events_read(fds[EVENTS].fd, &now)) {
		close_source(EVENTS); /* the group is gone */
		return false;
	}
	news = now.high != last.high || now.max != last.max ||
	       now.oom != last.oom;
	last = now;
	return news;
}

static bool take_pressure(void)
{
	short got = fds[PRESSURE].revents;

	if (got & POLLIN ? !qr_pressure_discard(fds[PRESSURE].fd)
			 : got & (POLLERR | POLLHUP | POLLNVAL))
		close_source(PRESSURE);
	return got & (POLLIN | POLLPRI);
}

bool qr_news_wait(int milliseconds)
{
	bool news = false;

	qr_poll(fds, NR_SOURCES, milliseconds);
	if (fds[BELL].revents)
		qr_bell_answer(fds[BELL].fd);
	if (fds[EVENTS].revents)
		news |= take_events();
	if (fds[PRESSURE].revents)
		news |= take_pressure();
	return news;
}

void qr_news_wake(void)
{
	qr_bell_ring(&bell);
}

void qr_news_after_fork(void)
{
	atomic_store_explicit(&bell.thread, 0, memory_order_relaxed);
	for (unsigned i = 0; i < NR_SOURCES; i++)
		fds[i].fd = -1;
	asked_for_pressure = false;
}
