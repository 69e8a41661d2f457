/*
 * Figures: numbers with a name, a unit and a meaning, and the forms in which
 * reports have them.
 *
 * A section is a table of figures and a function that reads sets of them: one
 * set per node, one per cache, or one alone.  A new figure is a line of the
 * table, and a line where the sets are read.
 *
 *	lines	text: a line per figure, a column per set, then the meaning
 *	rows	text: a row per set, a column per figure
 *	JSON	an object per set; a set alone is no array
 *	metrics	a family per figure, a sample per set (OpenMetrics 1.0)
 *
 * Nothing is stored but a set that is alone: the others are read again for
 * every line and every family.
 */
#ifndef QR_CORE_FIGURES_H
#define QR_CORE_FIGURES_H

#include "quarry.h"
#include "sys/print.h"

enum { QR_MAX_FIGURES = 64, QR_LABEL = 32 };

enum qr_figure_kind { QR_GAUGE, QR_COUNTER };

/*
 *	unit	in the set	in text		in metrics
 *	NUMBER	as it is	as it is	as it is
 *	BYTES	bytes		bytes		NAME_bytes
 *	KIB	bytes		KiB		NAME_bytes
 *	PAGES	frames		frames		NAME_bytes, in bytes
 */
enum qr_figure_unit { QR_NUMBER, QR_BYTES, QR_KIB, QR_PAGES };

struct qr_figure {
	const char *name;
	enum qr_figure_kind kind;
	enum qr_figure_unit unit;
	const char *meaning;
};

/* Not to be had here: "-", null, no sample. */
#define QR_NO_FIGURE UINT64_MAX

struct qr_set {
	char label[QR_LABEL];
	uint64_t value[QR_MAX_FIGURES]; /* in the order of the table */
};

enum qr_set_state { QR_SET_IS, QR_SET_SKIP, QR_SET_END };

struct qr_section {
	const char *name;  /* "zoneinfo" */
	const char *title; /* in text */
	const char *label; /* what sets are told apart by; NULL: there is one */
	bool numbered;	   /* labels are numbers */
	bool rows;	   /* text: rows, not lines */
	const char *prefix; /* of the metrics' names */
	const struct qr_figure *figures;
	unsigned nr_figures;
	/* @ret_set is all zero before */
	enum qr_set_state (*read)(void *arg, unsigned i,
				  struct qr_set *ret_set);
};

/* In text without the title, in JSON without the name. */
void qr_section_write(const struct qr_section *section, struct qr_out *out,
		      enum quarry_format format, void *arg);

/* What ends all metrics. */
void qr_metrics_end(struct qr_out *out);

#endif
