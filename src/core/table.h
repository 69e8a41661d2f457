/*
 * Tables: one walk, two forms of report, where there is more than figures.
 *
 *	text	a line of column names, then aligned rows
 *	JSON	an array of objects with the same names
 */
#ifndef QR_CORE_TABLE_H
#define QR_CORE_TABLE_H

#include "quarry.h"
#include "sys/print.h"

struct qr_column {
	const char *name;
	int width;	/* in text; negative: to the left */
};

struct qr_table {
	struct qr_out *out;
	enum quarry_format format;
	const struct qr_column *columns;
	unsigned nr_columns;
	unsigned column;	/* of the next cell */
	size_t nr_rows;
};

void qr_table_begin(struct qr_table *table, struct qr_out *out,
		    enum quarry_format format, const struct qr_column *columns,
		    unsigned nr_columns);
/* The next cell; the last of a row ends it. */
void qr_table_string(struct qr_table *table, const char *value);
void qr_table_number(struct qr_table *table, uint64_t value);
void qr_table_address(struct qr_table *table, uint64_t value);
void qr_table_end(struct qr_table *table);

/* @text aligned in a column: to the left where its width is negative. */
void qr_out_aligned(struct qr_out *out, int width, const char *text);

#endif
