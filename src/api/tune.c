/*
 * glibc's way to ask the allocator and to tune it: mallinfo, malloc_info,
 * malloc_stats, malloc_trim, mallopt.
 *
 *	glibc's word		here
 *	arena			pages in use or free: spans below the frontiers
 *	mmapped			large mappings
 *	in use			usable bytes of live objects
 *	free			the rest of the arena
 *	fast bins		free objects in caches and slabs
 *	top, keepcost		free pages that still have memory
 */
#include "api/text.h"
#include "core/core.h"
#include "core/reclaim.h"
#include "core/report.h"

#include <errno.h>
#include <limits.h>
#include <malloc.h>
#include <stdint.h>
#include <stdio.h>

QR_EXPORT int malloc_trim(size_t pad)
{
	return qr_reclaim_trim(pad, QR_BY_REQUEST) > 0;
}

/* The figures are read one after another, so that a - b may be below 0. */
static size_t minus(size_t a, size_t b)
{
	return a > b ? a - b : 0;
}

/* What the objects of slabs and runs occupy. */
static size_t in_arena(const struct qr_totals *totals)
{
	return minus(totals->live, totals->mapped);
}

static size_t free_in_arena(const struct qr_totals *totals)
{
	return minus(totals->committed, in_arena(totals));
}

QR_EXPORT struct mallinfo2 mallinfo2(void)
{
	struct qr_totals totals;

	qr_read_totals(&totals);
	return (struct mallinfo2){
		.arena = in_arena(&totals) + free_in_arena(&totals),
		.hblks = totals.nr_mapped,
		.hblkhd = totals.mapped,
		.fsmblks = totals.cached,
		.uordblks = in_arena(&totals),
		.fordblks = free_in_arena(&totals),
		.keepcost = totals.free_dirty,
	};
}

static int saturate(size_t figure)
{
	return figure < INT_MAX ? (int)figure : INT_MAX;
}

/* The old form, in int: what does not fit is INT_MAX. */
QR_EXPORT struct mallinfo mallinfo(void)
{
	struct mallinfo2 wide = mallinfo2();

	return (struct mallinfo){
		.arena = saturate(wide.arena),
		.hblks = saturate(wide.hblks),
		.hblkhd = saturate(wide.hblkhd),
		.fsmblks = saturate(wide.fsmblks),
		.uordblks = saturate(wide.uordblks),
		.fordblks = saturate(wide.fordblks),
		.keepcost = saturate(wide.keepcost),
	};
}

/* The totals, then every report, on standard error. */
QR_EXPORT void malloc_stats(void)
{
	struct qr_totals totals;
	struct qr_text text;
	struct qr_out out;

	qr_read_totals(&totals);
	qr_text_init(&text);
	qr_out_printf(&text.out,
		      "quarry " QR_VERSION ": %zu bytes in %zu objects, "
		      "%zu bytes committed, %zu free and resident, "
		      "%zu in %zu large mappings\n",
		      totals.live, qr_count_live_objects(), totals.committed,
		      totals.free_dirty, totals.mapped, totals.nr_mapped);
	qr_report_write(&text.out, QUARRY_TEXT, QUARRY_ALL_SECTIONS);
	qr_text_finish(&text);
	qr_out_init_fd(&out, 2);
	out.sink(out.arg, text.base, text.used);
	qr_text_destroy(&text);
}

/* Printable ASCII as character data; JSON has nothing else that matters. */
static void put_escaped(const struct qr_text *text, FILE *stream)
{
	for (size_t i = 0; i < text->used; i++) {
		unsigned char c = (unsigned char)text->base[i];

		if (c == '<')
			fputs("&lt;", stream);
		else if (c == '>')
			fputs("&gt;", stream);
		else if (c == '&')
			fputs("&amp;", stream);
		else if ((c < ' ' && c != '\n' && c != '\t') || c >= 0x7f)
			fputc('?', stream);
		else
			fputc(c, stream);
	}
}

static void put_totals(const struct qr_totals *totals, FILE *stream)
{
	size_t arena = in_arena(totals) + free_in_arena(totals);

	fprintf(stream,
		"<total type=\"fast\" count=\"0\" size=\"%zu\"/>\n"
		"<total type=\"rest\" count=\"0\" size=\"%zu\"/>\n"
		"<total type=\"mmap\" count=\"%zu\" size=\"%zu\"/>\n"
		"<system type=\"current\" size=\"%zu\"/>\n"
		"<aspace type=\"total\" size=\"%zu\"/>\n"
		"<live count=\"%zu\" size=\"%zu\"/>\n"
		"<resident type=\"free\" size=\"%zu\"/>\n"
		"<metadata size=\"%zu\"/>\n",
		totals->cached, minus(free_in_arena(totals), totals->cached),
		totals->nr_mapped, totals->mapped, arena,
		arena + totals->mapped, qr_count_live_objects(), totals->live,
		totals->free_dirty, totals->metadata);
}

/*
 * XML with glibc's elements where they fit, and all reports as JSON in
 * <report>.  -1 with errno when @options is not 0 or @stream fails.
 */
QR_EXPORT int malloc_info(int options, FILE *stream)
{
	struct qr_totals totals;
	struct qr_text text;
	int error;

	if (options) {
		errno = EINVAL;
		return -1;
	}
	qr_read_totals(&totals);
	qr_text_init(&text);
	qr_report_write(&text.out, QUARRY_JSON, QUARRY_ALL_SECTIONS);
	error = qr_text_finish(&text);
	if (!error) {
		fputs("<malloc version=\"1\" allocator=\"quarry " QR_VERSION
		      "\">\n",
		      stream);
		put_totals(&totals, stream);
		fputs("<report format=\"json\">\n", stream);
		put_escaped(&text, stream);
		fputs("</report>\n</malloc>\n", stream);
		if (ferror(stream))
			error = -EIO;
	}
	qr_text_destroy(&text);
	if (error)
		errno = -error;
	return error ? -1 : 0;
}

/*
 * What tunes a structure that we do not have is accepted where glibc would,
 * and changes nothing: Quarry has neither arenas nor a heap top, its border
 * between runs and mappings is fixed, and what it keeps free is bounded by
 * the option "dirty".  What promises a visible effect is refused: M_PERTURB
 * (fill patterns) and M_CHECK_ACTION.  1: accepted, 0: not.
 */
QR_EXPORT int mallopt(int param, int value)
{
	switch (param) {
	case M_MXFAST:
		return value >= 0 && value <= (int)(80 * sizeof(size_t) / 4);
	case M_ARENA_TEST:
	case M_ARENA_MAX:
	case M_TRIM_THRESHOLD:
	case M_TOP_PAD:
	case M_MMAP_THRESHOLD:
	case M_MMAP_MAX:
		return 1;
	default:
		return 0;
	}
}
