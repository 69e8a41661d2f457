// Every form of operator new and delete, the new handler, std::bad_alloc.

#include "check.hpp"

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

static volatile std::size_t too_much = PTRDIFF_MAX;

// A compiler may leave out a new whose result nobody looks at.
static void *volatile kept;

static void keep(void *ptr)
{
	kept = ptr;
}

static bool aligned(void *ptr, std::size_t align)
{
	return !(reinterpret_cast<std::uintptr_t>(ptr) & (align - 1));
}

static void plain_forms()
{
	for (std::size_t size = 0; size < 40000; size = size * 9 / 8 + 1) {
		void *a = ::operator new(size), *b = ::operator new[](size);
		void *c = ::operator new(size, std::nothrow);
		void *d = ::operator new[](size, std::nothrow);

		CHECK(a && b && c && d && a != b && b != c && c != d);
		std::memset(a, 1, size);
		std::memset(d, 4, size);
		::operator delete(a);
		::operator delete[](b);
		::operator delete(c, std::nothrow);
		::operator delete[](d, std::nothrow);
		::operator delete(::operator new(size), size);
		::operator delete[](::operator new[](size), size);
		::operator delete(::operator new(size, std::nothrow), size);
	}
	::operator delete(nullptr);
	::operator delete[](nullptr);
	::operator delete(nullptr, std::size_t(100));
	::operator delete[](nullptr, std::size_t(100));
	::operator delete(nullptr, std::nothrow);
}

static void aligned_forms()
{
	for (std::size_t n = 1; n <= 1 << 20; n *= 2) {
		std::align_val_t align{n};
		std::size_t size = n * 3 / 2 + 5;
		void *a = ::operator new(size, align);
		void *b = ::operator new[](size, align);
		void *c = ::operator new(size, align, std::nothrow);
		void *d = ::operator new[](size, align, std::nothrow);

		CHECK(a && b && c && d);
		CHECK(aligned(a, n) && aligned(b, n));
		CHECK(aligned(c, n) && aligned(d, n));
		std::memset(a, 1, size);
		::operator delete(a, align);
		::operator delete[](b, align);
		::operator delete(c, align, std::nothrow);
		::operator delete[](d, align, std::nothrow);
		::operator delete(::operator new(size, align), size, align);
		::operator delete[](::operator new[](size, align), size, align);
	}
}

struct alignas(256) Wide {
	char bytes[300];
};

// The bases delete through a virtual destructor, arrays with their cookie.
struct Base {
	virtual ~Base() = default;
	std::string name = "a name that does not fit into the object itself";
};
struct Derived : Base {
	std::vector<int> more = std::vector<int>(1000, 7);
};

static void objects()
{
	std::unique_ptr<Base> one(new Derived);
	std::unique_ptr<Derived[]> many(new Derived[50]);
	std::unique_ptr<Wide> wide(new Wide);
	std::unique_ptr<Wide[]> wides(new Wide[7]);
	std::map<std::string, std::vector<std::string>> map;

	CHECK(aligned(wide.get(), 256) && aligned(wides.get(), 256));
	for (int i = 0; i < 20000; i++)
		map[std::to_string(i % 777)].push_back(std::to_string(i));
	CHECK(map.size() == 777 && map["5"].at(3) == "2336");
	std::vector<std::thread> threads;
	for (int i = 0; i < 4; i++)
		threads.emplace_back([copy = map]() mutable { copy.clear(); });
	for (auto &thread : threads)
		thread.join();
}

// What the constructor threw arrives, and its memory is freed.
struct Thrower {
	std::string text = std::string(1000, 'x');
	explicit Thrower(int n)
	{
		if (n == 3)
			throw std::runtime_error("three");
	}
};

static void exceptions()
{
	for (int i = 0; i < 1000; i++) {
		std::string what;

		try {
			std::vector<std::unique_ptr<Thrower>> all;
			for (int k = 0;; k++)
				all.emplace_back(new Thrower(k));
		} catch (const std::runtime_error &e) {
			what = e.what();
		}
		CHECK(what == "three");
		try {
			delete new (std::nothrow) Thrower(3);
			what = "nothing";
		} catch (const std::runtime_error &) {
		}
		CHECK(what == "three");
	}
}

template <typename Allocate> static bool throws_bad_alloc(Allocate allocate)
{
	try {
		keep(allocate());
	} catch (const std::bad_alloc &) {
		return true;
	}
	return false;
}

static void out_of_memory()
{
	std::align_val_t align{64};

	CHECK(throws_bad_alloc([] { return ::operator new(too_much); }));
	CHECK(throws_bad_alloc([] { return ::operator new[](too_much); }));
	CHECK(throws_bad_alloc(
		[=] { return ::operator new(too_much, align); }));
	CHECK(throws_bad_alloc(
		[=] { return ::operator new[](too_much, align); }));
	CHECK(throws_bad_alloc(
		[] { return ::operator new (8, std::align_val_t{24}); }));
	CHECK(!::operator new(too_much, std::nothrow));
	CHECK(!::operator new[](too_much, std::nothrow));
	CHECK(!::operator new(too_much, align, std::nothrow));
	CHECK(!::operator new[](too_much, align, std::nothrow));
	CHECK(throws_bad_alloc(
		[] { return std::allocator<char>().allocate(too_much); }));
	// caught by whoever catches everything
	bool caught = false;
	try {
		keep(::operator new(too_much));
	} catch (...) {
		caught = true;
	}
	CHECK(caught && !std::uncaught_exceptions());
}

static int handler_calls;

// Three times it hopes, then it gives up.
static void hope()
{
	if (++handler_calls == 3)
		std::set_new_handler(nullptr);
}

static void give_up()
{
	handler_calls++;
	throw std::bad_alloc();
}

struct Other {
};
static void throw_other()
{
	throw Other();
}

template <typename Allocate> static void hoping(Allocate allocate)
{
	handler_calls = 0;
	std::set_new_handler(hope);
	allocate();
	CHECK(handler_calls == 3);
	CHECK(!std::get_new_handler());
}

// Its exception must not leave a nothrow form.
template <typename Allocate> static void giving_up(Allocate allocate)
{
	handler_calls = 0;
	std::set_new_handler(give_up);
	CHECK(!allocate());
	CHECK(handler_calls == 1);
	CHECK(!std::uncaught_exceptions());
	std::set_new_handler(nullptr);
}

static void new_handler()
{
	std::align_val_t align{4096};

	hoping([] {
		CHECK(throws_bad_alloc(
			[] { return ::operator new(too_much); }));
	});
	hoping([] {
		CHECK(throws_bad_alloc(
			[] { return ::operator new[](too_much); }));
	});
	hoping([=] {
		CHECK(throws_bad_alloc(
			[=] { return ::operator new(too_much, align); }));
	});
	hoping([] { CHECK(!::operator new(too_much, std::nothrow)); });
	hoping([] { CHECK(!::operator new[](too_much, std::nothrow)); });
	hoping([=] { CHECK(!::operator new(too_much, align, std::nothrow)); });
	giving_up([] { return ::operator new(too_much, std::nothrow); });
	giving_up([] { return ::operator new[](too_much, std::nothrow); });
	giving_up(
		[=] { return ::operator new(too_much, align, std::nothrow); });
	giving_up([=] {
		return ::operator new[](too_much, align, std::nothrow);
	});

	bool other = false;
	std::set_new_handler(throw_other);
	try {
		keep(::operator new(too_much));
	} catch (const Other &) {
		other = true;
	}
	std::set_new_handler(nullptr);
	CHECK(other);
}

// A handler that has something to give.
static void *reserve_memory;
static bool given;

static void release_memory()
{
	std::free(reserve_memory);
	reserve_memory = nullptr;
	given = true;
	std::set_new_handler(nullptr);
}

static void handler_may_allocate()
{
	reserve_memory = std::malloc(1 << 20);
	std::set_new_handler(release_memory);
	CHECK(throws_bad_alloc([] { return ::operator new(too_much); }));
	CHECK(given && !reserve_memory);
}

int main()
{
	plain_forms();
	aligned_forms();
	objects();
	exceptions();
	out_of_memory();
	new_handler();
	handler_may_allocate();
	return failures != 0;
}
