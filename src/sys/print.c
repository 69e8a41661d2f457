/*
 * One formatter writes pieces of text to a target; a qr_out, a caller's
 * buffer and a line for stderr are three targets.
 */
#include "sys/print.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

struct target {
	void (*put)(struct target *target, const char *bytes, size_t n);
};

/* One conversion of a format. */
struct spec {
	bool left;  /* '-' */
	bool zeros; /* '0' */
	size_t width;
	size_t precision; /* of %s; SIZE_MAX: none */
	unsigned longs;	  /* 0: int, 1: long or size_t, 2: long long */
};

static void pad(struct target *t, char with, size_t n)
{
	char run[16];

	memset(run, with, sizeof(run));
	while (n) {
		size_t step = n < sizeof(run) ? n : sizeof(run);

		t->put(t, run, step);
		n -= step;
	}
}

/* @text in a field, after @sign, which precedes zeros and follows spaces. */
static void put_field(struct target *t, const struct spec *spec,
		      const char *sign, const char *text, size_t length)
{
	size_t used = strlen(sign) + length;
	size_t fill = spec->width > used ? spec->width - used : 0;
	bool zeros = spec->zeros && !spec->left;

	if (!spec->left && !zeros)
		pad(t, ' ', fill);
	t->put(t, sign, strlen(sign));
	if (zeros)
		pad(t, '0', fill);
	t->put(t, text, length);
	if (spec->left)
		pad(t, ' ', fill);
}

static void put_number(struct target *t, const struct spec *spec,
		       const char *sign, unsigned long long x, unsigned base)
{
	char digits[20]; /* as many as 2^64 - 1 has */
	char *p = digits + sizeof(digits);

	do {
		*--p = "0123456789abcdef"[x % base];
		x /= base;
	} while (x);
	put_field(t, spec, sign, p, (size_t)(digits + sizeof(digits) - p));
}

static void put_string(struct target *t, struct spec *spec, const char *s)
{
	if (!s)
		s = "(null)";
	spec->zeros = false;
	put_field(t, spec, "", s, strnlen(s, spec->precision));
}

static const char *read_number(const char *p, size_t *ret_number)
{
	size_t n = 0;

	for (; *p >= '0' && *p <= '9'; p++)
		n = n * 10 + (size_t)(*p - '0');
	*ret_number = n;
	return p;
}

/* What stands between '%' and the letter; returns where the letter is. */
static const char *read_spec(const char *p, struct spec *ret_spec,
			     va_list *args)
{
	struct spec spec = {.precision = SIZE_MAX};

	for (; *p == '-' || *p == '0'; p++) {
		if (*p == '-')
			spec.left = true;
		else
			spec.zeros = true;
	}
	p = read_number(p, &spec.width);
	if (p[0] == '.' && p[1] == '*') {
		int n = va_arg(*args, int);

		spec.precision = n < 0 ? SIZE_MAX : (size_t)n;
		p += 2;
	}
	for (; *p == 'l' || *p == 'z'; p++)
		spec.longs++;
	*ret_spec = spec;
	return p;
}

static unsigned long long unsigned_arg(const struct spec *spec, va_list *args)
{
	switch (spec->longs) {
	case 0:
		return va_arg(*args, unsigned);
	case 1:
		return va_arg(*args, unsigned long);
	default:
		return va_arg(*args, unsigned long long);
	}
}

static long long signed_arg(const struct spec *spec, va_list *args)
{
	switch (spec->longs) {
	case 0:
		return va_arg(*args, int);
	case 1:
		return va_arg(*args, long);
	default:
		return va_arg(*args, long long);
	}
}

/* One conversion; false: its letter is not one of ours. */
static bool put_conversion(struct target *t, struct spec *spec, char letter,
			   va_list *args)
{
	long long x;
	char c;

	switch (letter) {
	case '%':
		t->put(t, "%", 1);
		return true;
	case 'c':
		c = (char)va_arg(*args, int);
		spec->zeros = false;
		put_field(t, spec, "", &c, 1);
		return true;
	case 's':
		put_string(t, spec, va_arg(*args, const char *));
		return true;
	case 'd':
		x = signed_arg(spec, args);
		put_number(t, spec, x < 0 ? "-" : "",
			   x < 0 ? -(unsigned long long)x
				 : (unsigned long long)x,
			   10);
		return true;
	case 'u':
		put_number(t, spec, "", unsigned_arg(spec, args), 10);
		return true;
	case 'x':
		put_number(t, spec, "", unsigned_arg(spec, args), 16);
		return true;
	case 'p':
		put_number(t, spec, "0x", (uintptr_t)va_arg(*args, void *), 16);
		return true;
	default:
		return false;
	}
}

/*
 * @args is a pointer, because a va_list handed on by value is not to be used
 * by the one who handed it on.
 */
static void format_to(struct target *t, const char *format, va_list *args)
{
	struct spec spec;

	for (;;) {
		const char *percent = strchrnul(format, '%');
		const char *letter;

		t->put(t, format, (size_t)(percent - format));
		if (!*percent)
			return;
		letter = read_spec(percent + 1, &spec, args);
		if (!put_conversion(t, &spec, *letter, args)) {
			/* its argument is unknown: the rest goes as it is */
			t->put(t, percent, strlen(percent));
			return;
		}
		format = letter + 1;
	}
}

/* A target that keeps what fits and counts the rest. */
struct bounded {
	struct target target;
	char *buffer;
	size_t room;
	size_t length;
};

static void put_bounded(struct target *t, const char *bytes, size_t n)
{
	struct bounded *b = QR_CONTAINER_OF(t, struct bounded, target);

	if (b->length < b->room) {
		size_t left = b->room - b->length;

		memcpy(b->buffer + b->length, bytes, n < left ? n : left);
	}
	b->length += n;
}

size_t qr_format(char *buffer, size_t size, const char *format, ...)
{
	struct bounded b = {.target = {put_bounded},
			    .buffer = buffer,
			    .room = size ? size - 1 : 0};
	va_list args;

	va_start(args, format);
	format_to(&b.target, format, &args);
	va_end(args);
	if (size)
		buffer[b.length < b.room ? b.length : b.room] = '\0';
	return b.length;
}

/* Raw calls: libc's write() may be interposed and is a cancellation point. */
static long write_some(int fd, const char *bytes, size_t n)
{
	int saved = errno;
	long rc;

	do {
		rc = syscall(SYS_write, fd, bytes, n);
	} while (rc < 0 && errno == EINTR);
	if (rc < 0)
		rc = -errno;
	errno = saved;
	return rc;
}

static int write_all(void *arg, const char *bytes, size_t n)
{
	while (n) {
		long rc = write_some((int)(intptr_t)arg, bytes, n);

		if (rc <= 0)
			return rc ? (int)rc : -EIO;
		bytes += rc;
		n -= (size_t)rc;
	}
	return 0;
}

void qr_out_init(struct qr_out *out,
		 int (*sink)(void *arg, const char *bytes, size_t n), void *arg)
{
	out->sink = sink;
	out->arg = arg;
	out->error = 0;
	out->used = 0;
}

void qr_out_init_fd(struct qr_out *out, int fd)
{
	qr_out_init(out, write_all, (void *)(intptr_t)fd);
}

int qr_out_flush(struct qr_out *out)
{
	if (out->used && !out->error)
		out->error = out->sink(out->arg, out->buffer, out->used);
	out->used = 0;
	return out->error;
}

static void put_bytes(struct qr_out *out, const char *bytes, size_t n)
{
	while (n) {
		size_t left = sizeof(out->buffer) - out->used;
		size_t step = n < left ? n : left;

		memcpy(out->buffer + out->used, bytes, step);
		out->used += step;
		bytes += step;
		n -= step;
		if (out->used == sizeof(out->buffer))
			qr_out_flush(out);
	}
}

struct to_out {
	struct target target;
	struct qr_out *out;
};

static void put_out(struct target *t, const char *bytes, size_t n)
{
	put_bytes(QR_CONTAINER_OF(t, struct to_out, target)->out, bytes, n);
}

static void out_format(struct qr_out *out, const char *format, va_list *args)
{
	struct to_out to = {.target = {put_out}, .out = out};

	format_to(&to.target, format, args);
}

void qr_out_vprintf(struct qr_out *out, const char *format, va_list args)
{
	va_list copy;

	va_copy(copy, args);
	out_format(out, format, &copy);
	va_end(copy);
}

void qr_out_printf(struct qr_out *out, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	out_format(out, format, &args);
	va_end(args);
}

/*
 * How many bytes the well-formed UTF-8 sequence at @s has, 0 if it is none
 * (Unicode 15, table 3-7).  Stops at the NUL.
 */
static unsigned utf8_length(const unsigned char *s)
{
	unsigned char low = 0x80, high = 0xbf;
	unsigned n;

	if (s[0] < 0x80)
		return 1;
	if (s[0] < 0xc2 || s[0] > 0xf4)
		return 0;
	n = s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
	if (s[0] == 0xe0)
		low = 0xa0; /* else it is longer than needed */
	else if (s[0] == 0xed)
		high = 0x9f; /* surrogates */
	else if (s[0] == 0xf0)
		low = 0x90;
	else if (s[0] == 0xf4)
		high = 0x8f; /* past the last code point */
	if (s[1] < low || s[1] > high)
		return 0;
	for (unsigned i = 2; i < n; i++) {
		if (s[i] < 0x80 || s[i] > 0xbf)
			return 0;
	}
	return n;
}

void qr_out_json_string(struct qr_out *out, const char *string)
{
	const unsigned char *s = (const unsigned char *)string;
	unsigned n;

	put_bytes(out, "\"", 1);
	for (; *s; s += n) {
		n = utf8_length(s);
		if (!n) {
			qr_out_printf(out, "\\ufffd");
			n = 1;
		} else if (*s < 0x20) {
			qr_out_printf(out, "\\u%04x", *s);
		} else {
			if (*s == '"' || *s == '\\')
				put_bytes(out, "\\", 1);
			put_bytes(out, (const char *)s, n);
		}
	}
	put_bytes(out, "\"", 1);
}

enum { LINE = 512 };

static void warn(const char *format, va_list *args)
{
	static const char prefix[] = "quarry: ";
	char line[LINE];
	struct bounded b = {.target = {put_bounded},
			    .buffer = line,
			    .room = sizeof(line) - 1};

	put_bounded(&b.target, prefix, sizeof(prefix) - 1);
	format_to(&b.target, format, args);
	if (b.length > b.room)
		b.length = b.room;
	line[b.length] = '\n';
	write_some(STDERR_FILENO, line, b.length + 1);
}

void qr_warn(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	warn(format, &args);
	va_end(args);
}

void qr_die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	warn(format, &args);
	va_end(args);
	abort();
}
