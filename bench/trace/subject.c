/*
 * A program whose calls are known to the last one, for the recorder's test.
 *
 *	main		1000 malloc, 100 calloc, 100 aligned, 100 realloc
 *	10 threads	100 malloc each, freed by main; and each a block that a
 *			destructor of thread-specific data frees
 *	fork		the child frees what it inherited, allocates, _exit
 *	exec		with --exec, runs itself again at the end
 *
 * Everything is freed, 50 times NULL.  Sizes are unlike what libc asks for:
 * 4099 bytes each, so that the calls of libc itself can be told apart.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define SIZE 4099
#define THREADS 10
#define EACH 100

static void *handed[THREADS][EACH];
static pthread_key_t key;

static void *must(void *p)
{
	if (!p)
		_exit(3);
	memset(p, 1, SIZE);
	return p;
}

static void *work(void *argument)
{
	void **mine = argument;

	pthread_setspecific(key, must(malloc(SIZE)));
	for (int i = 0; i < EACH; i++)
		mine[i] = must(malloc(SIZE));
	return NULL;
}

static void use_threads(void)
{
	pthread_t threads[THREADS];

	for (int i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], NULL, work, handed[i]))
			_exit(3);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
}

static void use_fork(void)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		for (int i = 0; i < EACH; i++)
			free(handed[0][i]);
		for (int i = 0; i < 10000; i++)
			free(must(malloc(SIZE)));
		_exit(0);
	}
	if (waitpid(pid, &status, 0) != pid || status)
		_exit(3);
}

int main(int argc, char **argv)
{
	void *blocks[1000], *zeroed[100];

	pthread_key_create(&key, free);
	for (int i = 0; i < 1000; i++)
		blocks[i] = must(malloc(SIZE));
	for (int i = 0; i < 100; i++)
		blocks[i] = must(realloc(blocks[i], 2 * SIZE));
	for (int i = 0; i < 100; i++)
		zeroed[i] = must(calloc(1, SIZE));
	for (int i = 0; i < 100; i++)
		free(must(aligned_alloc(64, SIZE + 61)));
	use_threads();
	use_fork();
	for (int i = 0; i < 1000; i++)
		free(blocks[i]);
	for (int i = 0; i < 100; i++)
		free(zeroed[i]);
	for (int i = 0; i < 50; i++)
		free(NULL);
	for (int i = 0; i < THREADS; i++)
		for (int k = 0; k < EACH; k++)
			free(handed[i][k]);
	if (argc > 1 && !strcmp(argv[1], "--exec"))
		execl("/proc/self/exe", argv[0], (char *)NULL);
	return 0;
}
