/*
 * The table of options for those who read: src/base/option_table.h as the
 * help text of the launcher and as the table in README.md.
 *
 *	options markdown
 *	options launcher TEMPLATE OUTPUT	in place of a line "@OPTIONS@"
 *
 * Runs where Quarry is built, not where it will run.
 */
#include "base/option.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* A size as options take it: 64g. */
static void print_size(FILE *out, uint64_t size)
{
	static const struct {
		unsigned shift;
		char suffix;
	} units[] = {{30, 'g'}, {20, 'm'}, {10, 'k'}};

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (size && size % (UINT64_C(1) << units[i].shift) == 0) {
			fprintf(out, "%" PRIu64 "%c", size >> units[i].shift,
				units[i].suffix);
			return;
		}
	}
	fprintf(out, "%" PRIu64, size);
}

static void print_word(FILE *out, const char *words, uint64_t index)
{
	while (index--)
		words = strchr(words, '|') + 1;
	fprintf(out, "%.*s", (int)strcspn(words, "|"), words);
}

static void print_default(FILE *out, const struct qr_option *option)
{
	switch (option->kind) {
	case QR_OPTION_SIZE:
		print_size(out, option->initial);
		break;
	case QR_OPTION_BOOL:
		fputs(option->initial ? "on" : "off", out);
		break;
	case QR_OPTION_WORD:
		print_word(out, option->words, option->initial);
		break;
	}
}

/* @separator between words */
static void print_range(FILE *out, const struct qr_option *option,
			const char *separator)
{
	switch (option->kind) {
	case QR_OPTION_SIZE:
		print_size(out, option->low);
		fputs(" to ", out);
		print_size(out, option->high);
		break;
	case QR_OPTION_BOOL:
		fprintf(out, "on%soff", separator);
		break;
	case QR_OPTION_WORD:
		for (const char *c = option->words; *c; c++) {
			*c == '|' ? fputs(separator, out) : fputc(*c, out);
			if (*c == '=')
				fputs("NODES", out);
		}
		break;
	}
}

static void print_markdown(FILE *out)
{
	fputs("| option | default | values | meaning | cost |\n"
	      "|---|---|---|---|---|\n",
	      out);
	for (size_t i = 0; i < QR_NR_OPTIONS; i++) {
		const struct qr_option *option = &qr_option_table[i];

		fprintf(out, "| `%s` | ", option->name);
		print_default(out, option);
		fputs(" | ", out);
		print_range(out, option, ", ");
		fprintf(out, " | %s | %s |\n", option->meaning, option->cost);
	}
}

/* Words of @text, broken and indented so that lines end before column 80. */
static void print_wrapped(FILE *out, const char *text)
{
	enum { INDENT = 6, WIDTH = 78 };
	size_t column = 0;

	while (*text) {
		size_t word = strcspn(text, " ");

		if (column == 0 || column + 1 + word > WIDTH) {
			fprintf(out, "%s%*s", column ? "\n" : "", INDENT, "");
			column = INDENT;
		} else {
			fputc(' ', out);
			column++;
		}
		fprintf(out, "%.*s", (int)word, text);
		column += word;
		text += word + strspn(text + word, " ");
	}
	fputc('\n', out);
}

static void print_help(FILE *out)
{
	for (size_t i = 0; i < QR_NR_OPTIONS; i++) {
		const struct qr_option *option = &qr_option_table[i];

		fprintf(out, "  %s:", option->name);
		print_range(out, option, "|");
		fputs("  (default ", out);
		print_default(out, option);
		fputs(")\n", out);
		print_wrapped(out, option->meaning);
		if (strcmp(option->cost, "none") != 0) {
			char cost[512];

			snprintf(cost, sizeof(cost), "cost: %s", option->cost);
			print_wrapped(out, cost);
		}
	}
}

static int print_launcher(const char *template, const char *output)
{
	char line[1024];
	FILE *in = fopen(template, "r"), *out = in ? fopen(output, "w") : NULL;
	int rc;

	if (!out) {
		fprintf(stderr, "options: %s: %s\n", in ? output : template,
			strerror(errno));
		return 1;
	}
	while (fgets(line, sizeof(line), in)) {
		if (strcmp(line, "@OPTIONS@\n") == 0)
			print_help(out);
		else
			fputs(line, out);
	}
	rc = ferror(in) || fchmod(fileno(out), 0755);
	fclose(in);
	return fclose(out) || rc;
}

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "markdown") == 0) {
		print_markdown(stdout);
		return 0;
	}
	if (argc == 4 && strcmp(argv[1], "launcher") == 0)
		return print_launcher(argv[2], argv[3]);
	fputs("usage: options markdown | launcher TEMPLATE OUTPUT\n", stderr);
	return 2;
}
