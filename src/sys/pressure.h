/*
 * How a service manager asks its services to watch for memory pressure
 * (systemd.io/MEMORY_PRESSURE): two variables of the environment.
 *
 *	MEMORY_PRESSURE_WATCH	a path, or /dev/null: do not
 *	MEMORY_PRESSURE_WRITE	what to write there first, in Base64
 *
 *	the path is	news is		then
 *	a file		POLLPRI		(it is the kernel's, a trigger of PSI)
 *	a FIFO		POLLIN		what is in it is thrown away
 *	a socket	POLLIN		the same
 */
#ifndef QR_SYS_PRESSURE_H
#define QR_SYS_PRESSURE_H

#include <stdbool.h>
#include <stddef.h>

struct qr_pressure_wish {
	bool given; /* the variable is there */
	char path[1024];
	size_t nr_bytes;
	char bytes[256]; /* to write */
};

/*
 * What the two values, NULL if not set, ask for.  @ret_wish is all zero, and
 * not touched where there is no wish.  False: it is not understood.
 */
bool qr_pressure_parse(const char *watch, const char *write,
		       struct qr_pressure_wish *ret_wish);

/*
 * A descriptor, and what poll() says of it on news; -ENODEV where nothing
 * shall be watched, -errno on failure.
 */
int qr_pressure_open(const struct qr_pressure_wish *wish, short *ret_events);

/* After POLLIN: false if nothing will come any more. */
bool qr_pressure_discard(int fd);

#endif
