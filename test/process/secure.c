/*
 * In a process that has more rights than its caller (AT_SECURE) the options
 * are not read: a report that QUARRY_OPTIONS asks for is not written.  This
 * program is linked with the static library, for ld.so would not preload; it
 * copies itself and sets the copy's set-user-ID bit, which needs root.
 */
#include "check.h"

#include <sys/auxv.h>
#include <sys/resource.h>
#include <sys/stat.h>

enum { NOBODY = 65534 };

static char directory[PATH_MAX], copy[PATH_MAX + 16];

static void copy_self(mode_t mode)
{
	static char buffer[1 << 16];
	int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	int to = open(copy, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0700);
	ssize_t n;

	CHECK(from >= 0 && to >= 0);
	while ((n = read(from, buffer, sizeof(buffer))) > 0)
		CHECK(write(to, buffer, (size_t)n) == n);
	CHECK(!fchmod(to, mode));
	close(from);
	close(to);
}

/* Run the copy as nobody: bytes on its stderr; *@ret_status its status. */
static size_t run_copy(int *ret_status)
{
	char buffer[4096];
	size_t used = 0;
	int ends[2];
	ssize_t n;
	pid_t pid;

	CHECK(!pipe(ends));
	pid = fork();
	CHECK(pid >= 0);
	if (!pid) {
		CHECK(dup2(ends[1], STDERR_FILENO) >= 0);
		CHECK(!setenv("QUARRY_OPTIONS", "report:text", 1));
		CHECK(!setresgid(NOBODY, NOBODY, NOBODY));
		CHECK(!setresuid(NOBODY, NOBODY, NOBODY));
		execl(copy, copy, "child", NULL);
		_exit(126);
	}
	close(ends[1]);
	while ((n = read(ends[0], buffer, sizeof(buffer))) > 0)
		used += (size_t)n;
	close(ends[0]);
	*ret_status = wait_status(pid);
	return used;
}

static void clean_up(void)
{
	unlink(copy);
	rmdir(directory);
}

/* Status 4: not secure, 5: secure. */
static int child(void)
{
	for (int i = 0; i < 1000; i++)
		free(opaque(malloc((size_t)i)));
	return getauxval(AT_SECURE) ? 5 : 4;
}

int main(int argc, char **argv)
{
	const char *tmp = getenv("TMPDIR");
	size_t plain, secure;
	int status, secure_status;

	(void)argv;
	if (argc == 2)
		return child();
	if (getuid() != 0)
		skip("only root can make a set-user-ID copy");
	snprintf(directory, sizeof(directory), "%s/quarry-secure-XXXXXX",
		 tmp && *tmp ? tmp : "/tmp");
	CHECK(mkdtemp(directory));
	CHECK(!chmod(directory, 0755));
	snprintf(copy, sizeof(copy), "%s/copy", directory);

	copy_self(0755);
	plain = run_copy(&status);
	copy_self(04755);
	secure = run_copy(&secure_status);
	clean_up();
	if (status == 126 || secure_status == 4)
		skip("no set-user-ID program can be run here");
	printf("plain: status %d, %zu bytes; secure: status %d, %zu bytes\n",
	       status, plain, secure_status, secure);
	CHECK(status == 4 && plain > 100);
	CHECK(secure_status == 5 && secure == 0);
	return 0;
}
