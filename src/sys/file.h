/*
 * Files of the kernel, read without allocation and without stdio: by raw
 * system calls, because libc's may be interposed and are cancellation points.
 * errno is kept.  Descriptors are close-on-exec.
 */
#ifndef QR_SYS_FILE_H
#define QR_SYS_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* @dir is a descriptor of a directory, or AT_FDCWD.  -errno on failure. */
int qr_file_open(int dir, const char *path, int flags);
/* Whether there is @path: 0 or -errno. */
int qr_file_exists(int dir, const char *path);
/* In one write: 0 or -errno. */
int qr_file_write(int fd, const char *bytes, size_t n);
/* Bytes read from @offset on, 0 at the end, or -errno. */
long qr_file_read_at(int fd, void *bytes, size_t n, uint64_t offset);
/* The next read starts at the beginning: 0 or -errno. */
int qr_file_rewind(int fd);
void qr_file_close(int fd);

/*
 * A file, character by character: what the kernel writes may have lines of any
 * length.  An error counts as the end and sticks.  One thread uses a reader.
 */
struct qr_reader {
	int fd;
	int error;
	size_t at, length;
	char buffer[512];
};

/* Read from @fd on; the caller closes it. */
void qr_reader_init(struct qr_reader *r, int fd);
/* 0, or -errno and then there is nothing to close. */
int qr_reader_open(struct qr_reader *r, int dir, const char *path);
void qr_reader_close(struct qr_reader *r);

/* The next character without taking it; -1 at the end. */
int qr_peek(struct qr_reader *r);
/* Take the next character if it is @c. */
bool qr_take(struct qr_reader *r, char c);
bool qr_at_end_of_line(struct qr_reader *r);
/* Past the end of this line. */
void qr_skip_line(struct qr_reader *r);

/*
 * What stands before @end, which is taken too, or before the end of the line,
 * as a string.  What does not fit is cut.  Returns the length that it would
 * have had; @size 0 skips the field.
 */
size_t qr_read_field(struct qr_reader *r, char end, char *field, size_t size);

/* An unsigned number; past 2^64 - 1 it stays there.  False: there is none. */
bool qr_read_number(struct qr_reader *r, uint64_t *ret_number);

/*
 * After the last thing expected in the file, with @understood: 0 if all was
 * and nothing but a newline is left; the error of reading; else -EINVAL.
 */
int qr_reader_end(struct qr_reader *r, bool understood);

#endif
