/*
 * A server that is linked statically with the archive, as servers are: no
 * ld.so, nothing preloaded, nothing interposed.  A thread per connection
 * answers messages of any size with twice their text; the clients are children
 * of fork that check the answers.  Afterwards nothing of all that lives.
 *
 * Needs nothing that musl does not have.
 */
#include "quarry.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CLIENTS = 3, CONNECTIONS = 8, MESSAGES = 200, WAVES = 4 };

#define CHECK(what)                                                      \
	do {                                                             \
		if (!(what)) {                                           \
			fprintf(stderr, "%s:%d: not so: %s (errno %d)\n", \
				__FILE__, __LINE__, #what, errno);       \
			_exit(1);                                        \
		}                                                        \
	} while (0)

static struct sockaddr_un address = {.sun_family = AF_UNIX};
static socklen_t address_size;

/* Without a file: the kernel's name for it begins with NUL. */
static void choose_address(void)
{
	int n = snprintf(address.sun_path + 1, sizeof(address.sun_path) - 1,
			 "quarry-static-server-%d", (int)getpid());

	address_size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
				   (size_t)n);
}

static bool receive(int fd, void *to, size_t size)
{
	size_t got = 0;
	ssize_t n;

	while (got < size && (n = read(fd, (char *)to + got, size - got)) > 0)
		got += (size_t)n;
	return got == size;
}

static void transmit(int fd, const void *from, size_t size)
{
	size_t sent = 0;

	while (sent < size) {
		ssize_t n = write(fd, (const char *)from + sent, size - sent);

		CHECK(n > 0);
		sent += (size_t)n;
	}
}

static void *serve(void *arg)
{
	int fd = *(int *)arg;
	size_t size;

	free(arg);
	while (receive(fd, &size, sizeof(size))) {
		char *text = malloc(size);

		CHECK(text && receive(fd, text, size));
		CHECK(text = realloc(text, 2 * size));
		memcpy(text + size, text, size);
		transmit(fd, text, 2 * size);
		free(text);
	}
	close(fd);
	return NULL;
}

/* Mostly small ones, some past the largest class. */
static size_t size_of(size_t i, size_t seed)
{
	size_t n = i * 7919 + seed * 104729;

	return 1 + n % (i % 50 ? 3000 : 3000000);
}

static void *converse(void *arg)
{
	size_t seed = (uintptr_t)arg;
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	CHECK(fd >= 0);
	CHECK(!connect(fd, (struct sockaddr *)&address, address_size));
	for (size_t i = 0; i < MESSAGES; i++) {
		size_t size = size_of(i, seed);
		char *text = malloc(size), *answer = calloc(2, size);

		CHECK(text && answer);
		memset(text, (int)(i + seed), size);
		transmit(fd, &size, sizeof(size));
		transmit(fd, text, size);
		CHECK(receive(fd, answer, 2 * size));
		CHECK(!memcmp(answer, text, size));
		CHECK(!memcmp(answer + size, text, size));
		free(text);
		free(answer);
	}
	close(fd);
	return NULL;
}

/* A client: one thread per connection, in a child of its own. */
static void be_client(size_t number)
{
	pthread_t threads[CONNECTIONS];

	alarm(100);
	for (size_t i = 0; i < CONNECTIONS; i++)
		CHECK(!pthread_create(&threads[i], NULL, converse,
				      (void *)(number * CONNECTIONS + i)));
	for (size_t i = 0; i < CONNECTIONS; i++)
		CHECK(!pthread_join(threads[i], NULL));
	exit(0);
}

static void wave(int listener)
{
	pthread_t threads[CLIENTS * CONNECTIONS];
	int status;

	for (size_t i = 0; i < CLIENTS; i++) {
		pid_t pid = fork();

		CHECK(pid >= 0);
		if (!pid)
			be_client(i);
	}
	for (size_t i = 0; i < CLIENTS * CONNECTIONS; i++) {
		int *fd = malloc(sizeof(*fd));

		CHECK(fd && (*fd = accept(listener, NULL, NULL)) >= 0);
		CHECK(!pthread_create(&threads[i], NULL, serve, fd));
	}
	for (size_t i = 0; i < CLIENTS * CONNECTIONS; i++)
		CHECK(!pthread_join(threads[i], NULL));
	for (size_t i = 0; i < CLIENTS; i++)
		CHECK(wait(&status) > 0 && status == 0);
}

int main(void)
{
	int listener = socket(AF_UNIX, SOCK_STREAM, 0);
	size_t before, after;

	alarm(200);
	choose_address();
	CHECK(listener >= 0);
	CHECK(!bind(listener, (struct sockaddr *)&address, address_size));
	CHECK(!listen(listener, CLIENTS * CONNECTIONS));
	/* what libc keeps for threads it has by then */
	wave(listener);
	before = quarry_live_bytes();
	for (int i = 1; i < WAVES; i++)
		wave(listener);
	after = quarry_live_bytes();
	printf("%zu bytes live, then %zu; %zu trimmed\n", before, after,
	       quarry_trim());
	CHECK(after < before + 65536);
	/* malloc is this library's: it counts */
	free(malloc(100));
	CHECK(before > 0);
	return 0;
}
