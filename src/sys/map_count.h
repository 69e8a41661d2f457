/*
 * vm.max_map_count: how many mappings a process may have.
 */
#ifndef QR_SYS_MAP_COUNT_H
#define QR_SYS_MAP_COUNT_H

#include <stddef.h>

enum { QR_MAP_COUNT_DEFAULT = 65530 };

/* Opens a file of /proc; the default if that cannot be read.  Keeps errno. */
size_t qr_max_map_count(void);

#endif
