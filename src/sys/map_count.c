#include "sys/map_count.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

size_t qr_max_map_count(void)
{
	char text[24];
	int saved = errno;
	int fd = open("/proc/sys/vm/max_map_count", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text));
	size_t count = 0;

	if (fd >= 0)
		close(fd);
	errno = saved;
	for (ssize_t i = 0; i < n && text[i] >= '0' && text[i] <= '9'; i++)
		count = count * 10 + (size_t)(text[i] - '0');
	return count ? count : QR_MAP_COUNT_DEFAULT;
}
