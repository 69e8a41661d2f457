// A C++ library that a C program loads: see plugin.c.

#include <new>
#include <string>
#include <vector>

// A compiler may leave out a new whose result nobody looks at.
static void *volatile kept;

extern "C" int plugin_run(std::size_t too_much)
{
	std::vector<std::string> strings(1000, std::string(100, 'x'));
	int caught = 0;

	for (int i = 0; i < 3; i++) {
		try {
			kept = ::operator new(too_much);
		} catch (const std::bad_alloc &) {
			caught++;
		}
	}
	std::set_new_handler([] { throw std::bad_alloc(); });
	caught += !::operator new(too_much, std::nothrow);
	try {
		kept = ::operator new(too_much, std::align_val_t(64));
	} catch (const std::bad_alloc &) {
		caught++;
	}
	std::set_new_handler(nullptr);
	return caught == 5 && strings.back().size() == 100 ? 0 : 1;
}
