#include "base/option.h"

#include <criterion/criterion.h>
#include <string.h>

/* What complain() was told, items separated by spaces. */
static char complaints[256];
static void *complaint_arg;

static void complain(void *arg, const char *item, size_t length)
{
	complaint_arg = arg;
	strncat(complaints, item, length);
	strcat(complaints, " ");
}

static struct qr_options options;

static unsigned parse(const char *text)
{
	complaints[0] = '\0';
	return qr_options_parse(&options, text, strlen(text), complain,
				&options);
}

static void setup(void)
{
	qr_options_init(&options);
}

TestSuite(option, .init = setup);

Test(option, every_row_of_the_table_is_complete_and_its_default_in_range)
{
	for (size_t i = 0; i < QR_NR_OPTIONS; i++) {
		const struct qr_option *o = &qr_option_table[i];
		size_t words = 1;

		cr_assert(o->name && o->meaning && o->cost, "row %zu", i);
		cr_assert_geq(o->initial, o->low, "%s", o->name);
		cr_assert_leq(o->initial, o->high, "%s", o->name);
		cr_assert_null(strpbrk(o->name, ":, "), "%s", o->name);
		cr_assert_eq(options.value[i], o->initial, "%s", o->name);
		for (size_t j = 0; j < i; j++)
			cr_assert_str_neq(o->name, qr_option_table[j].name);
		if (o->kind != QR_OPTION_WORD)
			continue;
		for (const char *w = o->words; *w; w++)
			words += *w == '|';
		cr_assert_eq(o->low, 0, "%s", o->name);
		cr_assert_eq(o->high, words - 1, "%s", o->name);
	}
}

Test(option, a_size_takes_the_suffixes_k_m_and_g)
{
	cr_assert_eq(parse("dirty:7"), 0);
	cr_assert_eq(options.value[QR_OPT_DIRTY], 7);
	cr_assert_eq(parse("dirty:7k"), 0);
	cr_assert_eq(options.value[QR_OPT_DIRTY], 7u << 10);
	cr_assert_eq(parse("dirty:12M"), 0);
	cr_assert_eq(options.value[QR_OPT_DIRTY], 12u << 20);
	cr_assert_eq(parse("dirty:65536g"), 0);
	cr_assert_eq(options.value[QR_OPT_DIRTY], UINT64_C(1) << 46);
}

Test(option, a_word_is_stored_as_its_index)
{
	static const char *const words[] = {"auto", "cid", "cpu", "off"};
	char text[32];

	for (size_t i = 0; i < 4; i++) {
		strcat(strcpy(text, "rseq:"), words[i]);
		cr_assert_eq(parse(text), 0);
		cr_assert_eq(options.value[QR_OPT_RSEQ], i);
	}
}

Test(option, a_word_may_have_a_list_of_numbers)
{
	cr_assert_eq(parse("numa:bind=0+2"), 0u);
	cr_assert_eq(options.value[QR_OPT_NUMA], 3u);
	cr_assert_eq(options.list[QR_OPT_NUMA], 5u);
	cr_assert_eq(parse("numa:interleave=1-3+8,dirty:1"), 0u);
	cr_assert_eq(options.value[QR_OPT_NUMA], 2u);
	cr_assert_eq(options.list[QR_OPT_NUMA], 0x10eu);
	cr_assert_eq(parse("numa:bind=0-63"), 0u);
	cr_assert_eq(options.list[QR_OPT_NUMA], UINT64_MAX);
	cr_assert_eq(parse("numa:bind=63"), 0u);
	cr_assert_eq(options.list[QR_OPT_NUMA], UINT64_C(1) << 63);
	cr_assert_eq(parse("numa:interleave"), 0u);
	cr_assert_eq(options.value[QR_OPT_NUMA], 1u);
	cr_assert_eq(options.list[QR_OPT_NUMA], 0u);
}

Test(option, several_items_apply_in_order_and_the_last_holds)
{
	cr_assert_eq(parse("nodes:one,dirty:1k,,report:json,dirty:2k,"), 0);
	cr_assert_eq(options.value[QR_OPT_NODES], 1);
	cr_assert_eq(options.value[QR_OPT_REPORT], 2);
	cr_assert_eq(options.value[QR_OPT_DIRTY], 2048);
	cr_assert_str_eq(complaints, "");
}

Test(option, what_is_not_understood_is_told_and_changes_nothing)
{
	static const char *const bad[] = {
		"dirty",
		"dirty:",
		"dirty:k",
		"dirty:1kk",
		"dirty:1k ",
		" dirty:1",
		"dirty:-1",
		"dirty:+1",
		"dirty:0x10",
		"dirty:1t",
		"dirty:65537g",
		"dirty:18446744073709551616",
		"dirty:18446744073709551615g",
		"rseq:",
		"rseq:of",
		"rseq:offf",
		"rseq:auto|cid",
		"rseq:1",
		"Dirty:1",
		"dirt:1",
		"dirtyy:1",
		":",
		":1",
		"dirty::1",
		"report:on",
		"numa:bind",
		"numa:bind=",
		"numa:bind=x",
		"numa:bind=0+",
		"numa:bind=+0",
		"numa:bind=1-0",
		"numa:bind=0-",
		"numa:bind=64",
		"numa:bind=0-64",
		"numa:bind=18446744073709551616",
		"numa:bind=0-1-2",
		"numa:local=1",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		cr_assert_eq(parse(bad[i]), 1, "%s", bad[i]);
		cr_assert_eq(strlen(complaints), strlen(bad[i]) + 1);
		cr_assert_eq(memcmp(complaints, bad[i], strlen(bad[i])), 0,
			     "%s", bad[i]);
		cr_assert_eq(complaint_arg, (void *)&options);
		for (size_t id = 0; id < QR_NR_OPTIONS; id++)
			cr_assert_eq(options.value[id],
				     qr_option_table[id].initial, "%s", bad[i]);
	}
}

Test(option, a_bad_item_does_not_keep_its_neighbours_from_applying)
{
	cr_assert_eq(parse("nodes:one,hello,dirty:1q,dirty:3"), 2);
	cr_assert_str_eq(complaints, "hello dirty:1q ");
	cr_assert_eq(options.value[QR_OPT_NODES], 1);
	cr_assert_eq(options.value[QR_OPT_DIRTY], 3);
}

Test(option, the_text_ends_where_its_length_says)
{
	cr_assert_eq(qr_options_parse(&options, "dirty:123", 8, NULL, NULL), 0);
	cr_assert_eq(options.value[QR_OPT_DIRTY], 12);
	cr_assert_eq(qr_options_parse(&options, "x", 0, NULL, NULL), 0);
	cr_assert_eq(qr_options_parse(&options, "xyz,x", 5, NULL, NULL), 2);
}
