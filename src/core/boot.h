/*
 * Boot: from nothing to the one instance.
 *
 *	state		meaning
 *	COLD		nobody has allocated yet
 *	BOOTING		one thread is at work, others wait for it
 *	READY		everything works
 *	FAILED		no address space was to be had: every malloc fails
 *
 * The first call of any function of core/core.h boots, which may be before
 * libc's own constructors have run: no file is opened, nothing of libc is
 * used that allocates, no thread is started.  What needs more of libc (the
 * handlers of fork, the report at exit) waits for our constructor.
 */
#ifndef QR_CORE_BOOT_H
#define QR_CORE_BOOT_H

#include "base/compiler.h"
#include "base/option.h"

#include <stdatomic.h>
#include <stdbool.h>

enum qr_boot_state { QR_BOOT_COLD, QR_BOOT_BOOTING, QR_BOOT_READY,
		     QR_BOOT_FAILED };

extern _Atomic int qr_boot_state;

/* True: READY. */
bool qr_boot_slow(void) QR_COLD;

QR_INLINE bool qr_boot(void)
{
	/* acquire: pairs with the release at the end of boot */
	return qr_likely(atomic_load_explicit(&qr_boot_state,
					      memory_order_acquire) ==
			 QR_BOOT_READY) ||
	       qr_boot_slow();
}

/* Values of the options as they are in force; never change after boot. */
uint64_t qr_option(enum qr_option_id id);

#endif
