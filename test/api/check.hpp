// Checks for the C++ programs: one line for each that fails, and the status.
#ifndef QR_TEST_CHECK_HPP
#define QR_TEST_CHECK_HPP

#include <cstdio>

static int failures;

#define CHECK(condition)                                                      \
	do {                                                                  \
		if (!(condition)) {                                           \
			std::fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, \
				     __LINE__, #condition);                   \
			failures++;                                           \
		}                                                             \
	} while (0)

#endif
