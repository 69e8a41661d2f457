/*
 * Out of memory: who was refused memory still finds a little, enough for a
 * message; and with the option oom:report is told once who holds what.
 * Each part runs anew under RLIMIT_AS or RLIMIT_DATA of 256 MiB.
 */
#include "check.h"

#include <sys/resource.h>

static void *last;

static size_t fill(size_t size)
{
	size_t n = 0;
	void **object;

	for (; (object = malloc(size)); n++) {
		memset(object, 1, size < 4096 ? size : 4096);
		*object = last;
		last = object;
	}
	CHECK(errno == ENOMEM);
	return n;
}

/* What a program that gives up does. */
static void write_message(void)
{
	static void *small[100];
	FILE *stream = fopen("/dev/null", "w");
	char *text = strdup("what was asked for is not to be had");

	CHECK(stream && text);
	CHECK(fprintf(stream, "%s: %s\n", "oom", text) > 0);
	CHECK(!fclose(stream));
	for (size_t i = 0; i < sizeof(small) / sizeof(small[0]); i++)
		CHECK(small[i] = calloc(1, 8 + i * 7));
	for (size_t i = 0; i < sizeof(small) / sizeof(small[0]); i++)
		free(small[i]);
	free(text);
}

static void check_oom(size_t size)
{
	size_t n = fill(size);

	/* 300000 bytes fill little more than a half of a block */
	CHECK(n * size > 96 * MIB);
	if (library())
		write_message();
	/* the rest of the reserve is to be had, and then nothing */
	fill(64);
	while (last) {
		void **object = last;

		last = *object;
		free(object);
	}
	CHECK(fill(size) + n / 8 >= n);
}

/* Under the limit; the exit status and what went to stderr. */
static int run(char *self, int resource, const char *size, const char *options,
	       size_t *ret_reports)
{
	struct rlimit rlimit = {256 * MIB, 256 * MIB};
	char buffer[4096], text[32];
	int ends[2];
	pid_t pid;
	ssize_t n;

	snprintf(text, sizeof(text), "%s", size);
	fflush(stdout);
	CHECK(!pipe(ends));
	pid = fork();
	CHECK(pid >= 0);
	if (!pid) {
		close(ends[0]);
		CHECK(dup2(ends[1], STDERR_FILENO) >= 0);
		CHECK(!setrlimit(resource, &rlimit));
		CHECK(!setenv("QUARRY_OPTIONS", options, 1));
		execv("/proc/self/exe", (char *[]){self, text, NULL});
		_exit(126);
	}
	close(ends[1]);
	*ret_reports = 0;
	while ((n = read(ends[0], buffer, sizeof(buffer) - 1)) > 0) {
		buffer[n] = 0;
		*ret_reports +=
			strstr(buffer, "quarry: no memory for ") != NULL;
		/* what failed, if something did */
		if (strstr(buffer, "not so"))
			fputs(buffer, stdout);
	}
	fflush(stdout);
	close(ends[0]);
	return wait_status(pid);
}

int main(int argc, char **argv)
{
	static const char *const sizes[] = {"24",    "700",    "5000",
					    "40000", "300000", "5000000"};

	check_library();
	if (argc == 2) {
		check_oom(strtoul(argv[1], NULL, 10));
		return 0;
	}
	if (available() < 512 * MIB)
		skip("less than 512 MiB of memory left");
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		size_t reports;

		printf("objects of %s bytes\n", sizes[i]);
		CHECK(run(argv[0], RLIMIT_AS, sizes[i], "", &reports) == 0);
		CHECK(reports == 0);
		CHECK(run(argv[0], RLIMIT_DATA, sizes[i], "oom:report",
			  &reports) == 0);
		CHECK(reports == !!library());
	}
	return 0;
}
