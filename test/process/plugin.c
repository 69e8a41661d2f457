/*
 * A shared object that allocates: when it is loaded and unloaded, in its
 * functions, and in a thread-local destructor.  Used by plugins.c and
 * deepbind.c.
 */
#include <stdlib.h>
#include <string.h>

void *plugin_alloc(size_t size);
void *plugin_resize(void *ptr, size_t size);
void plugin_free(void *ptr);

static void *kept[64];
static _Thread_local void *of_thread;

__attribute__((constructor)) static void load(void)
{
	for (size_t i = 0; i < 64; i++)
		kept[i] = malloc(16 << i % 14);
	free(kept[0]);
	kept[0] = NULL;
}

__attribute__((destructor)) static void unload(void)
{
	for (size_t i = 0; i < 64; i++)
		free(kept[i]);
}

void *plugin_alloc(size_t size)
{
	free(of_thread);
	of_thread = malloc(100);
	return of_thread ? calloc(1, size) : NULL;
}

void *plugin_resize(void *ptr, size_t size)
{
	return realloc(ptr, size);
}

void plugin_free(void *ptr)
{
	free(of_thread);
	of_thread = NULL;
	free(ptr);
}
