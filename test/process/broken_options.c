/*
 * Whatever stands in QUARRY_OPTIONS: the program runs as if it were not there,
 * and hears about it in lines of its own, nothing else.
 */
#include "check.h"

static const char *const broken[] = {
	"",
	":",
	",",
	",,,,",
	"nonsense",
	"nonsense:1",
	"rseq",
	"rseq:",
	"rseq:banana",
	"rseq:auto,rseq:,rseq:off:off",
	"dirty:-1",
	"dirty:99999999999999999999999",
	"dirty:1zz",
	"dirty:0x",
	"reserve:18446744073709551615",
	"reserve:1",
	"reserve:4k",
	"numa:bind=",
	"numa:bind=63",
	"numa:bind=0+64",
	"numa:interleave=,numa:bind",
	"report:\x01\x02\x7f\xff",
	"%s%s%s%n",
	"=:=:=,rseq=off",
	" rseq:off ",
	"dirty:32m,\ndirty:64m\n",
};

/* stderr of the child is empty or lines that begin with "quarry: " */
static void check_stderr(const char *text, size_t size)
{
	const char *end = text + size;

	while (text < end) {
		const char *line_end = memchr(text, '\n', (size_t)(end - text));

		if (strncmp(text, "quarry: ", 8) || !line_end) {
			printf("not the library's: %.200s\n", text);
			exit(1);
		}
		text = line_end + 1;
	}
}

static void try_options(const char *options)
{
	static char text[1 << 22];
	size_t used = 0;
	int ends[2];
	ssize_t n;
	pid_t pid;

	CHECK(!pipe(ends));
	pid = fork();
	CHECK(pid >= 0);
	if (!pid) {
		CHECK(dup2(ends[1], STDERR_FILENO) >= 0);
		CHECK(!setenv("QUARRY_OPTIONS", options, 1));
		execl("/proc/self/exe", "broken_options", "child", NULL);
		_exit(126);
	}
	close(ends[1]);
	while ((n = read(ends[0], text + used, sizeof(text) - 1 - used)) > 0)
		used += (size_t)n;
	close(ends[0]);
	CHECK(used < sizeof(text) - 1);
	text[used] = 0;
	if (wait_status(pid)) {
		printf("with \"%.100s\": %s\n", options, text);
		exit(1);
	}
	check_stderr(text, used);
}

static int child(void)
{
	uint64_t state = 1;

	check_library();
	for (int i = 0; i < 10000; i++) {
		size_t size = draw_size(&state, i % 1000 ? 14 : 23);
		void *p = malloc(size);

		CHECK(p);
		sign(p, size, 1);
		free(p);
	}
	return 0;
}

int main(int argc, char **argv)
{
	enum { LONG = 100000 };
	static char text[LONG + 1];
	uint64_t state;

	(void)argv;
	if (argc == 2)
		return child();
	for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++)
		try_options(broken[i]);
	memset(text, 'x', LONG);
	try_options(text);
	for (size_t i = 0; i < LONG; i++)
		text[i] = "rseq:,"[i % 6];
	try_options(text);
	state = seed();
	for (int i = 0; i < 30; i++) {
		for (size_t k = 0; k < 40; k++)
			text[k] = ":,rseqdiyfo0123k-"[draw(&state) % 17];
		text[40] = 0;
		try_options(text);
	}
	return 0;
}
