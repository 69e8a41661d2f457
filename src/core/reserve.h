/*
 * The reserve: what is left for a program that has been refused memory.
 *
 * Who is told NULL often needs a little: for a message, to unwind, in a
 * std::new_handler.  So that much is held back until somebody has been
 * refused, and then goes to those who want small objects:
 *
 *	addresses	a mapping, never touched: it costs no memory, but
 *			makes room under RLIMIT_AS, RLIMIT_DATA and strict
 *			overcommit when it is unmapped
 *	below a hard	the bar stands lower by as much (core/limit.c)
 *	limit
 *
 * Refused is who was told so, not long ago: the memory in use has not grown
 * by more than the reserve since, nor was as much given back.
 */
#ifndef QR_CORE_RESERVE_H
#define QR_CORE_RESERVE_H

#include <stdbool.h>
#include <stddef.h>

enum {
	QR_RESERVE = 1 << 19,	   /* bytes: two steps of a zone's growth */
	QR_RESERVE_SHARE = 5,	   /* at most 1/32 of a hard limit */
	QR_RESERVE_OBJECT = 1 << 12, /* the largest object that it is for */
};

/* Hold the addresses, if they are not held yet. */
void qr_reserve_fill(void);

/* @bytes are free again: hold the addresses again, if they were given up. */
void qr_reserve_note_freed(size_t bytes);

/* Give them up: true if they were held. */
bool qr_reserve_open(void);

/* Somebody is told NULL. */
void qr_reserve_note_refusal(void);

/* May the reserve be opened for @size bytes? */
bool qr_reserve_is_for(size_t size);

#endif
