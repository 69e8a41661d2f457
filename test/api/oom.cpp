// Out of memory in C++, under RLIMIT_AS: a std::new_handler runs with no lock
// of ours held and may allocate and free; what it frees is had by who asked;
// when it has nothing left, std::bad_alloc arrives, and there is memory for
// what a program says then.
#include "check.hpp"

#include <cstdlib>
#include <cstring>
#include <new>
#include <string>
#include <sys/resource.h>
#include <unistd.h>

extern "C" std::size_t quarry_trim(void) __attribute__((weak));

static const std::size_t block = 1 << 20, mib = 1 << 20;

struct hoard {
	hoard *next;
};

static hoard *kept;
static unsigned calls;
static bool on_quarry;

static bool keep_one()
{
	auto *one = static_cast<hoard *>(std::malloc(block));

	if (!one)
		return false;
	std::memset(static_cast<void *>(one), 1, block);
	one->next = kept;
	kept = one;
	return true;
}

static void allocate_a_little()
{
	void *a = std::malloc(100), *b = std::calloc(7, 30);
	std::string text(300, 'x');

	CHECK(a && b);
	a = std::realloc(a, 1000);
	CHECK(a);
	std::free(a);
	std::free(b);
	delete new int(7);
}

static void handler()
{
	calls++;
	if (on_quarry)
		allocate_a_little();
	if (!kept)
		throw std::bad_alloc();
	for (int i = 0; i < 8 && kept; i++) {
		hoard *one = kept;

		kept = one->next;
		std::free(one);
	}
	if (quarry_trim)
		quarry_trim();
	allocate_a_little();
}

static bool is_refused()
{
	try {
		delete[] new char[512 * mib];
	} catch (const std::bad_alloc &error) {
		std::string text = std::string("refused: ") + error.what();

		CHECK(text.size() > 9);
		return true;
	}
	return false;
}

static void test()
{
	void *objects = nullptr;

	while (keep_one())
		;
	std::set_new_handler(handler);
	/* what the handler gives up is what is had here */
	while (calls < 3) {
		void **object = static_cast<void **>(operator new(100000));

		*object = objects;
		objects = object;
	}
	CHECK(kept);
	while (objects) {
		void **object = static_cast<void **>(objects);

		objects = *object;
		operator delete(object);
	}
	/* it gives up all, in vain */
	CHECK(is_refused());
	CHECK(!kept);
	CHECK(is_refused());
	CHECK(!new (std::nothrow) char[512 * mib]);
}

int main(int argc, char **argv)
{
	struct rlimit limit = {256 * mib, 256 * mib};
	const char *on = std::getenv("QUARRY_TEST_ON");

	on_quarry = on && !std::strcmp(on, "quarry");
	if (argc == 1) {
		if (setrlimit(RLIMIT_AS, &limit))
			return 77;
		execl("/proc/self/exe", argv[0], "limited",
		      static_cast<char *>(nullptr));
		return 77;
	}
	test();
	return failures != 0;
}
