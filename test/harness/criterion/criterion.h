/*
 * A small stand-in for Criterion, for targets that have none: the macros our
 * suites use, with the same meaning.  Each test runs in a child process.
 */
#ifndef QR_HARNESS_CRITERION_H
#define QR_HARNESS_CRITERION_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct cr_options {
	void (*init)(void);
	void (*fini)(void);
	int signal;		/* how the test has to end */
	int exit_code;
	double timeout;		/* seconds; 0: no limit */
	bool disabled;
	const char *description;
	int last;
};

struct cr_test {
	const char *suite, *name;
	void (*run)(void);	/* NULL: options of the whole suite */
	struct cr_options options;
	struct cr_test *next;
};

void cr_register(struct cr_test *test);
void cr_report(bool fatal, const char *file, int line, const char *condition,
	       const char *format, ...);
void cr_note(const char *format, ...);
void cr_leave_skipped(void) __attribute__((noreturn));

/* Every list of arguments gets one more, so that none is ever empty. */
#define Test(...) CR_TEST(__VA_ARGS__, .last = 0)
#define CR_TEST(s, n, ...) CR_TEST_(s, n, s##_##n, __VA_ARGS__)
#define CR_TEST_(s, n, id, ...)                                       \
	static void id##_body(void);                                  \
	static struct cr_test id##_test = {                           \
		.suite = #s,                                          \
		.name = #n,                                           \
		.run = id##_body,                                     \
		.options = { __VA_ARGS__ },                           \
	};                                                            \
	__attribute__((constructor)) static void id##_register(void)  \
	{                                                             \
		cr_register(&id##_test);                              \
	}                                                             \
	static void id##_body(void)

#define TestSuite(...) CR_SUITE(__VA_ARGS__, .last = 0)
#define CR_SUITE(s, ...)                                              \
	static struct cr_test s##_suite = {                           \
		.suite = #s,                                          \
		.options = { __VA_ARGS__ },                           \
	};                                                            \
	__attribute__((constructor)) static void s##_suite_register(void) \
	{                                                             \
		cr_register(&s##_suite);                              \
	}                                                             \
	extern int s##_suite_ends

#define CR_CHECK(fatal, condition, text, ...)                         \
	do {                                                          \
		if (!(condition))                                     \
			cr_report(fatal, __FILE__, __LINE__, text,    \
				  __VA_ARGS__);                       \
	} while (0)
#define CR_1(fatal, a, ...) CR_CHECK(fatal, a, #a, __VA_ARGS__)
#define CR_NOT(fatal, a, ...) CR_CHECK(fatal, !(a), "not " #a, __VA_ARGS__)
#define CR_2(fatal, op, a, b, ...) \
	CR_CHECK(fatal, (a)op(b), #a " " #op " " #b, __VA_ARGS__)
#define CR_STR(fatal, op, a, b, ...) \
	CR_CHECK(fatal, strcmp(a, b) op 0, #a " " #op " " #b, __VA_ARGS__)
#define CR_ARR(fatal, op, a, b, n, ...) \
	CR_CHECK(fatal, memcmp(a, b, n) op 0, #a " " #op " " #b, __VA_ARGS__)
#define CR_FAIL(fatal, ...) CR_CHECK(fatal, false, "fail", __VA_ARGS__)

#define cr_assert(...) CR_1(true, __VA_ARGS__, "")
#define cr_assert_not(...) CR_NOT(true, __VA_ARGS__, "")
#define cr_assert_null(...) CR_NOT(true, __VA_ARGS__, "")
#define cr_assert_not_null(...) CR_1(true, __VA_ARGS__, "")
#define cr_assert_eq(...) CR_2(true, ==, __VA_ARGS__, "")
#define cr_assert_neq(...) CR_2(true, !=, __VA_ARGS__, "")
#define cr_assert_lt(...) CR_2(true, <, __VA_ARGS__, "")
#define cr_assert_leq(...) CR_2(true, <=, __VA_ARGS__, "")
#define cr_assert_gt(...) CR_2(true, >, __VA_ARGS__, "")
#define cr_assert_geq(...) CR_2(true, >=, __VA_ARGS__, "")
#define cr_assert_str_eq(...) CR_STR(true, ==, __VA_ARGS__, "")
#define cr_assert_str_neq(...) CR_STR(true, !=, __VA_ARGS__, "")
#define cr_assert_arr_eq(...) CR_ARR(true, ==, __VA_ARGS__, "")
#define cr_assert_arr_neq(...) CR_ARR(true, !=, __VA_ARGS__, "")
#define cr_assert_fail(...) CR_FAIL(true, "" __VA_ARGS__, "")
#define cr_fatal(...) CR_FAIL(true, __VA_ARGS__, "")

#define cr_expect(...) CR_1(false, __VA_ARGS__, "")
#define cr_expect_not(...) CR_NOT(false, __VA_ARGS__, "")
#define cr_expect_null(...) CR_NOT(false, __VA_ARGS__, "")
#define cr_expect_not_null(...) CR_1(false, __VA_ARGS__, "")
#define cr_expect_eq(...) CR_2(false, ==, __VA_ARGS__, "")
#define cr_expect_neq(...) CR_2(false, !=, __VA_ARGS__, "")
#define cr_expect_lt(...) CR_2(false, <, __VA_ARGS__, "")
#define cr_expect_leq(...) CR_2(false, <=, __VA_ARGS__, "")
#define cr_expect_gt(...) CR_2(false, >, __VA_ARGS__, "")
#define cr_expect_geq(...) CR_2(false, >=, __VA_ARGS__, "")
#define cr_expect_str_eq(...) CR_STR(false, ==, __VA_ARGS__, "")
#define cr_expect_str_neq(...) CR_STR(false, !=, __VA_ARGS__, "")

#define cr_log_info(...) cr_note(__VA_ARGS__)
#define cr_log_warn(...) cr_note(__VA_ARGS__)
#define cr_log_error(...) cr_note(__VA_ARGS__)
#define cr_skip(...) (cr_note(__VA_ARGS__), cr_leave_skipped())
#define cr_skip_test(...) (cr_note(__VA_ARGS__), cr_leave_skipped())

#endif
