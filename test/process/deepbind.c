/*
 * deepbind PATH: a shared object opened with RTLD_DEEPBIND looks in libc
 * before it looks in the preloaded library, so it may have another malloc.
 * It works by itself; a pointer that crosses over in either direction is
 * served, or reported and the process aborted, but never taken for one's own.
 */
#include "check.h"

#include <signal.h>
#include <sys/resource.h>

static void *(*plugin_alloc)(size_t size);
static void (*plugin_free)(void *ptr);

static void find(void *handle, const char *name, void *ret_function)
{
	void *symbol = dlsym(handle, name);

	CHECK(symbol);
	memcpy(ret_function, &symbol, sizeof(symbol));
}

static void stays_inside(void)
{
	for (size_t i = 0; i < 10000; i++) {
		char *mine = malloc(1 + i), *its = plugin_alloc(1 + i);

		CHECK(mine && its);
		sign(mine, 1 + i, 1);
		sign(its, 1 + i, 2);
		CHECK(is_signed(mine, 1 + i, 1));
		free(mine);
		plugin_free(its);
	}
}

static void its_pointer_to_ours(void)
{
	free(plugin_alloc(64));
	malloc_trim(0);
}

static void its_large_pointer_to_ours(void)
{
	free(plugin_alloc(16 * MIB));
}

static void its_pointer_resized_by_us(void)
{
	void *p = realloc(plugin_alloc(64), 1000);

	CHECK(p);
	free(p);
}

/*
 * Zeros all around: what libc takes for its header says size 0.  Libc
 * reports that itself.
 */
static void our_pointer_to_its(void)
{
	char *p[64];

	for (int i = 0; i < 64; i++)
		CHECK(p[i] = calloc(1, 1024));
	plugin_free(p[32]);
}

/* @expect: what stderr must say if the plugin has another malloc; or NULL */
static void in_child(const char *name, void (*job)(void), bool another,
		     const char *expect)
{
	char text[4096] = "";
	int ends[2], status;
	ssize_t n, used = 0;
	pid_t pid;

	CHECK(!pipe(ends));
	fflush(stdout);
	pid = fork();
	CHECK(pid >= 0);
	if (!pid) {
		CHECK(!setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0}));
		CHECK(dup2(ends[1], STDERR_FILENO) >= 0);
		alarm(20);
		job();
		_exit(0);
	}
	close(ends[1]);
	while ((n = read(ends[0], text + used,
			 sizeof(text) - 1 - (size_t)used)) > 0)
		used += n;
	close(ends[0]);
	status = wait_status(pid);
	printf("%s: status %d %s", name, status, *text ? text : "\n");
	if (!another) {
		CHECK(status == 0 && !used);
		return;
	}
	CHECK(status == 128 + SIGABRT);
	if (expect && library()) {
		CHECK(!strncmp(text, "quarry: ", 8));
		CHECK(strstr(text, expect));
	}
}

int main(int argc, char **argv)
{
	static const char foreign[] = "): not from this allocator";
	void *handle, *its, *own_malloc;
	bool another;

	check_library();
	CHECK(argc == 2);
	handle = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND);
	if (!handle)
		dprintf(STDERR_FILENO, "%s\n", dlerror());
	CHECK(handle);
	find(handle, "plugin_alloc", &plugin_alloc);
	find(handle, "plugin_free", &plugin_free);
	stays_inside();

	/* the handle's own scope begins with the plugin and its libraries */
	find(handle, "malloc", &its);
	find(RTLD_DEFAULT, "malloc", &own_malloc);
	another = its != own_malloc;
	printf("the plugin has %s malloc\n", another ? "another" : "the same");
	in_child("its pointer to our free", its_pointer_to_ours, another,
		 foreign);
	in_child("its large pointer to our free", its_large_pointer_to_ours,
		 another, foreign);
	in_child("its pointer to our realloc", its_pointer_resized_by_us,
		 another, foreign);
	in_child("our pointer to its free", our_pointer_to_its, another, NULL);
	CHECK(!dlclose(handle));
	return 0;
}
