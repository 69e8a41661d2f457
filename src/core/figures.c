#include "core/figures.h"

#include "arena/page.h"
#include "core/table.h"

#include <string.h>

struct walk {
	const struct qr_section *section;
	struct qr_out *out;
	void *arg;
	struct qr_set set;
	unsigned next;
	bool read; /* the set, which is alone */
};

/* The next set; false: there is none. */
static bool next_set(struct walk *walk)
{
	enum qr_set_state state;

	if (walk->read)
		return walk->next++ == 0;
	do {
		memset(&walk->set, 0, sizeof(walk->set));
		state = walk->section->read(walk->arg, walk->next++,
					    &walk->set);
	} while (state == QR_SET_SKIP);
	walk->read = !walk->section->label;
	return state == QR_SET_IS;
}

static void start(struct walk *walk)
{
	walk->next = 0;
}

static void format_value(char *text, size_t size,
			 const struct qr_figure *figure, uint64_t value)
{
	if (value == QR_NO_FIGURE) {
		qr_format(text, size, "-");
		return;
	}
	if (figure->unit == QR_KIB)
		value = (value + 512) >> 10;
	qr_format(text, size, "%llu", (unsigned long long)value);
}

static int length_of(const char *text)
{
	return (int)strlen(text);
}

/* The widest value of figure @f, or of all if @f is past the last. */
static int width_of(struct walk *walk, unsigned f)
{
	const struct qr_section *section = walk->section;
	int width = 0;

	for (start(walk); next_set(walk);) {
		for (unsigned i = 0; i < section->nr_figures; i++) {
			char text[QR_LABEL];

			if (i != f && f < section->nr_figures)
				continue;
			format_value(text, sizeof(text), &section->figures[i],
				     walk->set.value[i]);
			width = (int)qr_max((unsigned)width, strlen(text));
		}
	}
	return width;
}

static void put_cell(struct walk *walk, unsigned f, int width)
{
	char text[QR_LABEL];

	format_value(text, sizeof(text), &walk->section->figures[f],
		     walk->set.value[f]);
	qr_out_printf(walk->out, "  ");
	qr_out_aligned(walk->out, width, text);
}

/* Lines */

static int name_width(const struct qr_section *section)
{
	int width = 0;

	for (unsigned f = 0; f < section->nr_figures; f++)
		width = (int)qr_max((unsigned)width,
				    strlen(section->figures[f].name));
	return width;
}

static void put_labels(struct walk *walk, int names, int width)
{
	const char *label = walk->section->label;

	if (!label)
		return;
	qr_out_aligned(walk->out, -names, label);
	for (start(walk); next_set(walk);) {
		qr_out_printf(walk->out, "  ");
		qr_out_aligned(walk->out, width, walk->set.label);
	}
	qr_out_printf(walk->out, "\n");
}

static void write_lines(struct walk *walk)
{
	const struct qr_section *section = walk->section;
	int names = name_width(section);
	int width = width_of(walk, section->nr_figures);

	put_labels(walk, names, width);
	for (unsigned f = 0; f < section->nr_figures; f++) {
		qr_out_aligned(walk->out, -names, section->figures[f].name);
		for (start(walk); next_set(walk);)
			put_cell(walk, f, width);
		qr_out_printf(walk->out, "  %s\n", section->figures[f].meaning);
	}
}

/* Rows */

static int label_width(struct walk *walk)
{
	int width = length_of(walk->section->label);

	for (start(walk); next_set(walk);)
		width = (int)qr_max((unsigned)width, strlen(walk->set.label));
	return width;
}

static void write_rows(struct walk *walk)
{
	const struct qr_section *section = walk->section;
	int labels = label_width(walk), widths[QR_MAX_FIGURES];

	qr_out_aligned(walk->out, -labels, section->label);
	for (unsigned f = 0; f < section->nr_figures; f++) {
		const char *name = section->figures[f].name;

		widths[f] =
			(int)qr_max((unsigned)width_of(walk, f), strlen(name));
		qr_out_printf(walk->out, "  ");
		qr_out_aligned(walk->out, widths[f], name);
	}
	qr_out_printf(walk->out, "\n");
	for (start(walk); next_set(walk);) {
		qr_out_aligned(walk->out, -labels, walk->set.label);
		for (unsigned f = 0; f < section->nr_figures; f++)
			put_cell(walk, f, widths[f]);
		qr_out_printf(walk->out, "\n");
	}
}

/* JSON */

static void put_object(struct walk *walk)
{
	const struct qr_section *section = walk->section;

	qr_out_printf(walk->out, "{");
	if (section->label) {
		qr_out_printf(walk->out, "\"%s\": ", section->label);
		if (section->numbered)
			qr_out_printf(walk->out, "%s", walk->set.label);
		else
			qr_out_json_string(walk->out, walk->set.label);
	}
	for (unsigned f = 0; f < section->nr_figures; f++) {
		uint64_t value = walk->set.value[f];

		qr_out_printf(walk->out,
			      "%s\"%s\": ", f || section->label ? ", " : "",
			      section->figures[f].name);
		if (value == QR_NO_FIGURE)
			qr_out_printf(walk->out, "null");
		else
			qr_out_printf(walk->out, "%llu",
				      (unsigned long long)value);
	}
	qr_out_printf(walk->out, "}");
}

static void write_json(struct walk *walk)
{
	bool any = false;

	start(walk);
	if (!walk->section->label) {
		next_set(walk);
		put_object(walk);
		return;
	}
	qr_out_printf(walk->out, "[");
	for (; next_set(walk); any = true) {
		qr_out_printf(walk->out, "%s\n    ", any ? "," : "");
		put_object(walk);
	}
	qr_out_printf(walk->out, "]");
}

/* Metrics */

static void put_escaped(struct qr_out *out, const char *text)
{
	for (; *text; text++) {
		if (*text == '\n')
			qr_out_printf(out, "\\n");
		else if (*text == '"' || *text == '\\')
			qr_out_printf(out, "\\%c", *text);
		else
			qr_out_printf(out, "%c", *text);
	}
}

static bool ends_with(const char *text, const char *end)
{
	size_t n = strlen(text), m = strlen(end);

	return n >= m && !strcmp(text + n - m, end);
}

static void family_name(char *name, size_t size,
			const struct qr_section *section,
			const struct qr_figure *figure)
{
	bool unit =
		figure->unit != QR_NUMBER && !ends_with(figure->name, "_bytes");

	qr_format(name, size, "quarry_%s%s%s", section->prefix, figure->name,
		  unit ? "_bytes" : "");
}

static void put_sample(struct walk *walk, const char *name,
		       const struct qr_figure *figure, uint64_t value)
{
	const char *label = walk->section->label;

	if (value == QR_NO_FIGURE)
		return;
	if (figure->unit == QR_PAGES)
		value <<= QR_FRAME_SHIFT;
	qr_out_printf(walk->out, "%s%s", name,
		      figure->kind == QR_COUNTER ? "_total" : "");
	if (label) {
		qr_out_printf(walk->out, "{%s=\"", label);
		put_escaped(walk->out, walk->set.label);
		qr_out_printf(walk->out, "\"}");
	}
	qr_out_printf(walk->out, " %llu\n", (unsigned long long)value);
}

static void write_metrics(struct walk *walk)
{
	const struct qr_section *section = walk->section;

	for (unsigned f = 0; f < section->nr_figures; f++) {
		const struct qr_figure *figure = &section->figures[f];
		char name[64];

		family_name(name, sizeof(name), section, figure);
		qr_out_printf(walk->out, "# TYPE %s %s\n# HELP %s %s\n", name,
			      figure->kind == QR_COUNTER ? "counter" : "gauge",
			      name, figure->meaning);
		for (start(walk); next_set(walk);)
			put_sample(walk, name, figure, walk->set.value[f]);
	}
}

void qr_section_write(const struct qr_section *section, struct qr_out *out,
		      enum quarry_format format, void *arg)
{
	struct walk walk = {.section = section, .out = out, .arg = arg};

	if (format == QUARRY_JSON)
		write_json(&walk);
	else if (format == QUARRY_METRICS)
		write_metrics(&walk);
	else if (section->rows)
		write_rows(&walk);
	else
		write_lines(&walk);
}

void qr_metrics_end(struct qr_out *out)
{
	qr_out_printf(out, "# EOF\n");
}
