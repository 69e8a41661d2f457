/*
 * idle_cost PROGRAM: what a program that does nothing pays for the library,
 * beside the same program on libc:
 *
 * - anonymous memory that is resident when it ends;
 * - system calls.  What ld.so does to map one library more is not the
 *   library's; so only calls from outside ld.so's text are counted.  (Those
 *   of the library stem from its own text or from libc's.)
 * - files opened by anyone but ld.so, or by ld.so that are no library: none;
 * - threads started: none.
 */
#include "check.h"

#include <elf.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>

enum { MOST_CALLS = 1000 };

struct cost {
	size_t anonymous;
	int nr_calls; /* outside ld.so */
	int nr_loader_calls;
	int nr_opened; /* outside ld.so, or no library */
	int nr_threads;
};

/* Text of ld.so in the traced process. */
static uint64_t loader_start, loader_end;

static void find_loader(pid_t pid)
{
	char path[64], line[512], name[256], flags[8];
	uint64_t from, to;
	FILE *maps;

	snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
	maps = fopen(path, "re");
	CHECK(maps);
	loader_start = loader_end = 0;
	while (fgets(line, sizeof(line), maps)) {
		*name = 0;
		if (sscanf(line,
			   "%" SCNx64 "-%" SCNx64 " %7s %*s %*s %*s %255s",
			   &from, &to, flags, name) < 3)
			continue;
		if (flags[2] == 'x' &&
		    (strstr(name, "/ld-linux") || strstr(name, "/ld-2."))) {
			loader_start = from;
			loader_end = to;
		}
	}
	fclose(maps);
	CHECK(loader_start);
}

/* By the file, which who may trace may read; sandboxes refuse the call. */
static void read_string(pid_t pid, uint64_t addr, char *buffer, size_t size)
{
	char path[64];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/mem", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	/* less, where the string ends near the end of a mapping */
	n = pread(fd, buffer, size - 1, (off_t)addr);
	if (fd < 0 || n <= 0)
		skip("another process's memory cannot be read here");
	close(fd);
	buffer[n] = 0;
}

static bool is_library(const char *path)
{
	return strstr(path, ".so") != NULL;
}

static void count_open(struct cost *cost, pid_t pid, uint64_t addr,
		       bool by_loader, bool print)
{
	char path[512];

	read_string(pid, addr, path, sizeof(path));
	if (by_loader && is_library(path))
		return;
	cost->nr_opened++;
	if (print)
		printf("opened: %s\n", path);
}

static void count_call(struct cost *cost, pid_t pid,
		       const struct __ptrace_syscall_info *info, bool print)
{
	uint64_t ip = info->instruction_pointer;
	bool by_loader = ip >= loader_start && ip <= loader_end;

	if (by_loader)
		cost->nr_loader_calls++;
	else
		cost->nr_calls++;
	if (print && !by_loader)
		printf("system call %d (%#" PRIx64 ", %#" PRIx64 ", %#" PRIx64
		       ")\n",
		       (int)info->entry.nr, (uint64_t)info->entry.args[0],
		       (uint64_t)info->entry.args[1],
		       (uint64_t)info->entry.args[2]);
	switch (info->entry.nr) {
#ifdef SYS_open
	case SYS_open:
		count_open(cost, pid, info->entry.args[0], by_loader, print);
		break;
#endif
	case SYS_openat:
		count_open(cost, pid, info->entry.args[1], by_loader, print);
		break;
	case SYS_clone:
	case SYS_clone3:
		cost->nr_threads++;
		break;
	case SYS_exit_group: {
		char path[64];

		snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", (int)pid);
		cost->anonymous = proc_bytes(path, "\nAnonymous:");
		break;
	}
	default:
		break;
	}
}

static void start(char **argv, const char *preload)
{
	int fd = open("/dev/null", O_WRONLY);

	unsetenv("LD_PRELOAD");
	if (preload)
		setenv("LD_PRELOAD", preload, 1);
	if (fd < 0 || dup2(fd, STDOUT_FILENO) < 0)
		_exit(125);
	close(fd);
	if (ptrace(PTRACE_TRACEME, 0, 0, 0))
		_exit(124);
	execv(argv[0], argv);
	_exit(126);
}

static struct cost measure(char **argv, const char *preload, bool print)
{
	struct __ptrace_syscall_info info;
	struct cost cost = {0};
	int status, calls = 0;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	CHECK(pid >= 0);
	if (!pid)
		start(argv, preload);
	CHECK(waitpid(pid, &status, 0) == pid);
	if (!WIFSTOPPED(status))
		skip("ptrace is not allowed here");
	find_loader(pid);
	CHECK(!ptrace(PTRACE_SETOPTIONS, pid, 0,
		      PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL));
	while (calls < MOST_CALLS) {
		CHECK(!ptrace(PTRACE_SYSCALL, pid, 0, 0));
		CHECK(waitpid(pid, &status, 0) == pid);
		if (!WIFSTOPPED(status))
			break;
		if (WSTOPSIG(status) != (SIGTRAP | 0x80))
			continue;
		if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(info), &info) <=
		    0)
			skip("the kernel is older than 5.3");
		if (info.op == PTRACE_SYSCALL_INFO_ENTRY) {
			calls++;
			count_call(&cost, pid, &info, print);
		}
	}
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	CHECK(cost.anonymous);
	return cost;
}

static void compare(const char *name, char **argv)
{
	struct cost libc = measure(argv, NULL, false);
	struct cost ours = measure(argv, library(), true);
	char text[64];

	printf("%s: %d calls of ld.so on libc, %d with the library\n", name,
	       libc.nr_loader_calls, ours.nr_loader_calls);
	snprintf(text, sizeof(text), "%s-anonymous-memory", name);
	figure_at_most(text,
		       ((double)ours.anonymous - (double)libc.anonymous) / KIB,
		       "KiB", 150);
	snprintf(text, sizeof(text), "%s-system-calls", name);
	figure_at_most(text, ours.nr_calls - libc.nr_calls, "calls", 12);
	snprintf(text, sizeof(text), "%s-files-opened", name);
	figure_at_most(text, ours.nr_opened - libc.nr_opened, "files", 0);
	snprintf(text, sizeof(text), "%s-threads", name);
	figure_at_most(text, ours.nr_threads - libc.nr_threads, "threads", 0);
}

int main(int argc, char **argv)
{
	char hello[] = "hello";

	CHECK(argc == 2);
	compare("nothing", (char *[]){argv[1], NULL});
	compare("hello", (char *[]){argv[1], hello, NULL});
	return 0;
}
