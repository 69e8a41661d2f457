#include "bench.h"

#include <fcntl.h>
#include <math.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <linux/perf_event.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* One line is one write; a series may be long. */
#define LINE_MAX_BYTES 65536
#define CHILDREN_MAX 64

bool bench_quick;
uint64_t bench_seed = 42;

static const char *bench_name = "?";
static uint64_t begun;
static int out = STDOUT_FILENO;
static _Atomic(size_t) own_bytes;
static char line[LINE_MAX_BYTES];
static size_t line_length;

static _Noreturn void leave(const char *why, const char *what)
{
	dprintf(STDERR_FILENO, "bench-%s: %s%s\n", bench_name, why, what);
	_exit(2);
}

void bench_begin(const char *name, int argc, char **argv)
{
	bench_name = name;
	begun = bench_now();
	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--quick")) {
			bench_quick = true;
		} else if (!strcmp(argv[i], "--json") && i + 1 < argc) {
			out = open(argv[++i],
				   O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC,
				   0666);
			if (out < 0)
				leave("cannot open ", argv[i]);
		} else if (!strcmp(argv[i], "--seed") && i + 1 < argc) {
			bench_seed = strtoull(argv[++i], NULL, 0);
		} else {
			leave("usage: [--quick] [--json FILE] [--seed N], not ",
			      argv[i]);
		}
	}
}

static void put(const char *text, ...)
{
	va_list args;

	va_start(args, text);
	int n = vsnprintf(line + line_length, sizeof(line) - line_length, text,
			  args);
	va_end(args);
	if (n < 0 || (size_t)n >= sizeof(line) - line_length)
		leave("a line is too long: ", text);
	line_length += (size_t)n;
}

static void put_number(double value)
{
	/* JSON knows no infinity; nothing here should produce one. */
	if (!isfinite(value))
		leave("a value is not finite", "");
	put("%.6g", value);
}

static void put_line(void)
{
	put("\n");
	for (size_t at = 0; at < line_length;) {
		ssize_t n = write(out, line + at, line_length - at);

		if (n <= 0)
			leave("cannot write the results", "");
		at += (size_t)n;
	}
	line_length = 0;
}

static void put_value(const char *label, const char *metric, double value,
		      const char *unit, const char *better)
{
	put("{\"bench\":\"%s\",\"case\":\"%s\",\"metric\":\"%s\",\"value\":",
	    bench_name, label, metric);
	put_number(value);
	put(",\"unit\":\"%s\",\"better\":\"%s\"", unit, better);
}

void bench_value(const char *label, const char *metric, double value,
		 const char *unit, const char *better)
{
	put_value(label, metric, value, unit, better);
	put("}");
	put_line();
}

void bench_detail(const char *label, const char *metric, double value,
		  const char *unit, const char *better)
{
	put_value(label, metric, value, unit, better);
	put(",\"secondary\":true}");
	put_line();
}

static void put_array(const char *key, size_t count, const double *values)
{
	put(",\"%s\":[", key);
	for (size_t i = 0; i < count; i++) {
		if (i)
			put(",");
		put_number(values[i]);
	}
	put("]");
}

void bench_series(const char *label, const char *series, size_t count,
		  const double *x, const double *y, const char *unit)
{
	put("{\"bench\":\"%s\",\"case\":\"%s\",\"series\":\"%s\"", bench_name,
	    label, series);
	put_array("x", count, x);
	put_array("y", count, y);
	put(",\"unit\":\"%s\"}", unit);
	put_line();
}

static uint64_t read_clock(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t bench_now(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

uint64_t bench_cpu(void)
{
	return read_clock(CLOCK_PROCESS_CPUTIME_ID);
}

double bench_elapsed(void)
{
	return (double)(bench_now() - begun) / 1e9;
}

uint64_t bench_minflt(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (uint64_t)usage.ru_minflt;
}

/* The counter of this process: one made before fork counts the parent's. */
static int faults_counter(void)
{
	static pid_t owner;
	static int fd = -1;
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_PAGE_FAULTS,
		.inherit = 1, /* by threads to come */
	};

	if (owner == getpid())
		return fd;
	if (fd >= 0)
		close(fd);
	owner = getpid();
	fd = (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0);
	if (fd < 0) {
		attr.exclude_kernel = 1;
		fd = (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0);
	}
	return fd;
}

uint64_t bench_faults(void)
{
	uint64_t faults;
	int fd = faults_counter();

	if (fd < 0)
		return bench_minflt();
	if (read(fd, &faults, sizeof(faults)) != sizeof(faults))
		leave("cannot read the counter of page faults", "");
	return faults;
}

const char *bench_faults_metric(void)
{
	return faults_counter() < 0 ? "minflt" : "faults";
}

/* Reads a file of /proc into @text; a process sees its own, always. */
static void read_file(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t length = 0;
	ssize_t n;

	if (fd < 0)
		leave("cannot open ", path);
	while (length < size - 1 &&
	       (n = read(fd, text + length, size - 1 - length)) > 0)
		length += (size_t)n;
	text[length] = '\0';
	close(fd);
}

static size_t without_own(size_t bytes)
{
	size_t own = own_bytes;

	return bytes > own ? bytes - own : 0;
}

/* The sum of the lines "KEY  n kB" of @text, in bytes. */
static size_t sum_lines(const char *text, const char *key, const char *key2)
{
	size_t bytes = 0;

	for (const char *at = text; at; at = strchr(at, '\n')) {
		at += *at == '\n';
		if (!strncmp(at, key, strlen(key)))
			bytes += strtoull(at + strlen(key), NULL, 10);
		else if (!strncmp(at, key2, strlen(key2)))
			bytes += strtoull(at + strlen(key2), NULL, 10);
	}
	return bytes * BENCH_KIB;
}

size_t bench_resident(void)
{
	char text[4096];

	read_file("/proc/self/status", text, sizeof(text));
	return without_own(sum_lines(text, "RssAnon:", "RssShmem:"));
}

size_t bench_anonymous(void)
{
	char text[4096];

	read_file("/proc/self/smaps_rollup", text, sizeof(text));
	return without_own(sum_lines(text, "Anonymous:", "Pss_Shmem:"));
}

size_t bench_rss(void)
{
	char text[4096];

	read_file("/proc/self/smaps_rollup", text, sizeof(text));
	return without_own(sum_lines(text, "Rss:", "Rss:"));
}

void *bench_own(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (p == MAP_FAILED)
		leave("no memory for the program's own tables", "");
	own_bytes += (bytes + 4095) & ~(size_t)4095;
	return p;
}

void bench_own_changed(ptrdiff_t bytes)
{
	own_bytes += (size_t)bytes;
}

void *bench_must(void *p)
{
	if (!p)
		leave("the allocator returned NULL", "");
	return p;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

void bench_in_children(int times, bench_work *work, const void *argument,
		       double *results, size_t count)
{
	double samples[BENCH_RESULTS_MAX][CHILDREN_MAX];
	size_t bytes = BENCH_RESULTS_MAX * sizeof(double);
	double *shared = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (shared == MAP_FAILED || times > CHILDREN_MAX ||
	    count > BENCH_RESULTS_MAX)
		leave("cannot prepare a child", "");
	for (int i = 0; i < times; i++) {
		int status;
		pid_t pid = fork();

		if (!pid) {
			work(argument, shared);
			_exit(0);
		}
		if (pid < 0 || waitpid(pid, &status, 0) != pid || status)
			leave("a child failed", "");
		for (size_t k = 0; k < count; k++)
			samples[k][i] = shared[k];
	}
	munmap(shared, bytes);
	for (size_t k = 0; k < count; k++) {
		qsort(samples[k], (size_t)times, sizeof(double), by_value);
		results[k] =
			(samples[k][(times - 1) / 2] + samples[k][times / 2]) /
			2;
	}
}
