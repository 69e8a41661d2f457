/*
 * A kernel with larger pages, as far as the arena can see: linked with
 * --wrap=qr_page_size.  What is rounded to 64 KiB suits the real kernel too.
 */
#include "sys/map.h"

size_t __wrap_qr_page_size(void);

size_t __wrap_qr_page_size(void)
{
	return QR_TEST_PAGE_SIZE;
}
