#include "core/table.h"

#include <string.h>

static void spaces(struct qr_out *out, size_t n)
{
	while (n--)
		qr_out_printf(out, " ");
}

void qr_out_aligned(struct qr_out *out, int width, const char *text)
{
	size_t length = strlen(text);
	size_t room = (size_t)(width < 0 ? -width : width);
	size_t pad = room > length ? room - length : 0;

	if (width >= 0)
		spaces(out, pad);
	qr_out_printf(out, "%s", text);
	if (width < 0)
		spaces(out, pad);
}

void qr_table_begin(struct qr_table *table, struct qr_out *out,
		    enum quarry_format format, const struct qr_column *columns,
		    unsigned nr_columns)
{
	*table = (struct qr_table){.out = out,
				   .format = format,
				   .columns = columns,
				   .nr_columns = nr_columns};
	if (format == QUARRY_JSON) {
		qr_out_printf(out, "[");
		return;
	}
	for (unsigned i = 0; i < nr_columns; i++) {
		qr_out_aligned(out, columns[i].width, columns[i].name);
		qr_out_printf(out, i + 1 < nr_columns ? " " : "\n");
	}
}

/* What stands before a cell; returns its column. */
static const struct qr_column *open_cell(struct qr_table *table)
{
	const struct qr_column *column = &table->columns[table->column];

	if (table->format == QUARRY_JSON) {
		if (!table->column)
			qr_out_printf(table->out, "%s\n    {",
				      table->nr_rows ? "," : "");
		qr_out_printf(table->out,
			      "%s\"%s\": ", table->column ? ", " : "",
			      column->name);
	}
	return column;
}

static void close_cell(struct qr_table *table)
{
	bool json = table->format == QUARRY_JSON;

	if (++table->column < table->nr_columns) {
		qr_out_printf(table->out, "%s", json ? "" : " ");
		return;
	}
	qr_out_printf(table->out, "%s", json ? "}" : "\n");
	table->column = 0;
	table->nr_rows++;
}

void qr_table_string(struct qr_table *table, const char *value)
{
	const struct qr_column *column = open_cell(table);

	if (table->format == QUARRY_JSON)
		qr_out_json_string(table->out, value);
	else
		qr_out_aligned(table->out, column->width, value);
	close_cell(table);
}

void qr_table_number(struct qr_table *table, uint64_t value)
{
	const struct qr_column *column = open_cell(table);
	char text[32];

	qr_format(text, sizeof(text), "%lu", (unsigned long)value);
	if (table->format == QUARRY_JSON)
		qr_out_printf(table->out, "%s", text);
	else
		qr_out_aligned(table->out, column->width, text);
	close_cell(table);
}

void qr_table_address(struct qr_table *table, uint64_t value)
{
	char text[32];

	qr_format(text, sizeof(text), "0x%lx", (unsigned long)value);
	qr_table_string(table, text);
}

void qr_table_end(struct qr_table *table)
{
	if (table->format == QUARRY_JSON)
		qr_out_printf(table->out, "]");
}
