#include "sys/bell.h"

#include <errno.h>
#include <linux/signalfd.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* A signal that nothing sends; not queued, so that no limit can refuse it. */
enum { RING = SIGSTKFLT, KERNEL_SET_SIZE = 8 };

void qr_poll(struct pollfd *fds, unsigned n, int milliseconds)
{
	struct timespec time = {.tv_sec = milliseconds / 1000,
				.tv_nsec = milliseconds % 1000 * 1000000L};
	int saved = errno;

	if (syscall(SYS_ppoll, fds, n, milliseconds < 0 ? NULL : &time, NULL,
		    KERNEL_SET_SIZE) <= 0) {
		for (unsigned i = 0; i < n; i++)
			fds[i].revents = 0;
	}
	errno = saved;
}

int qr_bell_open(struct qr_bell *bell)
{
	uint64_t set = UINT64_C(1) << (RING - 1);
	int saved = errno;
	int fd = (int)syscall(SYS_signalfd4, -1, &set, sizeof(set),
			      SFD_CLOEXEC | SFD_NONBLOCK);

	if (fd < 0)
		fd = -errno;
	errno = saved;
	if (fd < 0)
		return fd;
	bell->process = (int)syscall(SYS_getpid);
	/* release: pairs with qr_bell_ring */
	atomic_store_explicit(&bell->thread, (int)syscall(SYS_gettid),
			      memory_order_release);
	return fd;
}

void qr_bell_answer(int fd)
{
	struct signalfd_siginfo info;
	int saved = errno;

	while (syscall(SYS_read, fd, &info, sizeof(info)) > 0)
		;
	errno = saved;
}

void qr_bell_ring(struct qr_bell *bell)
{
	/* acquire: pairs with qr_bell_open */
	int thread =
		atomic_load_explicit(&bell->thread, memory_order_acquire);
	int saved = errno;

	/* a child of vfork has another process id, but our memory */
	if (thread)
		syscall(SYS_tgkill, bell->process, thread, RING);
	errno = saved;
}
