/*
 * When a program may allocate: while it is being relocated (an ifunc's
 * resolver), before and in constructors, in thread-specific and thread-local
 * destructors, in exit handlers and in destructors; and it frees in each what
 * an earlier one allocated.  Built a second time with -z now.
 *
 * The exit status tells that the last of them was reached.
 */
#include "check.h"

#include <pthread.h>

enum stage { RESOLVE, PREINIT, CONSTRUCT, MAIN, EXIT, STAGES };
enum { COUNT = 200 };

static void *objects[STAGES][COUNT];

static size_t size_of(int i)
{
	return 16 + (size_t)(i % 150) * 41 + (i % 50 ? 0 : 5 * MIB);
}

static void allocate(enum stage stage)
{
	for (int i = 0; i < COUNT; i++) {
		void *p = i % 3 ? malloc(size_of(i)) : calloc(1, size_of(i));

		if (!p)
			_exit(10 + (int)stage);
		memset(p, (int)stage, 16);
		objects[stage][i] = p;
	}
}

static void release(enum stage stage)
{
	for (int i = 0; i < COUNT; i++) {
		const char *p = objects[stage][i];

		if (p[0] != (char)stage || p[15] != (char)stage)
			_exit(20 + (int)stage);
		free(objects[stage][i]);
	}
}

/*
 * A resolver runs during relocation and may call nothing that has not been
 * relocated; this program's own calls of malloc are, where the linker binds
 * at once.  With lazy binding the first call is bound then and there.
 */
static int resolved(void)
{
	return 42;
}

__attribute__((used)) static int (*resolve(void))(void)
{
	allocate(RESOLVE);
	return resolved;
}

int indirect(void) __attribute__((ifunc("resolve")));

static void preinit(void)
{
	allocate(PREINIT);
}

__attribute__((section(".preinit_array"),
	       used)) static void (*preinit_pointer)(void) = preinit;

__attribute__((constructor(101))) static void construct(void)
{
	allocate(CONSTRUCT);
	release(RESOLVE);
}

static int late_runs;

/* Thread-specific data that comes back: destructors run several times. */
static pthread_key_t key;

static void destroy_key(void *value)
{
	late_runs++;
	free(value);
	if (late_runs % 3)
		pthread_setspecific(key, malloc(777));
}

int __cxa_thread_atexit_impl(void (*function)(void *), void *arg, void *dso);
extern void *__dso_handle;

static void destroy_thread_local(void *value)
{
	free(value);
	free(opaque(malloc(5000)));
	late_runs++;
}

static void *thread(void *arg)
{
	CHECK(!pthread_setspecific(key, malloc(777)));
	CHECK(!__cxa_thread_atexit_impl(destroy_thread_local, malloc(100),
					__dso_handle));
	free(arg);
	return malloc(10);
}

static void at_exit(void)
{
	allocate(EXIT);
	release(MAIN);
}

/* After every exit handler; the last thing that runs. */
__attribute__((destructor(101))) static void destroy(void)
{
	release(EXIT);
	malloc_trim(0);
	free(opaque(malloc(20 * MIB)));
	_exit(3);
}

static int run(void)
{
	check_library();
	if (indirect() != 42)
		_exit(30);
	release(PREINIT);
	release(CONSTRUCT);
	CHECK(!pthread_key_create(&key, destroy_key));
	for (int i = 0; i < 100; i++) {
		pthread_t t;
		void *left;

		CHECK(!pthread_create(&t, NULL, thread, malloc(1000)));
		CHECK(!pthread_join(t, &left));
		free(left);
	}
	CHECK(late_runs >= 200);
	CHECK(!pthread_setspecific(key, malloc(777)));
	CHECK(!__cxa_thread_atexit_impl(destroy_thread_local, malloc(100),
					__dso_handle));
	CHECK(!atexit(at_exit));
	allocate(MAIN);
	return 0;
}

/* The parent runs the same program again and expects its last status. */
int main(int argc, char **argv)
{
	char self[PATH_MAX];
	pid_t pid;

	(void)argv;
	if (argc > 1)
		return run();
	CHECK(readlink("/proc/self/exe", self, sizeof(self) - 1) > 0);
	for (int now = 0; now < 2; now++) {
		pid = fork();
		CHECK(pid >= 0);
		if (!pid) {
			if (now)
				setenv("LD_BIND_NOW", "1", 1);
			execl("/proc/self/exe", "life_cycle", "run", NULL);
			_exit(126);
		}
		CHECK(wait_status(pid) == 3);
	}
	_exit(0);
}
