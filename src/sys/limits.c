#include "sys/limits.h"

#include "base/compiler.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <unistd.h>

void qr_limits_read(struct qr_limits *ret_limits)
{
	int saved = errno;
	struct sysinfo info;
	struct rlimit limit;

	ret_limits->memory = 0;
	ret_limits->address_space = SIZE_MAX;
	if (sysinfo(&info) == 0)
		ret_limits->memory = (size_t)info.totalram * info.mem_unit;
	if (getrlimit(RLIMIT_AS, &limit) == 0 &&
	    limit.rlim_cur != RLIM_INFINITY)
		ret_limits->address_space = limit.rlim_cur;
	errno = saved;
}

/* glibc's loader: where main's stack begins, with argc, argv, environ. */
extern void *__libc_stack_end QR_WEAK;

static char **find_environment(void)
{
	char **p;

	if (environ)
		return environ;
	if (!&__libc_stack_end || !__libc_stack_end)
		return NULL;
	p = __libc_stack_end;
	return p + 1 + *(intptr_t *)__libc_stack_end + 1;
}

const char *qr_environment(const char *name)
{
	char **env = getauxval(AT_SECURE) ? NULL : find_environment();
	size_t n = strlen(name);

	for (; env && *env; env++) {
		if (strncmp(*env, name, n) == 0 && (*env)[n] == '=')
			return *env + n + 1;
	}
	return NULL;
}
