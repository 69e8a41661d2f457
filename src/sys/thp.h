/*
 * Transparent huge pages: what the system's administrator says of them.
 */
#ifndef QR_SYS_THP_H
#define QR_SYS_THP_H

#include <stddef.h>

enum qr_thp { QR_THP_NEVER, QR_THP_MADVISE, QR_THP_ALWAYS };

/*
 * Who gets huge pages of @size bytes: nobody, whoever asks by madvise,
 * everybody.  NEVER also where the kernel's have another size.  Opens files of
 * @root/sys; "" but for tests.
 */
enum qr_thp qr_thp_read(const char *root, size_t size);

#endif
