#include "base/list.h"

#include <criterion/criterion.h>

struct item {
	int value;
	struct qr_list link;
};

Test(list, a_new_list_is_empty_and_points_to_itself)
{
	struct qr_list head = QR_LIST_INIT(head);

	cr_assert(qr_list_empty(&head));
	cr_assert_eq(head.prev, &head);
}

Test(list, items_leave_in_the_order_of_the_end_they_were_added_to)
{
	struct qr_list head = QR_LIST_INIT(head);
	struct item a = { .value = 1 }, b = { .value = 2 }, c = { .value = 3 };

	qr_list_add_tail(&b.link, &head);
	qr_list_add_tail(&c.link, &head);
	qr_list_add(&a.link, &head);
	cr_assert_eq(QR_LIST_FIRST(&head, struct item, link)->value, 1);
	cr_assert_eq(QR_LIST_LAST(&head, struct item, link)->value, 3);

	int expected = 1;
	QR_LIST_FOR_EACH(node, safe, &head) {
		cr_assert_eq(QR_CONTAINER_OF(node, struct item, link)->value,
			     expected++);
		qr_list_del(node);
	}
	cr_assert_eq(expected, 4);
	cr_assert(qr_list_empty(&head));
}

Test(list, a_deleted_node_is_on_no_list)
{
	struct qr_list head = QR_LIST_INIT(head);
	struct item a = { .value = 1 };

	qr_list_add(&a.link, &head);
	qr_list_del(&a.link);
	cr_assert(qr_list_empty(&a.link));
	cr_assert(qr_list_empty(&head));
}
