/*
 * Archive: the C++ runtime, if there is one, was linked with us.  We must not
 * ask a loader, which a static program does not have.
 */
#include "api/cxx.h"

void *qr_cxx_symbol(const char *name)
{
	(void)name;
	return NULL;
}
