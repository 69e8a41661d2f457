#include "sys/thread.h"

#include "base/compiler.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifndef CLOSE_RANGE_UNSHARE
#define CLOSE_RANGE_UNSHARE 2
#endif
#ifndef SYS_close_range
#define SYS_close_range 436
#endif

/* of address space: libc takes its thread-local storage out of it */
enum { STACK_SIZE = 1 << 18 };

/* glibc 2.32 and later. */
extern char __libc_single_threaded QR_WEAK;

bool qr_thread_is_single(void)
{
	return &__libc_single_threaded && __libc_single_threaded;
}

#ifdef __GLIBC__

struct start {
	void (*run)(void);
	const char *name;
};

static struct start start;

static void *enter(void *arg)
{
	(void)arg;
	prctl(PR_SET_NAME, start.name, 0, 0, 0);
	start.run();
	return NULL;
}

static int create(void)
{
	pthread_attr_t attr;
	pthread_t thread;
	int error = pthread_attr_init(&attr);

	if (error)
		return -error;
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, STACK_SIZE);
	error = pthread_create(&thread, &attr, enter, NULL);
	pthread_attr_destroy(&attr);
	return -error;
}

int qr_thread_start(void (*run)(void), const char *name)
{
	sigset_t all, old;
	int saved = errno;
	int rc;

	start = (struct start){run, name};
	sigfillset(&all);
	if (pthread_sigmask(SIG_SETMASK, &all, &old))
		return -EINVAL;
	rc = create();
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	errno = saved;
	return rc;
}

#else

int qr_thread_start(void (*run)(void), const char *name)
{
	(void)run, (void)name;
	return -ENOSYS;
}

#endif

uint64_t qr_thread_time(void)
{
	struct timespec now;
	int saved = errno;
	int rc = clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);

	errno = saved;
	return rc ? 0
		  : (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

void qr_thread_sleep(unsigned milliseconds)
{
	struct timespec time = {.tv_sec = milliseconds / 1000,
				.tv_nsec = milliseconds % 1000 * 1000000L};

	/* our signals are blocked */
	syscall(SYS_nanosleep, &time, NULL);
}

int qr_thread_leave_files(void)
{
	return syscall(SYS_close_range, 0u, UINT_MAX, CLOSE_RANGE_UNSHARE)
		       ? -errno
		       : 0;
}
