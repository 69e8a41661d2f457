#include "arena.h"

#include "arena/large.h"
#include "arena/policy.h"
#include "arena/vma.h"

#include <errno.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Nodes that this machine need not have: only addresses are looked at. */
static void init_nodes(uint64_t mask)
{
	struct qr_nodes_config config = arena_config(256 * MIB);

	config.nodes = mask;
	cr_assert_eq(qr_nodes_init(&config), 0);
}

static unsigned number(enum qr_policy_kind kind, uint64_t nodes)
{
	int n = qr_policy_number(kind, nodes);

	cr_assert_gt(n, 0);
	return (unsigned)n;
}

static unsigned node_of(struct qr_page *page)
{
	cr_assert(page);
	return qr_page_zone(page)->node;
}

Test(policy, equal_ones_have_one_number_and_there_is_an_end)
{
	unsigned bind, n = 0;

	init_nodes(0xff);
	bind = number(QR_POLICY_BIND, 6);
	cr_assert_eq(number(QR_POLICY_BIND, 6), bind);
	/* nodes that there are not */
	cr_assert_eq(number(QR_POLICY_BIND, 6 | UINT64_C(1) << 40), bind);
	cr_assert_neq(number(QR_POLICY_INTERLEAVE, 6), bind);
	cr_assert_eq(qr_policy_number(QR_POLICY_BIND, 0x100), -EINVAL);
	cr_assert_eq(qr_policy_number(QR_POLICY_INTERLEAVE, 0), -EINVAL);
	while (qr_policy_number(QR_POLICY_BIND, ++n) > 0)
		cr_assert_lt(n, 100u);
	cr_assert_eq(qr_policy_number(QR_POLICY_BIND, n), -ENOSPC);
	cr_assert_eq(number(QR_POLICY_BIND, 6), bind);
}

Test(policy, the_cache_goes_before_the_thread_and_that_before_the_process)
{
	unsigned process, thread, cache;

	init_nodes(0xf);
	process = number(QR_POLICY_INTERLEAVE, 0xf);
	thread = number(QR_POLICY_BIND, 2);
	cache = number(QR_POLICY_BIND, 4);
	cr_assert_eq(qr_policy_in_force(QR_NO_POLICY), QR_NO_POLICY);
	qr_policy_set_process(process);
	cr_assert_eq(qr_policy_in_force(QR_NO_POLICY), process);
	cr_assert(qr_policy_set_thread(thread));
	cr_assert_eq(qr_policy_in_force(QR_NO_POLICY), thread);
	cr_assert_eq(qr_policy_in_force(cache), cache);
	/* the same as everybody's is none of its own */
	cr_assert_not(qr_policy_set_thread(process));
	cr_assert_eq(qr_policy_in_force(QR_NO_POLICY), process);
	cr_assert(qr_policy_set_thread(number(QR_POLICY_LOCAL, 0xf)));
	cr_assert_not(qr_policy_set_thread(QR_NO_POLICY));
}

Test(policy, one_node_has_no_policies)
{
	init_nodes(1);
	qr_policy_set_process(number(QR_POLICY_INTERLEAVE, 1));
	cr_assert_eq(qr_policy_in_force(QR_NO_POLICY), QR_NO_POLICY);
	cr_assert_eq(qr_policy_number(QR_POLICY_BIND, 2), -EINVAL);
}

static void *ask(void *arg)
{
	*(unsigned *)arg = qr_policy_in_force(QR_NO_POLICY);
	return NULL;
}

Test(policy, a_thread_has_its_own)
{
	unsigned others = 99;
	pthread_t thread;

	init_nodes(3);
	cr_assert(qr_policy_set_thread(number(QR_POLICY_BIND, 2)));
	cr_assert_eq(pthread_create(&thread, NULL, ask, &others), 0);
	pthread_join(thread, NULL);
	cr_assert_eq(others, (unsigned)QR_NO_POLICY);
	cr_assert_eq(node_of(qr_policy_run_alloc(10, 0, NULL)), 1u);
}

/* Sizes that come in turn, too, which by number would not be even. */
Test(policy, interleaved_nodes_get_as_many_pages_each)
{
	size_t frames[4] = {0}, all = 0;

	init_nodes(0xf);
	qr_policy_set_process(number(QR_POLICY_INTERLEAVE, 0xd));
	for (int i = 0; i < 200; i++) {
		size_t n = i % 3 ? 8 : 200;

		frames[node_of(qr_policy_run_alloc(n, 0, NULL))] += n;
		all += n;
	}
	cr_assert_eq(frames[1], 0u);
	for (int node = 0; node < 4; node++)
		cr_assert(node == 1 || (frames[node] > all / 3 - 200 &&
					frames[node] < all / 3 + 200),
			  "node %d: %zu of %zu", node, frames[node], all);
	check_zones();
}

Test(policy, bound_requests_end_where_the_nodes_end)
{
	unsigned seen = 0;
	struct qr_page *page;

	init_nodes(0xf);
	cr_assert(qr_policy_set_thread(number(QR_POLICY_BIND, 0xa)));
	while ((page = qr_policy_run_alloc(1000, 0, NULL)))
		seen |= 1u << node_of(page);
	cr_assert_eq(seen, 0xau);
	qr_policy_set_thread(QR_NO_POLICY);
	cr_assert(qr_policy_run_alloc(1000, 0, NULL));
	check_zones();
}

Test(policy, what_stays_with_a_cpu_is_what_suits_the_policy)
{
	unsigned turn, bind, local;

	init_nodes(0xf);
	turn = number(QR_POLICY_INTERLEAVE, 0x5);
	bind = number(QR_POLICY_BIND, 0x2);
	local = number(QR_POLICY_LOCAL, 0xf);
	for (unsigned node = 0; node < 4; node++) {
		cr_assert_eq(qr_policy_suits(QR_NO_POLICY, node, 1), node == 1);
		cr_assert_eq(qr_policy_suits(local, node, 1), node == 1);
		cr_assert_eq(qr_policy_suits(turn, node, 1), !(node % 2));
		cr_assert_eq(qr_policy_suits(bind, node, 0), node == 1);
	}
}

/* The kernel's mode and nodes of the page at @addr; false: it does not say. */
static bool kernel_policy(const void *addr, int *ret_mode, uint64_t *ret_nodes)
{
	uint64_t mask[16] = {0};

	if (syscall(SYS_get_mempolicy, ret_mode, mask, 1024, addr, 2))
		return false;
	*ret_nodes = mask[0];
	return true;
}

enum { DEFAULT, PREFERRED, STRICT, IN_TURN };

Test(policy, a_mapping_has_the_policy_of_whoever_gets_it)
{
	size_t size = 8 * MIB;
	uint64_t nodes;
	void *p, *other;
	int mode;

	/* the kernel takes node 0, the only one that is surely there */
	init_nodes(3);
	qr_policy_set_thread(number(QR_POLICY_BIND, 1));
	p = qr_large_alloc(size, 1, NULL);
	cr_assert(p);
	if (!kernel_policy(p, &mode, &nodes))
		cr_skip_test("a kernel without memory policies");
	cr_assert_eq(mode, STRICT);
	cr_assert_eq(nodes, 1u);
	/* grown, too */
	p = qr_large_realloc(p, 2 * size);
	cr_assert(p);
	cr_assert(kernel_policy((char *)p + 2 * size - 1, &mode, &nodes));
	cr_assert_eq(mode, STRICT);
	cr_assert(qr_large_free(p));
	/* it is cached, but not for others */
	qr_policy_set_thread(number(QR_POLICY_INTERLEAVE, 1));
	other = qr_large_alloc(2 * size, 1, NULL);
	cr_assert(kernel_policy(other, &mode, &nodes));
	cr_assert_eq(mode, IN_TURN);
	qr_policy_set_thread(QR_NO_POLICY);
	other = qr_large_alloc(2 * size, 1, NULL);
	cr_assert(kernel_policy(other, &mode, &nodes));
	cr_assert_eq(mode, DEFAULT);
	qr_policy_set_thread(number(QR_POLICY_BIND, 1));
	cr_assert_eq(qr_large_alloc(2 * size, 1, NULL), p);
	cr_assert(kernel_policy(p, &mode, &nodes));
	cr_assert_eq(mode, STRICT);
}

Test(policy, a_process_that_is_bound_is_bound_by_the_kernel)
{
	struct qr_nodes_config config = arena_config(256 * MIB);
	struct qr_page *page;
	uint64_t nodes;
	void *large;
	int mode;

	config.bound = true;
	cr_assert_eq(qr_nodes_init(&config), 0);
	page = qr_policy_run_alloc(10, 0, NULL);
	large = qr_large_alloc(16 * MIB, 1, NULL);
	cr_assert(page && large);
	if (!kernel_policy(run_bytes(page), &mode, &nodes))
		cr_skip_test("a kernel without memory policies");
	cr_assert_eq(mode, STRICT);
	cr_assert_eq(nodes, 1u);
	cr_assert(kernel_policy(large, &mode, &nodes));
	cr_assert_eq(mode, STRICT);
}

/* Addresses that were kept because there were too many mappings. */
Test(policy, a_parked_mapping_forgets_the_policy_of_its_last_owner)
{
	enum { N = 100 };
	static char *mappings[N];
	size_t size = 5 * MIB;
	uint64_t nodes;
	int mode;

	init_nodes(3);
	qr_large_set_limit(0);
	qr_vma_set_limit(16);
	qr_policy_set_thread(number(QR_POLICY_BIND, 1));
	for (int i = 0; i < N; i++)
		cr_assert_not_null(mappings[i] = qr_large_alloc(size, 1, NULL));
	if (!kernel_policy(mappings[0], &mode, &nodes))
		cr_skip_test("a kernel without memory policies");
	cr_assert_eq(mode, STRICT);
	for (int i = 0; i < N; i += 2)
		cr_assert(qr_large_free(mappings[i]));
	qr_policy_set_thread(QR_NO_POLICY);
	for (int i = 0; i < N / 2; i++) {
		void *p = qr_large_alloc(size, 1, NULL);

		cr_assert(p && kernel_policy(p, &mode, &nodes));
		cr_assert_eq(mode, DEFAULT, "mapping %d", i);
	}
	cr_assert(kernel_policy(mappings[1], &mode, &nodes));
	cr_assert_eq(mode, STRICT);
}
