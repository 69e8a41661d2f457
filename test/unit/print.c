#include "sys/print.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* The same conversion by libc and by us. */
#define ASSERT_LIKE_LIBC(...)                                                \
	do {                                                                 \
		char ours[256], libcs[256];                                  \
		size_t n = qr_format(ours, sizeof(ours), __VA_ARGS__);       \
		int m = snprintf(libcs, sizeof(libcs), __VA_ARGS__);         \
		cr_assert_str_eq(ours, libcs);                               \
		cr_assert_eq((int)n, m);                                     \
	} while (0)

Test(print, numbers_read_as_libc_writes_them)
{
	ASSERT_LIKE_LIBC("%d %d %d %d", 0, -1, INT_MAX, INT_MIN);
	ASSERT_LIKE_LIBC("%u %x", UINT_MAX, UINT_MAX);
	ASSERT_LIKE_LIBC("%ld %ld", LONG_MAX, LONG_MIN);
	ASSERT_LIKE_LIBC("%lld %lld", LLONG_MAX, LLONG_MIN);
	ASSERT_LIKE_LIBC("%llu %llx", ULLONG_MAX, ULLONG_MAX);
	ASSERT_LIKE_LIBC("%zu %zx %zd", SIZE_MAX, (size_t)0, (ssize_t)-7);
	ASSERT_LIKE_LIBC("%lu%%%lx|", 10ul, 16ul);
	ASSERT_LIKE_LIBC("%p", (void *)&errno);
}

Test(print, widths_and_flags_read_as_libc_writes_them)
{
	ASSERT_LIKE_LIBC("[%5d][%-5d][%05d]", 42, 42, 42);
	ASSERT_LIKE_LIBC("[%5d][%-5d][%05d]", -42, -42, -42);
	ASSERT_LIKE_LIBC("[%2u][%-2u][%02u]", 12345u, 12345u, 12345u);
	ASSERT_LIKE_LIBC("[%016lx][%-16lx][%40zu]", 255ul, 255ul, (size_t)9);
	ASSERT_LIKE_LIBC("[%8s][%-8s][%1s][%s]", "abc", "abc", "abc", "");
	ASSERT_LIKE_LIBC("[%3c][%-3c][%c]", 'x', 'y', 'z');
	ASSERT_LIKE_LIBC("[%20p][%-20p]", (void *)&errno, (void *)&errno);
}

Test(print, a_precision_bounds_a_string_that_need_not_end)
{
	static const char three[3] = { 'a', 'b', 'c' };
	char got[32];

	ASSERT_LIKE_LIBC("[%.*s][%5.*s][%-5.*s]", 2, "hello", 2, "hello", 2,
			 "hello");
	ASSERT_LIKE_LIBC("[%.*s][%.*s]", 0, "hello", -1, "hello");
	cr_assert_eq(qr_format(got, sizeof(got), "%.*s", 3, three), 3);
	cr_assert_str_eq(got, "abc");
}

Test(print, null_pointers_have_a_text)
{
	const char *volatile none = NULL;
	char got[32];

	qr_format(got, sizeof(got), "%s %p", none, NULL);
	cr_assert_str_eq(got, "(null) 0x0");
}

Test(print, from_an_unknown_conversion_on_the_format_stands_as_it_is)
{
	static const char *volatile unknown = "%d %o %s";
	static const char *volatile at_end = "%d 100%";
	char got[32];

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	qr_format(got, sizeof(got), unknown, 1, 8, "x");
	cr_assert_str_eq(got, "1 %o %s");
	qr_format(got, sizeof(got), at_end, 1);
	cr_assert_str_eq(got, "1 100%");
#pragma GCC diagnostic pop
}

Test(print, format_cuts_at_the_size_and_tells_the_whole_length)
{
	char got[8];

	for (size_t size = 0; size <= sizeof(got); size++) {
		memset(got, '#', sizeof(got));
		cr_assert_eq(qr_format(got, size, "%s-%d", "abcdef", 1234),
			     11);
		if (size) {
			cr_assert_eq(got[size - 1], '\0');
			cr_assert_eq(memcmp(got, "abcdef-", size - 1), 0);
		}
		for (size_t i = size; i < sizeof(got); i++)
			cr_assert_eq(got[i], '#');
	}
}

/* A sink that keeps all and can refuse. */
static struct {
	char text[8192];
	size_t length, calls;
	int refuse;
} kept;

static int keep(void *arg, const char *bytes, size_t n)
{
	cr_assert_eq(arg, (void *)&kept);
	kept.calls++;
	if (kept.refuse)
		return kept.refuse;
	memcpy(kept.text + kept.length, bytes, n);
	kept.length += n;
	return 0;
}

Test(print, what_is_printed_reaches_the_sink_whole_and_in_order)
{
	char expected[sizeof(kept.text)] = "";
	size_t length = 0;
	struct qr_out out;

	qr_out_init(&out, keep, &kept);
	for (int i = 0; i < 1000; i++) {
		qr_out_printf(&out, "%d,", i);
		length += (size_t)sprintf(expected + length, "%d,", i);
	}
	cr_assert_gt(kept.calls, 0);
	cr_assert_eq(qr_out_flush(&out), 0);
	cr_assert_eq(kept.length, length);
	cr_assert_eq(memcmp(kept.text, expected, length), 0);
	cr_assert_eq(kept.calls, (length + sizeof(out.buffer) - 1) /
					 sizeof(out.buffer));
}

Test(print, one_piece_may_be_longer_than_the_buffer)
{
	static char big[5000];
	struct qr_out out;

	memset(big, 'b', sizeof(big) - 1);
	qr_out_init(&out, keep, &kept);
	qr_out_printf(&out, "<%s>", big);
	cr_assert_eq(qr_out_flush(&out), 0);
	cr_assert_eq(kept.length, sizeof(big) + 1);
	cr_assert_eq(kept.text[0], '<');
	cr_assert_eq(memcmp(kept.text + 1, big, sizeof(big) - 1), 0);
	cr_assert_eq(kept.text[sizeof(big)], '>');
}

Test(print, the_first_error_sticks_and_the_sink_is_left_alone)
{
	struct qr_out out;

	kept.refuse = -ENOSPC;
	qr_out_init(&out, keep, &kept);
	qr_out_printf(&out, "a");
	cr_assert_eq(qr_out_flush(&out), -ENOSPC);
	kept.refuse = 0;
	for (int i = 0; i < 2000; i++)
		qr_out_printf(&out, "b");
	cr_assert_eq(qr_out_flush(&out), -ENOSPC);
	cr_assert_eq(kept.calls, 1);
	cr_assert_eq(kept.length, 0);
}

static const char *json(const char *string)
{
	struct qr_out out;

	kept.length = 0;
	qr_out_init(&out, keep, &kept);
	qr_out_json_string(&out, string);
	qr_out_flush(&out);
	kept.text[kept.length] = '\0';
	return kept.text;
}

Test(print, a_json_string_is_escaped)
{
	cr_assert_str_eq(json(""), "\"\"");
	cr_assert_str_eq(json("plain/text"), "\"plain/text\"");
	cr_assert_str_eq(json("a\"b\\c"), "\"a\\\"b\\\\c\"");
	cr_assert_str_eq(json("\n\t\x01\x1f\x7f"),
			 "\"\\u000a\\u0009\\u0001\\u001f\x7f\"");
}

Test(print, a_json_string_is_valid_utf_8)
{
	/* 1 to 4 bytes, the borders of Unicode's table 3-7 */
	static const char *const good[] = {
		"\xc2\x80",	    "\xdf\xbf",		"\xe0\xa0\x80",
		"\xed\x9f\xbf",	    "\xee\x80\x80",	"\xef\xbf\xbf",
		"\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf", "z\xc3\xb6z",
	};
	static const struct {
		const char *text, *json;
	} bad[] = {
		{ "\x80", "\"\\ufffd\"" },
		{ "\xc1\xbf", "\"\\ufffd\\ufffd\"" },
		{ "\xc3", "\"\\ufffd\"" },
		{ "\xc3z", "\"\\ufffdz\"" },
		{ "\xe0\x9f\xbf", "\"\\ufffd\\ufffd\\ufffd\"" },
		{ "\xed\xa0\x80", "\"\\ufffd\\ufffd\\ufffd\"" },
		{ "\xe2\x82", "\"\\ufffd\\ufffd\"" },
		{ "\xf0\x8f\xbf\xbf", "\"\\ufffd\\ufffd\\ufffd\\ufffd\"" },
		{ "\xf4\x90\x80\x80", "\"\\ufffd\\ufffd\\ufffd\\ufffd\"" },
		{ "\xf5", "\"\\ufffd\"" },
		{ "\xff\"", "\"\\ufffd\\\"\"" },
	};
	char quoted[16];

	for (size_t i = 0; i < QR_ARRAY_SIZE(good); i++) {
		sprintf(quoted, "\"%s\"", good[i]);
		cr_assert_str_eq(json(good[i]), quoted);
	}
	for (size_t i = 0; i < QR_ARRAY_SIZE(bad); i++)
		cr_assert_str_eq(json(bad[i].text), bad[i].json);
}

/* Read a descriptor to its end. */
static size_t drain(int fd, char *buffer, size_t size)
{
	size_t length = 0;
	ssize_t n;

	while ((n = read(fd, buffer + length, size - length)) > 0)
		length += (size_t)n;
	return length;
}

static int pipe_ends[2];

static void no_handler(int signal)
{
	(void)signal;
}

struct interrupter {
	pthread_t whom;
	size_t length;
	char text[300000];
};

/* Read slowly from the pipe and disturb the writer at each step. */
static void *read_and_interrupt(void *arg)
{
	struct interrupter *in = arg;
	ssize_t n;

	for (;;) {
		pthread_kill(in->whom, SIGUSR1);
		n = read(pipe_ends[0], in->text + in->length, 1000);
		if (n <= 0)
			return NULL;
		in->length += (size_t)n;
		if (in->length >= 200000)
			return NULL;
	}
}

/* A pipe holds less than what is written: short writes and EINTR happen. */
Test(print, short_and_interrupted_writes_are_continued)
{
	static struct interrupter in;
	static char chunk[4001];
	struct sigaction action = { .sa_handler = no_handler };
	struct qr_out out;
	pthread_t reader;

	cr_assert_eq(pipe(pipe_ends), 0);
	sigaction(SIGUSR1, &action, NULL); /* no SA_RESTART */
	in.whom = pthread_self();
	pthread_create(&reader, NULL, read_and_interrupt, &in);
	qr_out_init_fd(&out, pipe_ends[1]);
	errno = 0;
	for (int i = 0; i < 50; i++) {
		memset(chunk, 'A' + i % 26, 4000);
		qr_out_printf(&out, "%s", chunk);
	}
	cr_assert_eq(qr_out_flush(&out), 0);
	cr_assert_eq(errno, 0);
	pthread_join(reader, NULL);
	cr_assert_eq(in.length, 200000);
	for (size_t i = 0; i < in.length; i++)
		cr_assert_eq(in.text[i], 'A' + (int)(i / 4000) % 26);
}

Test(print, a_bad_descriptor_is_an_error_and_errno_is_kept)
{
	struct qr_out out;

	qr_out_init_fd(&out, -1);
	qr_out_printf(&out, "x");
	errno = 4711;
	cr_assert_eq(qr_out_flush(&out), -EBADF);
	cr_assert_eq(errno, 4711);
}

Test(print, a_warning_is_one_line_and_keeps_errno)
{
	char got[256];
	size_t n;

	cr_assert_eq(pipe(pipe_ends), 0);
	dup2(pipe_ends[1], STDERR_FILENO);
	close(pipe_ends[1]);
	errno = 4711;
	qr_warn("%s at %p", "double free", (void *)0x1234);
	cr_assert_eq(errno, 4711);
	close(STDERR_FILENO);
	qr_warn("stderr is closed");
	cr_assert_eq(errno, 4711);
	n = drain(pipe_ends[0], got, sizeof(got) - 1);
	got[n] = '\0';
	cr_assert_str_eq(got, "quarry: double free at 0x1234\n");
}

/* O_DIRECT makes a pipe keep writes apart: a packet is one write. */
Test(print, a_long_warning_is_cut_but_still_one_line_in_one_write)
{
	static char big[3000];
	char got[4096];

	memset(big, 'w', sizeof(big) - 1);
	cr_assert_eq(pipe2(pipe_ends, O_DIRECT), 0);
	dup2(pipe_ends[1], STDERR_FILENO);
	qr_warn("%s", big);
	cr_assert_eq(read(pipe_ends[0], got, sizeof(got)), 512);
	cr_assert_eq(memcmp(got, "quarry: www", 11), 0);
	cr_assert_eq(got[511], '\n');
	qr_warn("next");
	cr_assert_eq(read(pipe_ends[0], got, sizeof(got)), 13);
}

Test(print, to_die_is_a_line_and_an_abort)
{
	char got[256];
	int status;
	size_t n;
	pid_t child;

	cr_assert_eq(pipe(pipe_ends), 0);
	child = fork();
	if (child == 0) {
		dup2(pipe_ends[1], STDERR_FILENO);
		signal(SIGABRT, SIG_DFL);
		qr_die("%d is not %s", 7, "eight");
	}
	close(pipe_ends[1]);
	n = drain(pipe_ends[0], got, sizeof(got) - 1);
	got[n] = '\0';
	/* an emulator may add a line of its own */
	cr_assert_eq(strncmp(got, "quarry: 7 is not eight\n", 23), 0);
	cr_assert_eq(waitpid(child, &status, 0), child);
	cr_assert(WIFSIGNALED(status));
	cr_assert_eq(WTERMSIG(status), SIGABRT);
}

static void *warn_for_ever(void *arg)
{
	(void)arg;
	for (;;)
		qr_warn("x");
	return NULL;
}

/* libc's write() would end the thread in the middle of a free. */
Test(print, a_warning_is_no_cancellation_point)
{
	char got[64];
	pthread_t thread;
	int n;

	cr_assert_eq(pipe(pipe_ends), 0);
	dup2(pipe_ends[1], STDERR_FILENO);
	pthread_create(&thread, NULL, warn_for_ever, NULL);
	pthread_cancel(thread);
	for (n = 0; n < 1000; n++)
		cr_assert_eq(read(pipe_ends[0], got, 10), 10);
}
