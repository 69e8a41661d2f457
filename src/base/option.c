#include "base/option.h"

#include <string.h>

const struct qr_option qr_option_table[QR_NR_OPTIONS] = {
#define QR_OPTION(id, name_, kind_, words_, initial_, low_, high_, meaning_, \
		  cost_)                                                     \
	[QR_OPT_##id] = {.name = (name_),                                    \
			 .kind = (kind_),                                    \
			 .words = (words_),                                  \
			 .initial = (initial_),                              \
			 .low = (low_),                                      \
			 .high = (high_),                                    \
			 .meaning = (meaning_),                              \
			 .cost = (cost_)},
#include "base/option_table.h"
#undef QR_OPTION
};

/* A part of the caller's text, which need not end in NUL. */
struct part {
	const char *at;
	size_t length;
};

static bool same(struct part part, const char *word, size_t length)
{
	return part.length == length && memcmp(part.at, word, length) == 0;
}

/* Cut @text at the first @mark into what precedes and what follows it. */
static bool cut(struct part text, char mark, struct part *ret_head,
		struct part *ret_rest)
{
	for (size_t i = 0; i < text.length; i++) {
		if (text.at[i] != mark)
			continue;
		*ret_head = (struct part){text.at, i};
		*ret_rest = (struct part){text.at + i + 1, text.length - i - 1};
		return true;
	}
	return false;
}

/* How far a suffix letter shifts to the left; 64: it is none. */
static unsigned suffix_shift(char letter)
{
	switch (letter) {
	case 'k':
	case 'K':
		return 10;
	case 'm':
	case 'M':
		return 20;
	case 'g':
	case 'G':
		return 30;
	default:
		return 64;
	}
}

static bool parse_size(struct part value, uint64_t *ret_number)
{
	uint64_t number = 0;
	unsigned shift = 0;
	size_t i = 0;

	for (; i < value.length; i++) {
		unsigned digit = (unsigned)(value.at[i] - '0');

		if (digit > 9)
			break;
		if (number > (UINT64_MAX - digit) / 10)
			return false;
		number = number * 10 + digit;
	}
	if (i == 0)
		return false;
	if (i < value.length)
		shift = suffix_shift(value.at[i++]);
	if (i < value.length || shift == 64 || number > UINT64_MAX >> shift)
		return false;
	*ret_number = number << shift;
	return true;
}

/* @words are separated by '|'; the number is the index of the one that fits. */
static bool parse_word(struct part value, const char *words,
		       uint64_t *ret_number)
{
	for (uint64_t i = 0;; i++) {
		size_t length = strcspn(words, "|");

		if (same(value, words, length)) {
			*ret_number = i;
			return true;
		}
		if (!words[length])
			return false;
		words += length + 1;
	}
}

static bool parse_value(const struct qr_option *option, struct part value,
			uint64_t *ret_number)
{
	switch (option->kind) {
	case QR_OPTION_SIZE:
		return parse_size(value, ret_number);
	case QR_OPTION_BOOL:
		return parse_word(value, "off|on", ret_number);
	case QR_OPTION_WORD:
		return parse_word(value, option->words, ret_number);
	}
	return false;
}

static bool apply(struct qr_options *options, struct part item)
{
	struct part name, value;
	uint64_t number;

	if (!cut(item, ':', &name, &value))
		return false;
	for (size_t id = 0; id < QR_NR_OPTIONS; id++) {
		const struct qr_option *option = &qr_option_table[id];

		if (!same(name, option->name, strlen(option->name)))
			continue;
		if (!parse_value(option, value, &number) ||
		    number < option->low || number > option->high)
			return false;
		options->value[id] = number;
		return true;
	}
	return false;
}

void qr_options_init(struct qr_options *options)
{
	for (size_t id = 0; id < QR_NR_OPTIONS; id++)
		options->value[id] = qr_option_table[id].initial;
}

unsigned
qr_options_parse(struct qr_options *options, const char *text, size_t length,
		 void (*complain)(void *arg, const char *item, size_t length),
		 void *arg)
{
	struct part rest = {text, length}, item;
	unsigned bad = 0;
	bool more;

	do {
		more = cut(rest, ',', &item, &rest);
		if (!more)
			item = rest;
		if (!item.length || apply(options, item))
			continue;
		bad++;
		if (complain)
			complain(arg, item.at, item.length);
	} while (more);
	return bad;
}
