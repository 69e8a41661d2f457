/*
 * Options: one table (option_table.h) is the source of the parser, the help
 * text and the documentation.
 *
 *	QUARRY_OPTIONS=name:value,name:value,...
 *
 * Values: decimal numbers, with or without one of the suffixes k, m, g (powers
 * of 1024, upper case too); on/off; one of a list of words.  A word that ends
 * in '=' is followed by numbers below 64 and ranges of them: bind=0+2-3.
 * What does not parse is skipped and told to the callback.  Pure: no
 * environment, no global state; core keeps the one instance.
 */
#ifndef QR_BASE_OPTION_H
#define QR_BASE_OPTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum qr_option_kind { QR_OPTION_SIZE, QR_OPTION_BOOL, QR_OPTION_WORD };

enum qr_option_id {
#define QR_OPTION(id, ...) QR_OPT_##id,
#include "base/option_table.h"
#undef QR_OPTION
	QR_NR_OPTIONS
};

struct qr_option {
	const char *name;
	enum qr_option_kind kind;
	const char *words;	/* WORD: "auto|cid|cpu|off", value = index */
	uint64_t initial, low, high;
	const char *meaning, *cost;
};

extern const struct qr_option qr_option_table[QR_NR_OPTIONS];

struct qr_options {
	uint64_t value[QR_NR_OPTIONS];
	uint64_t list[QR_NR_OPTIONS];	/* a bit per number behind the word */
};

void qr_options_init(struct qr_options *options);

/*
 * Apply "name:value,..." of @length bytes, no NUL needed; of two values for
 * one name the later holds, and empty items are fine.  @complain, if not NULL,
 * is called for each item that is not understood: its name is not in the
 * table, or its value does not parse or is out of range.  Returns how many
 * were not understood.
 */
unsigned qr_options_parse(struct qr_options *options, const char *text,
			  size_t length,
			  void (*complain)(void *arg, const char *item,
					   size_t length),
			  void *arg);

#endif
