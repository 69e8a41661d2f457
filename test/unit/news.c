/*
 * News, with a FIFO or a socket in the place of the kernel's file.
 */
#include "core/news.h"

#include "base/bits.h"
#include "sys/pressure.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* Longer than anything here takes, on a busy machine too. */
enum { LONG_MS = 60000 };

static char dir[] = "/tmp/quarry-news-XXXXXX";
static char path[64];

static void setup(void)
{
	cr_assert(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/watch", dir);
	/* as in the reclaimer's thread */
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, NULL);
}

static void teardown(void)
{
	unlink(path);
	rmdir(dir);
}

TestSuite(news, .init = setup, .fini = teardown);

static void ask(const char *watch, const char *write)
{
	setenv("MEMORY_PRESSURE_WATCH", watch, 1);
	if (write)
		setenv("MEMORY_PRESSURE_WRITE", write, 1);
	else
		unsetenv("MEMORY_PRESSURE_WRITE");
	qr_news_read_environment();
}

/* What is written is decoded; "a bell" has all paddings in its prefixes. */
Test(news, what_to_write_is_base64)
{
	static const struct {
		const char *text, *bytes;
		size_t n;
	} good[] = {
		{"", "", 0},
		{"YQ==", "a", 1},
		{"YSA=", "a ", 2},
		{"YSBi", "a b", 3},
		{"YSBiZWxs", "a bell", 6},
		{"+/8A", "\xfb\xff\0", 3},
		{"c29tZSAyMDAwMDAgMjAwMDAwMAA=", "some 200000 2000000", 20},
	};
	static const char *const bad[] = {"YS Bi", "YQ==x", "Y*", "YS\nB"};

	for (size_t i = 0; i < QR_ARRAY_SIZE(good); i++) {
		struct qr_pressure_wish wish = {0};

		cr_assert(qr_pressure_parse("/p", good[i].text, &wish));
		cr_assert(wish.given);
		cr_assert_str_eq(wish.path, "/p");
		cr_assert_eq(wish.nr_bytes, good[i].n, "%s", good[i].text);
		cr_assert_arr_eq(wish.bytes, good[i].bytes, good[i].n);
	}
	for (size_t i = 0; i < QR_ARRAY_SIZE(bad); i++) {
		struct qr_pressure_wish wish = {0};

		cr_assert_not(qr_pressure_parse("/p", bad[i], &wish));
		cr_assert_not(wish.given);
	}
}

Test(news, paths_are_absolute_and_not_too_long)
{
	struct qr_pressure_wish wish = {0};
	char *text = calloc(1, 2000);

	cr_assert(qr_pressure_parse(NULL, "YQ==", &wish));
	cr_assert_not(wish.given);
	cr_assert_not(qr_pressure_parse("", NULL, &wish));
	cr_assert_not(qr_pressure_parse("relative", NULL, &wish));
	memset(text, '/', sizeof(wish.path));
	cr_assert_not(qr_pressure_parse(text, NULL, &wish));
	text[sizeof(wish.path) - 1] = 0;
	cr_assert(qr_pressure_parse(text, NULL, &wish));
	memset(text, 'A', 1999);
	cr_assert_not(qr_pressure_parse("/p", text, &wish));
	free(text);
}

Test(news, without_a_source_nothing_is_expected_and_nothing_open)
{
	int before = open("/dev/null", O_RDONLY | O_CLOEXEC), after;

	unsetenv("MEMORY_PRESSURE_WATCH");
	qr_news_read_environment();
	qr_news_listen(NULL, 0);
	cr_assert_not(qr_news_expected());
	after = open("/dev/null", O_RDONLY | O_CLOEXEC);
	cr_assert_eq(after, before + 1);
	cr_assert_not(qr_news_wait(1));
	qr_news_wake(); /* nobody hears it */
	cr_assert_not(qr_news_wait(1));
}

Test(news, a_service_may_be_told_not_to_watch)
{
	ask("/dev/null", NULL);
	qr_news_listen(NULL, 0);
	cr_assert_not(qr_news_expected());
}

Test(news, what_comes_through_a_fifo_is_news_once)
{
	char text[8];
	int fd;

	cr_assert_eq(mkfifo(path, 0600), 0);
	fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	ask(path, "YSBiZWxs");
	qr_news_listen(NULL, 0);
	cr_assert(qr_news_expected());
	cr_assert_eq(read(fd, text, sizeof(text)), 6);
	cr_assert_arr_eq(text, "a bell", 6);
	cr_assert_not(qr_news_wait(1));
	for (int i = 0; i < 3; i++) {
		cr_assert_eq(write(fd, dir, sizeof(dir)), (int)sizeof(dir));
		cr_assert(qr_news_wait(LONG_MS));
		cr_assert_not(qr_news_wait(1));
	}
	/* listening again changes nothing */
	qr_news_listen(NULL, 0);
	cr_assert_eq(write(fd, "x", 1), 1);
	cr_assert(qr_news_wait(LONG_MS));
}

Test(news, a_socket_has_news_until_it_is_closed)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), fd;
	char byte;

	strcpy(address.sun_path, path);
	cr_assert_eq(bind(server, (void *)&address, sizeof(address)), 0);
	cr_assert_eq(listen(server, 1), 0);
	ask(path, "eA==");
	qr_news_listen(NULL, 0);
	cr_assert(qr_news_expected());
	fd = accept(server, NULL, NULL);
	cr_assert_eq(read(fd, &byte, 1), 1);
	cr_assert_eq(byte, 'x');
	cr_assert_not(qr_news_wait(1));
	cr_assert_eq(write(fd, "yz", 2), 2);
	cr_assert(qr_news_wait(LONG_MS));
	cr_assert_not(qr_news_wait(1));
	close(fd);
	qr_news_wait(LONG_MS);
	cr_assert_not(qr_news_expected());
}

Test(news, other_kinds_of_files_are_not_watched)
{
	short events = 0;
	struct qr_pressure_wish wish = {.given = true};

	strcpy(wish.path, dir);
	cr_assert_eq(qr_pressure_open(&wish, &events), -ENODEV);
	strcpy(wish.path, "/dev/zero");
	cr_assert_eq(qr_pressure_open(&wish, &events), -ENODEV);
	strcpy(wish.path, path);
	cr_assert_eq(qr_pressure_open(&wish, &events), -ENOENT);
	cr_assert_eq(events, 0);
	close(open(path, O_CREAT | O_WRONLY, 0600));
	cr_assert_geq(qr_pressure_open(&wish, &events), 0);
	cr_assert_eq(events, POLLPRI);
}

static _Atomic int nr_waits;

static void *wait_twice(void *arg)
{
	int fd;

	cr_assert_eq(mkfifo(path, 0600), 0);
	ask(path, NULL);
	qr_news_listen(NULL, 0);
	fd = open(path, O_RDWR | O_CLOEXEC);
	atomic_store(&nr_waits, 1);
	cr_assert_not(qr_news_wait(-1));
	atomic_store(&nr_waits, 2);
	cr_assert_not(qr_news_wait(-1));
	atomic_store(&nr_waits, 3);
	close(fd);
	return arg;
}

static void ring_until(int nr)
{
	while (atomic_load(&nr_waits) < nr) {
		qr_news_wake();
		usleep(1000);
	}
}

/* With a bell, for the descriptors may be another's. */
Test(news, another_thread_can_end_the_waiting)
{
	pthread_t thread;

	cr_assert_eq(pthread_create(&thread, NULL, wait_twice, NULL), 0);
	while (!atomic_load(&nr_waits))
		usleep(1000);
	ring_until(3);
	pthread_join(thread, NULL);
}

/* A bell that rang before is not lost. */
Test(news, a_bell_is_heard_later)
{
	cr_assert_eq(mkfifo(path, 0600), 0);
	ask(path, NULL);
	qr_news_listen(NULL, 0);
	for (int i = 0; i < 3; i++) {
		qr_news_wake();
		cr_assert_not(qr_news_wait(-1));
	}
	qr_news_after_fork();
	cr_assert_not(qr_news_expected());
	qr_news_wake();
	cr_assert_not(qr_news_wait(1));
}
