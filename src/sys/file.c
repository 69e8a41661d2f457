#include "sys/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Returns 0 or more, or -errno, and keeps errno. */
static long call(long number, long a, long b, long c, long d)
{
	int saved = errno;
	long rc = syscall(number, a, b, c, d);

	if (rc < 0)
		rc = -errno;
	errno = saved;
	return rc;
}

int qr_file_open(int dir, const char *path, int flags)
{
	return (int)call(SYS_openat, dir, (long)path, flags | O_CLOEXEC, 0);
}

int qr_file_exists(int dir, const char *path)
{
	return (int)call(SYS_faccessat, dir, (long)path, F_OK, 0);
}

int qr_file_write(int fd, const char *bytes, size_t n)
{
	long rc = call(SYS_write, fd, (long)bytes, (long)n, 0);

	if (rc < 0)
		return (int)rc;
	return (size_t)rc == n ? 0 : -EIO;
}

long qr_file_read_at(int fd, void *bytes, size_t n, uint64_t offset)
{
	long rc;

	do {
		rc = call(SYS_pread64, fd, (long)bytes, (long)n, (long)offset);
	} while (rc == -EINTR);
	return rc;
}

int qr_file_rewind(int fd)
{
	return (int)call(SYS_lseek, fd, 0, SEEK_SET, 0);
}

void qr_file_close(int fd)
{
	call(SYS_close, fd, 0, 0, 0);
}

void qr_reader_init(struct qr_reader *r, int fd)
{
	r->fd = fd;
	r->error = 0;
	r->at = r->length = 0;
}

int qr_reader_open(struct qr_reader *r, int dir, const char *path)
{
	qr_reader_init(r, qr_file_open(dir, path, O_RDONLY));
	return r->fd < 0 ? r->fd : 0;
}

void qr_reader_close(struct qr_reader *r)
{
	qr_file_close(r->fd);
}

int qr_peek(struct qr_reader *r)
{
	long n;

	if (r->at < r->length)
		return (unsigned char)r->buffer[r->at];
	if (r->error)
		return -1;
	do {
		n = call(SYS_read, r->fd, (long)r->buffer, sizeof(r->buffer),
			 0);
	} while (n == -EINTR);
	if (n < 0)
		r->error = (int)n;
	if (n <= 0)
		return -1;
	r->at = 0;
	r->length = (size_t)n;
	return (unsigned char)r->buffer[0];
}

bool qr_take(struct qr_reader *r, char c)
{
	if (qr_peek(r) != (unsigned char)c)
		return false;
	r->at++;
	return true;
}

bool qr_at_end_of_line(struct qr_reader *r)
{
	int c = qr_peek(r);

	return c < 0 || c == '\n';
}

void qr_skip_line(struct qr_reader *r)
{
	while (!qr_at_end_of_line(r))
		r->at++;
	qr_take(r, '\n');
}

size_t qr_read_field(struct qr_reader *r, char end, char *field, size_t size)
{
	size_t n = 0;

	for (; !qr_at_end_of_line(r) && qr_peek(r) != (unsigned char)end;
	     r->at++) {
		if (n + 1 < size)
			field[n] = (char)qr_peek(r);
		n++;
	}
	qr_take(r, end);
	if (size)
		field[n < size ? n : size - 1] = '\0';
	return n;
}

bool qr_read_number(struct qr_reader *r, uint64_t *ret_number)
{
	uint64_t n = 0;
	bool any = false;

	for (int c; (c = qr_peek(r)) >= '0' && c <= '9'; r->at++) {
		uint64_t digit = (uint64_t)(c - '0');

		n = n > (UINT64_MAX - digit) / 10 ? UINT64_MAX : n * 10 + digit;
		any = true;
	}
	*ret_number = n;
	return any;
}

int qr_reader_end(struct qr_reader *r, bool understood)
{
	if (understood) {
		qr_take(r, '\n');
		understood = qr_peek(r) < 0;
	}
	if (r->error)
		return r->error;
	return understood ? 0 : -EINVAL;
}
