/*
 * What the library asks the kernel to promise.  Under vm.overcommit_memory=2
 * every private mapping that can be written counts against the commit limit,
 * MAP_NORESERVE or not; reserved address space must not.
 *
 * The sum of such mappings is measured in any mode.  With QUARRY_TEST_SYSCTL=1
 * and the right to do so (root, on a machine of one's own) mode 2 is set for a
 * moment: what is left under the limit can be had, then comes NULL.
 */
#include "check.h"

static size_t charged(void)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	char line[512], flags[8];
	size_t from, to, sum = 0;

	CHECK(maps);
	while (fgets(line, sizeof(line), maps)) {
		CHECK(sscanf(line, "%zx-%zx %7s", &from, &to, flags) == 3);
		if (flags[1] == 'w' && flags[3] == 'p' &&
		    !strstr(line, "[stack]"))
			sum += to - from;
	}
	fclose(maps);
	return sum;
}

/* The first number of the file; or, with @value, the number is written. */
static long sysctl_file(const char *path, const long *value)
{
	char text[32] = "";
	int fd = open(path, (value ? O_WRONLY : O_RDONLY) | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -1;
	if (value) {
		n = snprintf(text, sizeof(text), "%ld", *value);
		n = write(fd, text, (size_t)n);
	} else {
		n = read(fd, text, sizeof(text) - 1);
	}
	close(fd);
	return n > 0 ? strtol(text, NULL, 10) : -1;
}

#define MODE "/proc/sys/vm/overcommit_memory"
#define KBYTES "/proc/sys/vm/overcommit_kbytes"

/* What the strict mode leaves can be had; in a fresh process. */
static int fill(void)
{
	size_t got = 0;
	void **p, **last = NULL;

	check_library();
	while (got < 1 * GIB && (p = malloc(300 * KIB))) {
		memset(p, 1, 300 * KIB);
		*p = last;
		last = p;
		got += 300 * KIB;
	}
	CHECK(got >= 1 * GIB || errno == ENOMEM);
	while (last) {
		p = *last;
		free(last);
		last = p;
	}
	CHECK(p = malloc(100));
	free(p);
	printf("%zu MiB had under strict overcommit\n", got / MIB);
	return got < 64 * MIB;
}

static void strict(void)
{
	long mode = sysctl_file(MODE, NULL), kbytes, wanted;
	const long two = 2;
	pid_t pid;
	int status;

	if (mode < 0 || (mode != 2 && !getenv("QUARRY_TEST_SYSCTL"))) {
		puts("mode 2 not tried: QUARRY_TEST_SYSCTL is not set");
		return;
	}
	kbytes = sysctl_file(KBYTES, NULL);
	if (mode != 2) {
		/* swap counts in addition, so this is a lower bound */
		wanted = (long)(proc_bytes("/proc/meminfo", "\nCommitted_AS:") /
				KIB) +
			 256 * 1024;
		if (sysctl_file(KBYTES, &wanted) < 0 ||
		    sysctl_file(MODE, &two) < 0) {
			puts("mode 2 not tried: not allowed");
			return;
		}
	}
	pid = fork();
	if (!pid) {
		execl("/proc/self/exe", "overcommit", "fill", NULL);
		_exit(126);
	}
	status = pid < 0 ? 127 : wait_status(pid);
	if (mode != 2) {
		CHECK(sysctl_file(MODE, &mode) >= 0);
		if (kbytes)
			CHECK(sysctl_file(KBYTES, &kbytes) >= 0);
	}
	CHECK(status == 0);
}

int main(int argc, char **argv)
{
	void *p;
	size_t at_start;

	if (argc == 2 && !strcmp(argv[1], "fill"))
		return fill();
	check_library();
	p = opaque(malloc(100));
	at_start = charged();
	figure_at_most("promised-at-start", (double)at_start / MIB, "MiB", 64);
	free(p);
	CHECK(p = malloc(100 * MIB));
	figure_at_most("promised-for-100-MiB",
		       (double)(charged() - at_start) / MIB, "MiB", 132);
	free(p);
	strict();
	return 0;
}
