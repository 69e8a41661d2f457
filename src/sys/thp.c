#include "sys/thp.h"

#include "sys/file.h"
#include "sys/print.h"

#include <fcntl.h>
#include <string.h>

#define DIRECTORY "/sys/kernel/mm/transparent_hugepage/"

static int reader_open(struct qr_reader *r, const char *root, const char *file)
{
	char path[256];

	if (qr_format(path, sizeof(path), "%s" DIRECTORY "%s", root, file) >=
	    sizeof(path))
		return -1;
	return qr_reader_open(r, AT_FDCWD, path);
}

/* The chosen word of a file like "always [madvise] never"; "" if none is. */
static void read_choice(const char *root, const char *file, char word[16])
{
	struct qr_reader r;

	word[0] = '\0';
	if (reader_open(&r, root, file))
		return;
	qr_read_field(&r, '[', NULL, 0);
	qr_read_field(&r, ']', word, 16);
	qr_reader_close(&r);
}

static size_t read_size(const char *root)
{
	struct qr_reader r;
	uint64_t size = 0;

	if (reader_open(&r, root, "hpage_pmd_size"))
		return 0;
	qr_read_number(&r, &size);
	qr_reader_close(&r);
	return (size_t)size;
}

enum qr_thp qr_thp_read(const char *root, size_t size)
{
	char file[64], word[16];

	if (read_size(root) != size)
		return QR_THP_NEVER;
	/* from Linux 6.8 on each size has a choice, as a rule "inherit" */
	qr_format(file, sizeof(file), "hugepages-%zukB/enabled", size >> 10);
	read_choice(root, file, word);
	if (!word[0] || !strcmp(word, "inherit"))
		read_choice(root, "enabled", word);
	if (!strcmp(word, "always"))
		return QR_THP_ALWAYS;
	return strcmp(word, "madvise") ? QR_THP_NEVER : QR_THP_MADVISE;
}
