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

/* The digits that @value begins with: how many; 0: none, or too many. */
static size_t parse_digits(struct part value, uint64_t *ret_number)
{
	uint64_t number = 0;
	size_t i = 0;

	for (; i < value.length; i++) {
		unsigned digit = (unsigned)(value.at[i] - '0');

		if (digit > 9)
			break;
		if (number > (UINT64_MAX - digit) / 10)
			return 0;
		number = number * 10 + digit;
	}
	*ret_number = number;
	return i;
}

static bool parse_size(struct part value, uint64_t *ret_number)
{
	uint64_t number;
	unsigned shift = 0;
	size_t i = parse_digits(value, &number);

	if (i == 0)
		return false;
	if (i < value.length)
		shift = suffix_shift(value.at[i++]);
	if (i < value.length || shift == 64 || number > UINT64_MAX >> shift)
		return false;
	*ret_number = number << shift;
	return true;
}

static bool parse_number(struct part value, uint64_t *ret_number)
{
	size_t digits = parse_digits(value, ret_number);

	return digits && digits == value.length;
}

/* "0+2-3", a bit each. */
static bool parse_list(struct part value, uint64_t *ret_list)
{
	struct part rest = value, item, low, high;
	uint64_t from, to, list = 0;
	bool more;

	do {
		more = cut(rest, '+', &item, &rest);
		if (!more)
			item = rest;
		if (!cut(item, '-', &low, &high))
			low = high = item;
		if (!parse_number(low, &from) || !parse_number(high, &to) ||
		    from > to || to > 63)
			return false;
		list |= ~UINT64_C(0) >> (63 - (to - from)) << from;
	} while (more);
	*ret_list = list;
	return true;
}

/* Is it @word, or @word and a list? */
static bool fits(struct part value, const char *word, size_t length,
		 uint64_t *ret_list)
{
	if (!length || word[length - 1] != '=')
		return same(value, word, length);
	return value.length > length && memcmp(value.at, word, length) == 0 &&
	       parse_list(
		       (struct part){value.at + length, value.length - length},
		       ret_list);
}

/* @words are separated by '|'; the number is the index of the one that fits. */
static bool parse_word(struct part value, const char *words,
		       uint64_t *ret_number, uint64_t *ret_list)
{
	for (uint64_t i = 0;; i++) {
		size_t length = strcspn(words, "|");

		if (fits(value, words, length, ret_list)) {
			*ret_number = i;
			return true;
		}
		if (!words[length])
			return false;
		words += length + 1;
	}
}

static bool parse_value(const struct qr_option *option, struct part value,
			uint64_t *ret_number, uint64_t *ret_list)
{
	switch (option->kind) {
	case QR_OPTION_SIZE:
		return parse_size(value, ret_number);
	case QR_OPTION_BOOL:
		return parse_word(value, "off|on", ret_number, ret_list);
	case QR_OPTION_WORD:
		return parse_word(value, option->words, ret_number, ret_list);
	}
	return false;
}

static bool apply(struct qr_options *options, struct part item)
{
	struct part name, value;
	uint64_t number, list = 0;

	if (!cut(item, ':', &name, &value))
		return false;
	for (size_t id = 0; id < QR_NR_OPTIONS; id++) {
		const struct qr_option *option = &qr_option_table[id];

		if (!same(name, option->name, strlen(option->name)))
			continue;
		if (!parse_value(option, value, &number, &list) ||
		    number < option->low || number > option->high)
			return false;
		options->value[id] = number;
		options->list[id] = list;
		return true;
	}
	return false;
}

void qr_options_init(struct qr_options *options)
{
	memset(options, 0, sizeof(*options));
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
