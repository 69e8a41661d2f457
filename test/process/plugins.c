/*
 * plugins PATH: dlopen and dlclose of a shared object that allocates, three
 * hundred times and from threads: what it left behind outlives it and can be
 * freed, and nothing grows.
 */
#include "check.h"

#include <pthread.h>

static const char *path;

struct functions {
	void *handle;
	void *(*alloc)(size_t size);
	void *(*resize)(void *ptr, size_t size);
	void (*free)(void *ptr);
};

static void find(void *handle, const char *name, void *ret_function)
{
	void *symbol = dlsym(handle, name);

	CHECK(symbol);
	memcpy(ret_function, &symbol, sizeof(symbol));
}

static struct functions load(void)
{
	struct functions f = {.handle = dlopen(path, RTLD_NOW | RTLD_LOCAL)};

	if (!f.handle)
		dprintf(STDERR_FILENO, "%s\n", dlerror());
	CHECK(f.handle);
	find(f.handle, "plugin_alloc", &f.alloc);
	find(f.handle, "plugin_resize", &f.resize);
	find(f.handle, "plugin_free", &f.free);
	return f;
}

/* Objects cross the border both ways; the last one is left over. */
static void *round_trip(struct functions *f, size_t size)
{
	char *mine = malloc(size), *its = f->alloc(size), *left;

	CHECK(mine && its);
	sign(mine, size, size);
	CHECK(mine = f->resize(mine, size + 1000));
	CHECK(!memcmp(mine, &size, 8));
	f->free(mine);
	CHECK(its[0] == 0 && its[size - 1] == 0);
	CHECK(its = realloc(its, 2 * size));
	free(its);
	CHECK(left = f->alloc(size));
	sign(left, size, size);
	f->free(NULL);
	return left;
}

static void *in_thread(void *arg)
{
	struct functions f = load();
	void *left = round_trip(&f, 64);

	(void)arg;
	CHECK(!dlclose(f.handle));
	return left;
}

int main(int argc, char **argv)
{
	size_t grown_from = 0;

	check_library();
	CHECK(argc == 2);
	path = argv[1];
	for (size_t i = 0; i < 300; i++) {
		size_t size = 16 + i * 31 % 5000;
		struct functions f = load();
		void *left = round_trip(&f, size), *of_thread;
		pthread_t thread;

		CHECK(!dlclose(f.handle));
		CHECK(is_signed(left, size, size));
		free(left);
		CHECK(!pthread_create(&thread, NULL, in_thread, NULL));
		CHECK(!pthread_join(thread, &of_thread));
		CHECK(is_signed(of_thread, 64, 64));
		free(of_thread);
		if (i == 100)
			grown_from = anonymous();
	}
	figure_at_most("growth-by-200-plugins",
		       ((double)anonymous() - (double)grown_from) / MIB, "MiB",
		       1);
	return 0;
}
