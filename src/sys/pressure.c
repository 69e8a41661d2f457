#include "sys/pressure.h"

#include "sys/file.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

/* Of a letter of Base64, or -1. */
static int value_of(char letter)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "abcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at = letter ? strchr(letters, letter) : NULL;

	return at ? (int)(at - letters) : -1;
}

/* Bytes, or -1: it is not Base64, or too long. */
static long decode(const char *text, char *bytes, size_t size)
{
	unsigned bits = 0, nr_bits = 0;
	size_t n = 0;

	for (int value; (value = value_of(*text)) >= 0; text++) {
		bits = bits << 6 | (unsigned)value;
		nr_bits += 6;
		if (nr_bits < 8)
			continue;
		if (n == size)
			return -1;
		nr_bits -= 8;
		bytes[n++] = (char)(bits >> nr_bits);
	}
	while (*text == '=')
		text++;
	return *text ? -1 : (long)n;
}

bool qr_pressure_parse(const char *watch, const char *write,
		       struct qr_pressure_wish *ret_wish)
{
	long n = 0;

	if (!watch)
		return true;
	if (watch[0] != '/' || strlen(watch) >= sizeof(ret_wish->path))
		return false;
	if (write)
		n = decode(write, ret_wish->bytes, sizeof(ret_wish->bytes));
	if (n < 0)
		return false;
	memcpy(ret_wish->path, watch, strlen(watch) + 1);
	ret_wish->nr_bytes = (size_t)n;
	ret_wish->given = true;
	return true;
}

static int connect_to(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd, rc = 0;

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (syscall(SYS_connect, fd, &address, sizeof(address)))
		rc = -errno;
	if (rc)
		qr_file_close(fd);
	return rc ? rc : fd;
}

static int open_as(mode_t type, const struct qr_pressure_wish *wish)
{
	int access = wish->nr_bytes || S_ISFIFO(type) ? O_RDWR : O_RDONLY;

	if (S_ISSOCK(type))
		return connect_to(wish->path);
	if (!S_ISREG(type) && !S_ISFIFO(type))
		return -ENODEV; /* /dev/null among them */
	return qr_file_open(AT_FDCWD, wish->path,
			    access | O_NONBLOCK | O_NOCTTY);
}

int qr_pressure_open(const struct qr_pressure_wish *wish, short *ret_events)
{
	int saved = errno, fd, rc = 0;
	struct stat stat_of;

	fd = stat(wish->path, &stat_of) ? -errno
					: open_as(stat_of.st_mode, wish);
	errno = saved;
	if (fd < 0)
		return fd;
	if (wish->nr_bytes)
		rc = qr_file_write(fd, wish->bytes, wish->nr_bytes);
	if (rc) {
		qr_file_close(fd);
		return rc;
	}
	*ret_events = S_ISREG(stat_of.st_mode) ? POLLPRI : POLLIN;
	return fd;
}

bool qr_pressure_discard(int fd)
{
	int saved = errno;
	char bytes[64];
	bool more;
	long n;

	do
		n = syscall(SYS_read, fd, bytes, sizeof(bytes));
	while (n > 0);
	more = n < 0 && (errno == EAGAIN || errno == EINTR);
	errno = saved;
	return more;
}
