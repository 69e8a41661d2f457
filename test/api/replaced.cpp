// A program with an operator new and delete of its own.  The standard says
// that the forms it did not replace follow these; an allocator that does not
// know would mix its objects with the program's.

#include "check.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>
#include <string>
#include <vector>

// Each object has a word before it, which says that it is ours.
static const std::size_t tag = 0x7161727279ul;
static long live;

__attribute__((noinline)) void *operator new(std::size_t size)
{
	auto *words = static_cast<std::size_t *>(std::malloc(size + 16));
	void *volatile object = words + 2;

	if (!words)
		throw std::bad_alloc();
	words[0] = tag;
	live++;
	return object;
}

__attribute__((noinline)) void operator delete(void *ptr) noexcept
{
	if (!ptr)
		return;
	auto *words = static_cast<std::size_t *>(ptr) - 2;

	if (words[0] != tag)
		std::abort();
	words[0] = 0;
	live--;
	std::free(words);
}

struct Pair {
	std::string text = std::string(100, 'p');
	int key = 0;
	bool operator<(const Pair &other) const
	{
		return key < other.key;
	}
};

static volatile std::size_t too_much = PTRDIFF_MAX - 4096;

int main()
{
	long before = live;

	for (std::size_t size = 1; size < 10000; size = size * 2 + 1) {
		void *a = ::operator new[](size);
		void *b = ::operator new(size, std::nothrow);
		void *c = ::operator new[](size, std::nothrow);

		CHECK(live == before + 3);
		std::memset(a, 1, size);
		std::memset(b, 1, size);
		std::memset(c, 1, size);
		::operator delete(a);
		::operator delete(b, size);
		::operator delete[](c, size);
		CHECK(live == before);
		::operator delete[](::operator new(size));
		::operator delete[](::operator new(size), std::nothrow);
		::operator delete(::operator new(size), std::nothrow);
		CHECK(live == before);
	}
	// gets its buffer from the nothrow form, frees it by the plain one
	std::vector<Pair> pairs(5000);
	for (std::size_t i = 0; i < pairs.size(); i++)
		pairs[i].key = static_cast<int>(i * 7919 % 5003);
	std::stable_sort(pairs.begin(), pairs.end());
	CHECK(std::is_sorted(pairs.begin(), pairs.end()));
	// ours throws, and the nothrow forms catch it
	CHECK(!::operator new(too_much, std::nothrow));
	CHECK(!::operator new[](too_much, std::nothrow));
	// the aligned ones are not replaced, and stay among themselves
	std::align_val_t align{128};
	::operator delete(::operator new(1000, align), 1000, align);
	::operator delete[](::operator new[](1000, align), align);
	std::vector<Pair>().swap(pairs);
	CHECK(live == before);
	return failures != 0;
}
