/*
 * Circular doubly linked lists, as in the kernel: the head is a node too,
 * so neither adding nor removing has a special case.
 *
 * A node that is on no list points to itself (qr_list_init, qr_list_del).
 * The caller brings the locking.
 */
#ifndef QR_BASE_LIST_H
#define QR_BASE_LIST_H

#include "base/compiler.h"

#include <stdbool.h>

struct qr_list {
	struct qr_list *next;
	struct qr_list *prev;
};

#define QR_LIST_INIT(name) { &(name), &(name) }

QR_INLINE void qr_list_init(struct qr_list *list)
{
	list->next = list;
	list->prev = list;
}

QR_INLINE bool qr_list_empty(const struct qr_list *list)
{
	return list->next == list;
}

QR_INLINE void qr_list_add_between(struct qr_list *node,
				   struct qr_list *prev, struct qr_list *next)
{
	node->prev = prev;
	node->next = next;
	prev->next = node;
	next->prev = node;
}

/* Add @node as the first of @head. */
QR_INLINE void qr_list_add(struct qr_list *node, struct qr_list *head)
{
	qr_list_add_between(node, head, head->next);
}

/* Add @node as the last of @head. */
QR_INLINE void qr_list_add_tail(struct qr_list *node, struct qr_list *head)
{
	qr_list_add_between(node, head->prev, head);
}

/* Take @node off its list; it is then on none. */
QR_INLINE void qr_list_del(struct qr_list *node)
{
	node->prev->next = node->next;
	node->next->prev = node->prev;
	qr_list_init(node);
}

#define QR_LIST_FIRST(head, type, member) \
	QR_CONTAINER_OF((head)->next, type, member)

#define QR_LIST_LAST(head, type, member) \
	QR_CONTAINER_OF((head)->prev, type, member)

/* Walk @head; @node may be taken off the list meanwhile. */
#define QR_LIST_FOR_EACH(node, safe, head)                     \
	for (struct qr_list *node = (head)->next,              \
			    *safe = node->next;                \
	     node != (head); node = safe, safe = node->next)

#endif
