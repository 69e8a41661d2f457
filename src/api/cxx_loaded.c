/*
 * Shared library: the C++ runtime may have been loaded after us, and be seen
 * by a plugin alone.
 */
#include "api/cxx.h"

#include <dlfcn.h>
#include <errno.h>

void *qr_cxx_symbol(const char *name)
{
	static const char *const libraries[] = {
		"libstdc++.so.6", "libc++abi.so.1", "libc++.so.1"};
	int saved = errno;
	void *symbol = NULL;

	for (size_t i = 0; !symbol && i < QR_ARRAY_SIZE(libraries); i++) {
		void *library = dlopen(libraries[i], RTLD_LAZY | RTLD_NOLOAD);

		/* it stays open: whoever throws is in it */
		if (library)
			symbol = dlsym(library, name);
	}
	errno = saved;
	return symbol;
}
