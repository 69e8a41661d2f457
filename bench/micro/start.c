/*
 * What does the allocator add to a program that does next to nothing?  A
 * program that makes one block and leaves is started again and again.  CPU time
 * of the program, loading included, and the anonymous memory that it has at its
 * end; beside them elapsed time from posix_spawn to the end, and page faults.
 */
#include "bench.h"

#include <spawn.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static void fail(const char *what)
{
	fprintf(stderr, "bench-start: %s\n", what);
	_exit(1);
}

/* Starts ourselves; the child leaves its resident bytes in the pipe. */
static size_t start(char *measure, const int *pipe_ends)
{
	char *arguments[] = {(char[]){"bench-start"}, (char[]){"--child"},
			     measure, NULL};
	size_t bytes = 0;
	int status;
	pid_t pid;

	if (posix_spawn(&pid, "/proc/self/exe", NULL, NULL, arguments, environ))
		fail("cannot start myself");
	if (waitpid(pid, &status, 0) != pid || status)
		fail("the child failed");
	if (*measure == '0')
		return 0;
	if (read(pipe_ends[0], &bytes, sizeof(bytes)) != sizeof(bytes))
		fail("the child wrote nothing");
	return bytes;
}

static int child(const char *measure)
{
	void *p = malloc(100);

	bench_touch(p, 100);
	if (*measure != '0') {
		size_t bytes = bench_anonymous();

		if (write(atoi(measure), &bytes, sizeof(bytes)) < 0)
			return 1;
	}
	free(p);
	return 0;
}

int main(int argc, char **argv)
{
	struct rusage before, after;
	char none[] = "0", measure[16];
	int ends[2];

	if (argc == 3 && !strcmp(argv[1], "--child"))
		return child(argv[2]);
	bench_begin("start", argc, argv);
	if (pipe(ends))
		fail("no pipe");
	snprintf(measure, sizeof(measure), "%d", ends[1]);
	size_t resident = start(measure, ends);
	int total = bench_quick ? 40 : 500;
	uint64_t elapsed = bench_now();

	getrusage(RUSAGE_CHILDREN, &before);
	for (int i = 0; i < total; i++)
		start(none, ends);
	elapsed = bench_now() - elapsed;
	getrusage(RUSAGE_CHILDREN, &after);
	double cpu = (double)(after.ru_utime.tv_sec - before.ru_utime.tv_sec +
			      after.ru_stime.tv_sec - before.ru_stime.tv_sec) *
			     1e6 +
		     (double)(after.ru_utime.tv_usec - before.ru_utime.tv_usec +
			      after.ru_stime.tv_usec - before.ru_stime.tv_usec);

	bench_value("process", "cpu_us_per_process", cpu / total, "us", "less");
	bench_value("process", "anonymous_KiB",
		    (double)resident / (double)BENCH_KIB, "KiB", "less");
	bench_detail("process", "us_per_process", (double)elapsed / 1e3 / total,
		     "us", "less");
	bench_detail("process", "faults_per_process",
		     (double)(after.ru_minflt - before.ru_minflt) / total,
		     "faults", "less");
	return 0;
}
