/*
 * The launcher: runs one program under one allocator and says what it cost.
 *
 * tools/bench starts this small program for every single run, so that the
 * measured process descends from something tiny: Linux carries the resident
 * set from before exec into ru_maxrss, and the driver's own would hide the
 * program's.  Only the measured program is preloaded, neither this one nor the
 * client.
 *
 *	launch [-p LIBRARY] [-o FILE] [-s MS] [-t SECONDS] [-c COMMAND]
 *	       PROGRAM [ARGUMENT...]
 *
 *	-p  LD_PRELOAD of PROGRAM; without it, PROGRAM runs with none
 *	-o  write the JSON line there (default: standard error)
 *	-s  sample the resident set every MS milliseconds; 0, the default, never
 *	-t  kill the program after so many seconds (default 120)
 *	-c  PROGRAM is a server: run COMMAND by sh beside it, unmeasured, and
 *	    when that ends, end PROGRAM with SIGTERM
 *
 * The exit status is 0 when a line was written, whatever became of PROGRAM.
 *
 * Page faults come twice.  "minor_faults" is what wait4 says, and there each
 * page that MADV_POPULATE_WRITE fills counts as a fault.  "faults" asks perf
 * how often the program really stopped for one; null where perf is forbidden.
 *
 * Sampling reads /proc/PID/statm from this process, on another CPU if there is
 * one.  When the table is full, every second sample goes and the period
 * doubles: long runs keep their shape in bounded space.
 *
 * ld.so only warns when it cannot preload a library, and a comparison of libc
 * with libc looks just like a good result: so /proc/PID/maps is searched for
 * LIBRARY.  The first look comes a few milliseconds after exec; if the program
 * is gone by then, the line says null.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/perf_event.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SAMPLES_MAX 512
#define MAPS_LOOKS 5
#define MAPS_WAIT (4 * 1000000L)

enum preload_state {
	PRELOAD_NONE,
	PRELOAD_UNKNOWN,
	PRELOAD_MISSING,
	PRELOAD_OK
};

struct samples {
	long period_ns; /* 0: do not sample */
	int count;
	long at_ms[SAMPLES_MAX];
	long rss_kib[SAMPLES_MAX];
};

struct job {
	/* what was asked for */
	const char *preload;
	const char *client;
	char **argv;
	long limit_s;
	/* what is running; 0 when it has ended */
	pid_t program_pid;
	pid_t client_pid;
	/* what came of it */
	int program_status;
	int client_status;
	bool timed_out;
	enum preload_state preload_state;
	int maps_looks;
	long elapsed_ns;
	int faults_fd; /* perf's counter, or -1 */
	struct rusage usage;
	struct samples samples;
};

static long now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000L + t.tv_nsec;
}

static void die(const char *what)
{
	fprintf(stderr, "launch: %s: %s\n", what, strerror(errno));
	exit(2);
}

/* Counts the faults of a process and its children from its next exec on. */
static int open_faults(pid_t pid)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_PAGE_FAULTS,
		.disabled = 1,
		.inherit = 1,
		.enable_on_exec = 1,
	};

	return (int)syscall(SYS_perf_event_open, &attr, pid, -1, -1,
			    PERF_FLAG_FD_CLOEXEC);
}

static ssize_t read_all(int fd, void *to, size_t size)
{
	ssize_t got;

	do
		got = read(fd, to, size);
	while (got < 0 && errno == EINTR);
	return got;
}

/*
 * In the child: wait until the parent closes its end of @go_fd, then become
 * PROGRAM, or send errno through @error_fd.
 */
static void become_program(const struct job *job, int go_fd, int error_fd)
{
	sigset_t none;
	ssize_t sent;
	char nothing;
	int error;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (job->preload)
		setenv("LD_PRELOAD", job->preload, 1);
	else
		unsetenv("LD_PRELOAD");
	read_all(go_fd, &nothing, 1);
	execvp(job->argv[0], job->argv);
	error = errno;
	sent = write(error_fd, &error, sizeof(error));
	_exit(sent == (ssize_t)sizeof(error) ? 127 : 126);
}

/* Start PROGRAM; back when exec has happened.  0 or -errno. */
static int start_program(struct job *job)
{
	int go[2], failed[2], error = 0;
	ssize_t got;

	if (pipe2(go, O_CLOEXEC) < 0 || pipe2(failed, O_CLOEXEC) < 0)
		return -errno;
	job->program_pid = fork();
	if (job->program_pid < 0)
		return -errno;
	if (job->program_pid == 0) {
		close(go[1]);
		become_program(job, go[0], failed[1]);
	}
	close(failed[1]);
	close(go[0]);
	job->faults_fd = open_faults(job->program_pid);
	close(go[1]);
	got = read_all(failed[0], &error, sizeof(error));
	close(failed[0]);
	return got == (ssize_t)sizeof(error) ? -error : 0;
}

static int start_client(struct job *job)
{
	sigset_t none;

	job->client_pid = fork();
	if (job->client_pid < 0)
		return -errno;
	if (job->client_pid == 0) {
		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		setpgid(0, 0);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		unsetenv("LD_PRELOAD");
		execl("/bin/sh", "sh", "-c", job->client, (char *)NULL);
		_exit(127);
	}
	return 0;
}

/* Resident KiB of a process, or -1 when it is gone. */
static long resident_kib(int statm)
{
	char text[128], *end;
	ssize_t got = pread(statm, text, sizeof(text) - 1, 0);
	long pages;

	if (got <= 0)
		return -1;
	text[got] = '\0';
	strtol(text, &end, 10);
	pages = strtol(end, NULL, 10);
	return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static void add_sample(struct samples *s, long at_ms, long kib)
{
	int i;

	if (s->count == SAMPLES_MAX) {
		for (i = 0; 2 * i < SAMPLES_MAX; i++) {
			s->at_ms[i] = s->at_ms[2 * i];
			s->rss_kib[i] = s->rss_kib[2 * i];
		}
		s->count = SAMPLES_MAX / 2;
		s->period_ns *= 2;
	}
	s->at_ms[s->count] = at_ms;
	s->rss_kib[s->count++] = kib;
}

/* Is the preloaded library among the mappings of the program? */
static void look_for_preload(struct job *job)
{
	char path[64], line[PATH_MAX + 128], real[PATH_MAX];
	FILE *maps;

	if (job->preload_state == PRELOAD_NONE ||
	    job->preload_state == PRELOAD_OK || job->maps_looks == MAPS_LOOKS)
		return;
	job->maps_looks++;
	if (!realpath(job->preload, real))
		snprintf(real, sizeof(real), "%s", job->preload);
	snprintf(path, sizeof(path), "/proc/%d/maps", (int)job->program_pid);
	maps = fopen(path, "re");
	if (!maps)
		return;
	while (fgets(line, sizeof(line), maps)) {
		job->preload_state = PRELOAD_MISSING;
		if (strstr(line, real)) {
			job->preload_state = PRELOAD_OK;
			break;
		}
	}
	fclose(maps);
	/* A process that just ended has an empty list: nothing is learnt. */
}

static void reap(struct job *job, long start)
{
	int status;

	if (job->program_pid &&
	    wait4(job->program_pid, &status, WNOHANG, &job->usage) > 0) {
		job->elapsed_ns = now_ns() - start;
		job->program_status = status;
		kill(-job->program_pid, SIGKILL); /* what it left running */
		job->program_pid = 0;
		/* A server that died leaves its client waiting. */
		if (job->client_pid)
			kill(-job->client_pid, SIGTERM);
	}
	if (job->client_pid && waitpid(job->client_pid, &status, WNOHANG) > 0) {
		job->client_status = status;
		job->client_pid = 0;
		if (job->program_pid)
			kill(job->program_pid, SIGTERM);
	}
}

static void kill_all(const struct job *job)
{
	if (job->program_pid)
		kill(-job->program_pid, SIGKILL);
	if (job->client_pid)
		kill(-job->client_pid, SIGKILL);
}

/* Sleep until a child ends or the time comes. */
static void wait_until(const sigset_t *set, long when)
{
	long left = when - now_ns();
	struct timespec t = {0, 0};

	if (left > 0) {
		t.tv_sec = left / 1000000000L;
		t.tv_nsec = left % 1000000000L;
	}
	sigtimedwait(set, NULL, &t);
}

static void watch(struct job *job, const sigset_t *set, long start)
{
	struct samples *s = &job->samples;
	long deadline = start + job->limit_s * 1000000000L;
	long next_look = start + MAPS_WAIT, next_sample, next;
	char path[64];
	int statm;

	snprintf(path, sizeof(path), "/proc/%d/statm", (int)job->program_pid);
	statm = open(path, O_RDONLY | O_CLOEXEC);
	next_sample = s->period_ns && statm >= 0 ? start : LONG_MAX;
	for (;;) {
		long now = now_ns();

		if (now >= next_sample && job->program_pid) {
			long kib = resident_kib(statm);

			if (kib > 0)
				add_sample(s, (now - start) / 1000000, kib);
			next_sample += s->period_ns;
			if (next_sample <= now)
				next_sample = now + s->period_ns;
		}
		if (now >= next_look && job->program_pid) {
			look_for_preload(job);
			next_look = now + 5 * MAPS_WAIT;
			if (job->preload_state != PRELOAD_MISSING ||
			    job->maps_looks == MAPS_LOOKS)
				next_look = LONG_MAX;
		}
		if (now >= deadline && !job->timed_out) {
			job->timed_out = true;
			kill_all(job);
			deadline = LONG_MAX;
		}
		reap(job, start);
		if (!job->program_pid && !job->client_pid)
			break;
		next = deadline < next_look ? deadline : next_look;
		wait_until(set, next_sample < next ? next_sample : next);
	}
	if (statm >= 0)
		close(statm);
}

static double seconds(struct timeval t)
{
	return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

static int exit_code(int status)
{
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int signal_of(int status)
{
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void print_longs(FILE *out, const char *name, const long *v, int n)
{
	int i;

	fprintf(out, ",\"%s\":[", name);
	for (i = 0; i < n; i++)
		fprintf(out, i ? ",%ld" : "%ld", v[i]);
	fputc(']', out);
}

static int report(const struct job *job, FILE *out)
{
	static const char *const preloaded[] = {"null", "null", "false",
						"true"};
	const struct rusage *u = &job->usage;
	unsigned long long faults;

	fprintf(out,
		"{\"exit\":%d,\"signal\":%d,\"timed_out\":%s,"
		"\"client_exit\":%d,\"preloaded\":%s",
		exit_code(job->program_status), signal_of(job->program_status),
		job->timed_out ? "true" : "false",
		exit_code(job->client_status), preloaded[job->preload_state]);
	fprintf(out, ",\"elapsed_s\":%.6f,\"user_s\":%.6f,\"sys_s\":%.6f",
		(double)job->elapsed_ns / 1e9, seconds(u->ru_utime),
		seconds(u->ru_stime));
	fprintf(out,
		",\"rss_kib\":%ld,\"minor_faults\":%ld,\"major_faults\":%ld",
		u->ru_maxrss, u->ru_minflt, u->ru_majflt);
	if (job->faults_fd >= 0 &&
	    read_all(job->faults_fd, &faults, sizeof(faults)) == sizeof(faults))
		fprintf(out, ",\"faults\":%llu", faults);
	else
		fputs(",\"faults\":null", out);
	fprintf(out, ",\"switches\":%ld,\"preemptions\":%ld", u->ru_nvcsw,
		u->ru_nivcsw);
	if (job->samples.count) {
		print_longs(out, "sample_ms", job->samples.at_ms,
			    job->samples.count);
		print_longs(out, "sample_kib", job->samples.rss_kib,
			    job->samples.count);
	}
	fputs("}\n", out);
	return fclose(out) == 0 ? 0 : -errno;
}

static void usage(void)
{
	fputs("usage: launch [-p LIBRARY] [-o FILE] [-s MS] [-t SECONDS] "
	      "[-c COMMAND] PROGRAM [ARGUMENT...]\n",
	      stderr);
	exit(2);
}

static long number(const char *text, long max)
{
	char *end;
	long value = strtol(text, &end, 10);

	if (*text == '\0' || *end != '\0' || value < 0 || value > max)
		usage();
	return value;
}

/* Fill the job from the command line; returns the file for the line. */
static FILE *parse(struct job *job, int argc, char **argv)
{
	FILE *out = NULL;
	int c;

	while ((c = getopt(argc, argv, "+p:o:s:t:c:")) != -1) {
		switch (c) {
		case 'p':
			job->preload = optarg;
			job->preload_state = PRELOAD_UNKNOWN;
			break;
		case 'o':
			out = fopen(optarg, "we");
			if (!out)
				die(optarg);
			break;
		case 's':
			job->samples.period_ns =
				number(optarg, 1000000) * 1000000L;
			break;
		case 't':
			job->limit_s = number(optarg, 1000000);
			break;
		case 'c':
			job->client = optarg;
			break;
		default:
			usage();
		}
	}
	job->argv = argv + optind;
	if (!*job->argv)
		usage();
	if (!out) {
		int fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);

		out = fd < 0 ? NULL : fdopen(fd, "w");
		if (!out)
			die("standard error");
	}
	return out;
}

int main(int argc, char **argv)
{
	static struct job job = {.limit_s = 120};
	FILE *out = parse(&job, argc, argv);
	sigset_t set;
	long start;
	int error;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	start = now_ns();
	error = start_program(&job);
	if (error < 0) {
		errno = -error;
		die(job.argv[0]);
	}
	if (job.client) {
		error = start_client(&job);
		if (error < 0) {
			errno = -error;
			kill_all(&job);
			die("client");
		}
	}
	watch(&job, &set, start);
	error = report(&job, out);
	if (error < 0) {
		errno = -error;
		die("output");
	}
	return 0;
}
