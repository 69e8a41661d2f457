/*
 * quarry.h: version, reports, trim, live bytes.
 */
#include "quarry.h"

#include "api.h"

#include <criterion/criterion.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <unistd.h>

static const unsigned sections[] = {
	QUARRY_SLABINFO, QUARRY_BUDDYINFO, QUARRY_ZONEINFO, QUARRY_MAPPINGS,
	QUARRY_VMSTAT,	 QUARRY_NUMASTAT,  QUARRY_MEMORY};

Test(quarry, the_version_is_the_projects)
{
	cr_assert_str_eq(quarry_version(), PROJECT_VERSION);
}

static void *read_all(void *arg)
{
	int fd = *(int *)arg;
	size_t size = 0;
	char *text = malloc(1);
	ssize_t got;

	/* reads slowly and allocates between */
	do {
		text = realloc(text, size + 101);
		got = read(fd, text + size, 100);
		size += got > 0 ? (size_t)got : 0;
	} while (got > 0);
	text[size] = 0;
	return text;
}

/* The report as the other end of a pipe gets it. */
static char *report(enum quarry_format format, unsigned which)
{
	pthread_t reader;
	void *text;
	int ends[2];

	cr_assert_eq(pipe(ends), 0);
	pthread_create(&reader, NULL, read_all, &ends[0]);
	cr_assert_eq(quarry_report(ends[1], format, which), 0);
	close(ends[1]);
	pthread_join(reader, &text);
	close(ends[0]);
	return text;
}

/* Past one JSON value at @at; NULL: it is none (RFC 8259). */
static const char *json_value(const char *at);

static const char *json_space(const char *at)
{
	return at + strspn(at, " \t\r\n");
}

static const char *json_string(const char *at)
{
	if (*at++ != '"')
		return NULL;
	for (; *at != '"'; at++) {
		if ((unsigned char)*at < ' ')
			return NULL;
		if (*at != '\\')
			continue;
		at++;
		if (*at == 'u') {
			for (unsigned i = 0; i < 4; i++)
				if (!isxdigit((unsigned char)*++at))
					return NULL;
		} else if (!*at || !strchr("\"\\/bfnrt", *at)) {
			return NULL;
		}
	}
	return at + 1;
}

static const char *json_number(const char *at)
{
	char *end;

	if (*at == '0' && isdigit((unsigned char)at[1]))
		return NULL;
	strtod(at, &end);
	return end == at ? NULL : end;
}

/* Members or elements up to @close. */
static const char *json_list(const char *at, char close)
{
	at = json_space(at + 1);
	if (*at == close)
		return at + 1;
	for (;;) {
		if (close == '}') {
			at = json_string(at);
			at = at ? json_space(at) : "";
			if (*at++ != ':')
				return NULL;
		}
		at = json_value(json_space(at));
		if (!at)
			return NULL;
		at = json_space(at);
		if (*at == close)
			return at + 1;
		if (*at++ != ',')
			return NULL;
		at = json_space(at);
	}
}

static const char *json_value(const char *at)
{
	static const char *const words[] = {"true", "false", "null"};

	if (*at == '{')
		return json_list(at, '}');
	if (*at == '[')
		return json_list(at, ']');
	if (*at == '"')
		return json_string(at);
	for (size_t i = 0; i < NR(words); i++)
		if (!strncmp(at, words[i], strlen(words[i])))
			return at + strlen(words[i]);
	return json_number(at);
}

static void check_json(const char *text)
{
	const char *end = *text == '{' ? json_value(text) : NULL;

	cr_assert(end && !*json_space(end), "not one JSON object:\n%s", text);
}

Test(quarry, json_is_one_object_whatever_is_asked_for)
{
	static const char *const names[] = {"\"slabinfo\"",  "\"buddyinfo\"",
					    "\"zoneinfo\"",  "\"mappings\"",
					    "\"vmstat\": {", "\"numastat\"",
					    "\"memory\": ["};
	void *large = malloc(MiB(20));

	for (unsigned which = 0; which <= QUARRY_ALL_SECTIONS; which++) {
		char *text = report(QUARRY_JSON, which);

		check_json(text);
		for (size_t i = 0; i < NR(names); i++)
			cr_assert_eq(!!strstr(text, names[i]),
				     !!(which & sections[i]),
				     "sections %#x, %s in:\n%s", which,
				     names[i], text);
		free(text);
	}
	free(large);
}

/*
 * OpenMetrics 1.0, as much of it as we write: families "# TYPE NAME TYPE",
 * "# HELP NAME TEXT", samples "NAME{LABEL="VALUE"} NUMBER"; "# EOF" ends it.
 */
struct metrics {
	char families[256][96];
	size_t nr_families, nr_samples;
	bool counter;
};

/* Past the name at @at; a name is letters, digits and underscores. */
static const char *metric_name(const char *at, char *ret_name)
{
	size_t n = strspn(at, "abcdefghijklmnopqrstuvwxyz0123456789_");

	if (!n || n >= 96 || isdigit((unsigned char)*at))
		return NULL;
	memcpy(ret_name, at, n);
	ret_name[n] = 0;
	return at + n;
}

static const char *metric_type(struct metrics *metrics, const char *at)
{
	char *name = metrics->families[metrics->nr_families];

	at = metric_name(at, name);
	if (!at || metrics->nr_families + 1 == NR(metrics->families))
		return "no name";
	for (size_t i = 0; i < metrics->nr_families; i++)
		if (!strcmp(metrics->families[i], name))
			return "a family twice";
	metrics->nr_families++;
	metrics->counter = !strcmp(at, " counter");
	return metrics->counter || !strcmp(at, " gauge") ? NULL : "no type";
}

static const char *metric_help(const struct metrics *metrics, const char *at)
{
	char name[96];

	at = metric_name(at, name);
	if (!at || *at != ' ' || !metrics->nr_families)
		return "no help";
	return strcmp(name, metrics->families[metrics->nr_families - 1])
		       ? "help for another family"
		       : NULL;
}

static const char *metric_labels(const char *at)
{
	char name[96];

	for (;;) {
		at = metric_name(at + 1, name);
		if (!at || *at++ != '=' || *at++ != '"')
			return NULL;
		for (; *at != '"'; at++)
			if (!*at || (*at == '\\' && !strchr("\"\\n", *++at)))
				return NULL;
		if (*++at == '}')
			return at + 1;
		if (*at != ',')
			return NULL;
	}
}

static const char *metric_sample(struct metrics *metrics, const char *at)
{
	char name[96], expected[128], *end;

	if (!metrics->nr_families)
		return "a sample without a family";
	snprintf(expected, sizeof(expected), "%s%s",
		 metrics->families[metrics->nr_families - 1],
		 metrics->counter ? "_total" : "");
	at = metric_name(at, name);
	if (!at || strcmp(name, expected))
		return "a sample of another family";
	if (*at == '{')
		at = metric_labels(at);
	if (!at || *at != ' ')
		return "wrong labels";
	strtod(at + 1, &end);
	metrics->nr_samples++;
	return end > at + 1 && !*end ? NULL : "no number";
}

/* NULL: all is well.  Cuts @text into lines. */
static const char *check_metrics(char *text, struct metrics *metrics)
{
	const char *wrong;
	char *line = text;

	for (char *end; (end = strchr(line, '\n')); line = end + 1) {
		*end = 0;
		if (!strcmp(line, "# EOF"))
			return end[1] ? "more after the end" : NULL;
		if (!strncmp(line, "# TYPE ", 7)) {
			wrong = metric_type(metrics, line + 7);
		} else if (!strncmp(line, "# HELP ", 7)) {
			wrong = metric_help(metrics, line + 7);
		} else {
			wrong = metric_sample(metrics, line);
		}
		if (wrong)
			return wrong;
	}
	return "no end";
}

Test(quarry, metrics_are_openmetrics)
{
	static struct metrics metrics;
	struct quarry_cache *cache =
		quarry_cache_create("a \"b\" \\ c", 24, 0, NULL, 0);
	char *text = report(QUARRY_METRICS, QUARRY_ALL_SECTIONS);
	const char *wrong;

	cr_assert(strstr(text, "\nquarry_node_resident_bytes{node=\"0\"} "));
	cr_assert(strstr(text, "\nquarry_live_bytes "));
	cr_assert(strstr(text, "{cache=\"a \\\"b\\\" \\\\ c\"} "));
	wrong = check_metrics(text, &metrics);
	cr_assert_null(wrong, "%s", wrong);
	cr_assert_gt(metrics.nr_families, 40u);
	cr_assert_geq(metrics.nr_samples, metrics.nr_families);
	free(text);
	cr_assert_eq(quarry_cache_destroy(cache), 0);
}

Test(quarry, metrics_without_sections_are_an_end)
{
	char *text = report(QUARRY_METRICS, 0);

	cr_assert_str_eq(text, "# EOF\n");
	free(text);
}

/* A report made where no file can be opened: nobody tells what has memory. */
static char *report_without_files(enum quarry_format format)
{
	struct rlimit old, none;
	pthread_t reader;
	void *text;
	int ends[2], rc;

	cr_assert_eq(pipe(ends), 0);
	cr_assert_eq(getrlimit(RLIMIT_NOFILE, &old), 0);
	pthread_create(&reader, NULL, read_all, &ends[0]);
	none = old;
	none.rlim_cur = 0;
	/* the suite's own assertions need files */
	rc = setrlimit(RLIMIT_NOFILE, &none);
	rc |= quarry_report(ends[1], format, QUARRY_MEMORY);
	rc |= setrlimit(RLIMIT_NOFILE, &old);
	cr_assert_eq(rc, 0);
	close(ends[1]);
	pthread_join(reader, &text);
	close(ends[0]);
	return text;
}

Test(quarry, the_kernels_figures_may_be_missing)
{
	static struct metrics metrics;
	char *text = report_without_files(QUARRY_TEXT);
	char *json = report_without_files(QUARRY_JSON);
	char *samples = report_without_files(QUARRY_METRICS);
	const char *wrong;

	cr_assert(strstr(text, "is not known here"), "%s", text);
	check_json(json);
	cr_assert(strstr(json, "\"resident\": null"), "%s", json);
	cr_assert(strstr(samples, "\nquarry_memory_counted_bytes{part="));
	cr_assert_null(strstr(samples, "\nquarry_memory_resident_bytes{"));
	wrong = check_metrics(samples, &metrics);
	cr_assert_null(wrong, "%s", wrong);
	free(text);
	free(json);
	free(samples);
}

static _Atomic bool enough;

static void *allocate_and_free(void *arg)
{
	unsigned state = 1 + (unsigned)(uintptr_t)arg;
	void *mine[200] = {0};

	while (!atomic_load(&enough)) {
		size_t i, size;

		state = state * 1664525 + 1013904223;
		i = state >> 16 & 127;
		size = 1 + state % (i ? 3000 : MiB(5));
		free(mine[i]);
		mine[i] = malloc(size);
		if (mine[i])
			memset(mine[i], 1, size < 5000 ? size : 5000);
	}
	for (size_t i = 0; i < NR(mine); i++)
		free(mine[i]);
	return NULL;
}

Test(quarry, reports_may_be_had_while_others_allocate)
{
	int null = open("/dev/null", O_WRONLY);
	pthread_t threads[4];
	size_t before;

	/* what threads cost is there before */
	atomic_store(&enough, true);
	pthread_create(&threads[0], NULL, allocate_and_free, NULL);
	pthread_join(threads[0], NULL);
	before = quarry_live_bytes();
	atomic_store(&enough, false);
	for (uintptr_t i = 0; i < NR(threads); i++)
		pthread_create(&threads[i], NULL, allocate_and_free, (void *)i);
	for (int i = 0; i < 30; i++)
		cr_assert_eq(quarry_report(null, (enum quarry_format)(i % 3),
					   QUARRY_ALL_SECTIONS),
			     0);
	atomic_store(&enough, true);
	for (size_t i = 0; i < NR(threads); i++)
		pthread_join(threads[i], NULL);
	/* libc may have kept a little for its threads */
	cr_assert_leq(quarry_live_bytes(), before + KiB(16));
	close(null);
}

Test(quarry, text_has_what_is_asked_for)
{
	char *all = report(QUARRY_TEXT, QUARRY_ALL_SECTIONS);
	char *none = report(QUARRY_TEXT, 0);

	cr_assert_eq(*none, 0);
	for (size_t i = 0; i < NR(sections); i++) {
		char *one = report(QUARRY_TEXT, sections[i]);

		cr_assert(*one);
		cr_assert_leq(strlen(one), strlen(all) + 4096);
		free(one);
	}
	free(all);
	free(none);
}

Test(quarry, names_of_caches_are_escaped)
{
	struct quarry_cache *cache =
		quarry_cache_create("a \"b\" \\ <&> \x01", 24, 0, NULL, 0);
	char *text;

	cr_assert(cache);
	text = report(QUARRY_JSON, QUARRY_SLABINFO);
	check_json(text);
	cr_assert(strstr(text, "a \\\"b\\\" \\\\ <&> \\u0001"), "%s", text);
	free(text);
	cr_assert_eq(quarry_cache_destroy(cache), 0);
}

Test(quarry, wrong_arguments_are_told_from_failing_writes)
{
	int full = open("/dev/full", O_WRONLY);

	errno = EDOM;
	cr_assert_eq(quarry_report(1, (enum quarry_format)7, 1), EINVAL);
	cr_assert_eq(quarry_report(1, QUARRY_TEXT, 1u << 20), EINVAL);
	cr_assert_eq(quarry_report(-1, QUARRY_TEXT, QUARRY_ALL_SECTIONS),
		     EBADF);
	if (full >= 0)
		cr_assert_eq(
			quarry_report(full, QUARRY_JSON, QUARRY_ALL_SECTIONS),
			ENOSPC);
	cr_assert_eq(errno, EDOM);
}

/* Whatever the machine has. */
Test(quarry, numa_policies_are_taken_or_refused)
{
	static const enum quarry_numa good[] = {
		QUARRY_NUMA_BIND, QUARRY_NUMA_INTERLEAVE, QUARRY_NUMA_LOCAL,
		QUARRY_NUMA_DEFAULT};
	struct quarry_cache *cache =
		quarry_cache_create("numa", 48, 0, NULL, 0);

	cr_assert(cache);
	for (size_t i = 0; i < NR(good); i++) {
		void *small, *large, *object;

		cr_assert_eq(quarry_thread_set_numa(good[i], UINT64_MAX), 0);
		cr_assert_eq(quarry_cache_set_numa(cache, good[i], UINT64_MAX),
			     0);
		small = malloc(100);
		large = malloc(MiB(9));
		object = quarry_cache_alloc(cache);
		cr_assert(small && large && object);
		free(small);
		free(large);
		quarry_cache_free(cache, object);
	}
	cr_assert_eq(quarry_thread_set_numa(QUARRY_NUMA_INTERLEAVE, 0), 0);
	cr_assert_eq(quarry_thread_set_numa(QUARRY_NUMA_DEFAULT, 0), 0);
	cr_assert_eq(quarry_thread_set_numa(QUARRY_NUMA_BIND, 0), EINVAL);
	cr_assert_eq(quarry_cache_set_numa(cache, QUARRY_NUMA_BIND, 0), EINVAL);
	cr_assert_eq(quarry_thread_set_numa((enum quarry_numa)9, 1), EINVAL);
	cr_assert_eq(quarry_cache_destroy(cache), 0);
}

Test(quarry, live_bytes_follow_what_is_allocated_and_freed)
{
	static const size_t sizes[] = {1, 100, 3000, KiB(30), KiB(300), MiB(9)};
	void *ptrs[NR(sizes)];
	size_t before = quarry_live_bytes(), expected = before;

	for (size_t i = 0; i < NR(sizes); i++) {
		ptrs[i] = malloc(sizes[i]);
		expected += malloc_usable_size(ptrs[i]);
		cr_assert_eq(quarry_live_bytes(), expected, "after %zu",
			     sizes[i]);
	}
	for (size_t i = 0; i < NR(sizes); i++) {
		expected -= malloc_usable_size(ptrs[i]);
		free(ptrs[i]);
		cr_assert_eq(quarry_live_bytes(), expected);
	}
	cr_assert_eq(expected, before);
}

static void *free_half(void *arg)
{
	void **ptrs = arg;

	for (size_t i = 0; i < 1000; i += 2)
		free(ptrs[i]);
	return NULL;
}

Test(quarry, live_bytes_are_exact_when_other_threads_free)
{
	static void *ptrs[1000];
	size_t before, usable = 0;
	pthread_t thread;

	/* what a thread itself costs is there before */
	pthread_create(&thread, NULL, free_half, ptrs);
	pthread_join(thread, NULL);
	before = quarry_live_bytes();
	for (size_t i = 0; i < NR(ptrs); i++) {
		ptrs[i] = malloc(1 + i * 10);
		if (i % 2)
			usable += malloc_usable_size(ptrs[i]);
	}
	pthread_create(&thread, NULL, free_half, ptrs);
	pthread_join(thread, NULL);
	cr_assert_eq(quarry_live_bytes(), before + usable);
	for (size_t i = 1; i < NR(ptrs); i += 2)
		free(ptrs[i]);
	cr_assert_eq(quarry_live_bytes(), before);
}

Test(quarry, trim_gives_back_what_was_freed)
{
	enum { N = 5000 };
	static void *ptrs[N];

	for (size_t i = 0; i < N; i++) {
		ptrs[i] = malloc(KiB(4));
		memset(ptrs[i], 1, KiB(4));
	}
	quarry_trim();
	for (size_t i = 0; i < N; i++)
		free(ptrs[i]);
	cr_assert_geq(quarry_trim(), N * KiB(4) * 3 / 4);
	cr_assert_leq(quarry_trim(), KiB(64));
}
