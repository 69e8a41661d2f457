/*
 * A C program that loads a C++ library with its symbols kept to itself, as
 * an interpreter does: the C++ runtime is not there when the allocator
 * starts, and never where plain symbols are found.
 */
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
	int (*run)(size_t too_much) = NULL;
	void *plugin;

	free(malloc(100));
	if (argc != 2)
		return 2;
	plugin = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
	if (!plugin) {
		fprintf(stderr, "%s\n", dlerror());
		return 2;
	}
	*(void **)&run = dlsym(plugin, "plugin_run");
	return run ? run(PTRDIFF_MAX) : 2;
}
