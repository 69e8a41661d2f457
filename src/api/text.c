#include "api/text.h"

#include "sys/map.h"

#include <errno.h>
#include <string.h>

enum { FIRST_SIZE = 64 << 10 };

static bool grow(struct qr_text *text)
{
	size_t size = text->size ? text->size * 2 : FIRST_SIZE;
	char *base = qr_map_map(size, qr_page_size());

	if (!base)
		return false;
	if (text->base) {
		memcpy(base, text->base, text->used);
		qr_map_unmap(text->base, text->size);
	}
	text->base = base;
	text->size = size;
	return true;
}

static int append(void *arg, const char *bytes, size_t n)
{
	struct qr_text *text = arg;

	while (text->size - text->used < n)
		if (!grow(text))
			return -ENOMEM;
	memcpy(text->base + text->used, bytes, n);
	text->used += n;
	return 0;
}

void qr_text_init(struct qr_text *text)
{
	qr_out_init(&text->out, append, text);
	text->base = NULL;
	text->used = text->size = 0;
}

void qr_text_destroy(struct qr_text *text)
{
	if (text->base)
		qr_map_unmap(text->base, text->size);
}

int qr_text_finish(struct qr_text *text)
{
	return qr_out_flush(&text->out);
}
