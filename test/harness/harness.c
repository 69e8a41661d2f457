/*
 * The runner behind the stand-in for Criterion: one child process per test,
 * suite by suite, and a line for each that failed.
 *
 *	a test passes	it ended as its options say (exit 0 by default), and
 *			no cr_assert or cr_expect in it failed
 *
 * Exit status: 0, 1 when a test failed, 77 when every test skipped itself.
 */
#include "criterion/criterion.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { STATUS_FAILED = 126, STATUS_SKIPPED = 77 };

static struct cr_test *tests;
static bool expectation_failed;

void cr_register(struct cr_test *test)
{
	struct cr_test **at = &tests;

	while (*at && strcmp((*at)->suite, test->suite) <= 0)
		at = &(*at)->next;
	test->next = *at;
	*at = test;
}

void cr_report(bool fatal, const char *file, int line, const char *condition,
	       const char *format, ...)
{
	va_list args;

	fprintf(stderr, "%s:%d: not so: %s  ", file, line, condition);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	expectation_failed = true;
	if (fatal)
		_exit(STATUS_FAILED);
}

void cr_note(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
}

void cr_leave_skipped(void)
{
	_exit(STATUS_SKIPPED);
}

static const struct cr_options *suite_options(const char *suite)
{
	static const struct cr_options none;

	for (struct cr_test *t = tests; t; t = t->next) {
		if (!t->run && strcmp(t->suite, suite) == 0)
			return &t->options;
	}
	return &none;
}

/* In the child. */
static void run(const struct cr_test *test, const struct cr_options *suite)
{
	double timeout = test->options.timeout ? test->options.timeout :
						 suite->timeout;

	if (timeout)
		alarm((unsigned)timeout + 1);
	if (suite->init)
		suite->init();
	if (test->options.init)
		test->options.init();
	test->run();
	if (test->options.fini)
		test->options.fini();
	if (suite->fini)
		suite->fini();
	fflush(NULL);
	_exit(expectation_failed ? STATUS_FAILED : 0);
}

static bool ended_as_it_should(int status, const struct cr_options *wanted)
{
	if (WIFSIGNALED(status))
		return wanted->signal == WTERMSIG(status);
	return !wanted->signal && WEXITSTATUS(status) == wanted->exit_code;
}

int main(void)
{
	unsigned passed = 0, failed = 0, skipped = 0;

	for (struct cr_test *t = tests; t; t = t->next) {
		const struct cr_options *suite = suite_options(t->suite);
		int status;

		if (!t->run || t->options.disabled || suite->disabled)
			continue;
		fflush(NULL);

		pid_t child = fork();
		if (child == 0)
			run(t, suite);
		if (child < 0 || waitpid(child, &status, 0) != child) {
			perror("harness");
			return EXIT_FAILURE;
		}
		if (ended_as_it_should(status, &t->options)) {
			passed++;
		} else if (WIFEXITED(status) &&
			   WEXITSTATUS(status) == STATUS_SKIPPED) {
			skipped++;
		} else {
			failed++;
			fprintf(stderr, "FAILED: %s::%s (%s %d)\n", t->suite,
				t->name,
				WIFSIGNALED(status) ? "signal" : "exit status",
				WIFSIGNALED(status) ? WTERMSIG(status) :
						      WEXITSTATUS(status));
		}
	}
	printf("%u passed, %u failed, %u skipped\n", passed, failed, skipped);
	if (failed || !(passed + skipped))
		return EXIT_FAILURE;
	return passed ? EXIT_SUCCESS : STATUS_SKIPPED;
}
