/*
 * One thread frees an object, then another does.
 * EXPECT: free\(0x[0-9a-f]+\): double free of an object of size-64
 */
#include "misuse.h"

#include <pthread.h>

static void *free_in_thread(void *p)
{
	free(p);
	return NULL;
}

int main(void)
{
	void *p = opaque(malloc(64));
	pthread_t thread;

	alloc_others(64);
	if (pthread_create(&thread, NULL, free_in_thread, p))
		return 2;
	pthread_join(thread, NULL);
	free(opaque(p));
	free_others();
	return 0;
}
