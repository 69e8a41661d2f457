/*
 * Which of our pages have memory: what the kernel itself says, page by page
 * (/proc/self/pagemap).
 *
 *	RESIDENT	has memory, ours alone
 *	SHARED		has memory, but of a relative by fork as well, or it
 *			is the kernel's one page of zeros
 *	SWAPPED		its content is on a swap device
 *	ABSENT		has none: never touched, or purged
 *
 * One thread uses a pagemap.  errno is kept, nothing is allocated.
 */
#ifndef QR_SYS_PAGEMAP_H
#define QR_SYS_PAGEMAP_H

#include <stddef.h>
#include <stdint.h>

enum qr_presence {
	QR_PAGE_ABSENT,
	QR_PAGE_RESIDENT,
	QR_PAGE_SHARED,
	QR_PAGE_SWAPPED,
	QR_NR_PRESENCES
};

struct qr_pagemap {
	int fd;
};

/* 0 or -errno: it cannot be known here; nothing to close then. */
int qr_pagemap_open(struct qr_pagemap *pagemap);
void qr_pagemap_close(struct qr_pagemap *pagemap);

/* The @n pages from the page of @addr on; what cannot be read is ABSENT. */
void qr_pagemap_read(const struct qr_pagemap *pagemap, uintptr_t addr, size_t n,
		     uint8_t *ret_presences);

#endif
