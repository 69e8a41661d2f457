#include "sys/pagemap.h"

#include "base/bits.h"
#include "sys/file.h"
#include "sys/map.h"

#include <fcntl.h>

enum { BATCH = 256 }; /* entries: 2 KiB of stack */

static const uint64_t PRESENT = UINT64_C(1) << 63;
static const uint64_t SWAP = UINT64_C(1) << 62;
static const uint64_t EXCLUSIVE = UINT64_C(1) << 56;

int qr_pagemap_open(struct qr_pagemap *pagemap)
{
	pagemap->fd = qr_file_open(AT_FDCWD, "/proc/self/pagemap", O_RDONLY);
	return pagemap->fd < 0 ? pagemap->fd : 0;
}

void qr_pagemap_close(struct qr_pagemap *pagemap)
{
	qr_file_close(pagemap->fd);
}

static enum qr_presence presence(uint64_t entry)
{
	if (entry & PRESENT)
		return entry & EXCLUSIVE ? QR_PAGE_RESIDENT : QR_PAGE_SHARED;
	return entry & SWAP ? QR_PAGE_SWAPPED : QR_PAGE_ABSENT;
}

void qr_pagemap_read(const struct qr_pagemap *pagemap, uintptr_t addr, size_t n,
		     uint8_t *ret_presences)
{
	uint64_t entries[BATCH];
	uint64_t first = addr / qr_page_size();

	for (size_t done = 0, batch; done < n; done += batch) {
		long got;

		batch = qr_min(n - done, BATCH);
		got = qr_file_read_at(pagemap->fd, entries,
				      batch * sizeof(entries[0]),
				      (first + done) * sizeof(entries[0]));
		for (size_t i = 0; i < batch; i++) {
			bool is = (long)((i + 1) * sizeof(entries[0])) <= got;

			ret_presences[done + i] =
				(uint8_t)(is ? presence(entries[i])
					     : QR_PAGE_ABSENT);
		}
	}
}
