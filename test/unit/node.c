#include "arena.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/*
 * A tree like /sys with the distances of some nodes.
 */
static char root[] = "/tmp/quarry-nodes-XXXXXX";

static void write_file(const char *path, const char *text)
{
	char full[256];
	FILE *f;

	snprintf(full, sizeof(full), "%s/sys/devices/system/node/%s", root,
		 path);
	for (char *p = full + strlen(root) + 1; (p = strchr(p, '/')); p++) {
		*p = '\0';
		mkdir(full, 0700);
		*p = '/';
	}
	f = fopen(full, "w");
	cr_assert(f);
	fputs(text, f);
	fclose(f);
}

static void remove_tree(void)
{
	char command[64];

	snprintf(command, sizeof(command), "rm -r %s", root);
	cr_assert_eq(system(command), 0);
}

/* Nodes 0 to 3 in a row: 0 - 1 - 2 - 3; node 2 has CPUs but no memory. */
static void make_row_of_nodes(void)
{
	cr_assert(mkdtemp(root));
	write_file("online", "0-3\n");
	write_file("node0/distance", "10 20 30 40\n");
	write_file("node1/distance", "20 10 20 30\n");
	write_file("node2/distance", "30 20 10 15\n");
	write_file("node3/distance", "40 30 15 10\n");
}

static unsigned node_of(struct qr_page *page)
{
	return qr_page_zone(page)->node;
}

Test(node, pages_come_from_the_node_that_is_asked_for)
{
	struct qr_nodes_config config = arena_config(256 * MIB);

	config.nodes = 0xb;
	cr_assert_eq(qr_nodes_init(&config), 0);
	cr_assert_eq(qr_nr_nodes(), 3);
	cr_assert_eq(qr_nodes_mask(), 0xb);
	for (unsigned node = 0; node < 4; node++) {
		if (node == 2)
			continue;
		cr_assert_eq(node_of(qr_run_alloc(node, 20, 0, NULL)), node);
		cr_assert_eq(node_of(qr_run_alloc(node, 1000, 5, NULL)), node);
		cr_assert_eq(node_of(qr_block_alloc(node, node, 0)), node);
		cr_assert_eq(node_of(qr_block_alloc(node, node, 5)), node);
	}
	check_zones();
}

Test(node, a_node_without_memory_is_served_by_the_nearest_that_has_some)
{
	struct qr_nodes_config config = arena_config(256 * MIB);

	make_row_of_nodes();
	config.nodes = 0xb;
	config.sysfs_root = root;
	cr_assert_eq(qr_nodes_init(&config), 0);
	cr_assert_eq(qr_node_with_memory(0), 0);
	cr_assert_eq(qr_node_with_memory(1), 1);
	cr_assert_eq(qr_node_with_memory(2), 3);
	cr_assert_eq(qr_node_with_memory(3), 3);
	remove_tree();
}

Test(node, one_node_is_the_node_of_all)
{
	struct qr_nodes_config config = arena_config(64 * MIB);

	config.nodes = 4;
	cr_assert_eq(qr_nodes_init(&config), 0);
	for (unsigned node = 0; node < 200; node++)
		cr_assert_eq(qr_node_with_memory(node), 2);
	cr_assert(qr_run_alloc(2, 10, 0, NULL));
	cr_assert(qr_block_alloc(2, 0, 0));
}

Test(node, a_node_that_is_full_falls_back_along_the_distances)
{
	struct qr_nodes_config config = arena_config(48 * MIB);
	static const unsigned row[] = {0, 1, 3};
	unsigned at = 0;
	struct qr_page *page;

	make_row_of_nodes();
	config.nodes = 0xb;
	config.sysfs_root = root;
	cr_assert_eq(qr_nodes_init(&config), 0);
	while ((page = qr_run_alloc(0, 100, 0, NULL))) {
		while (at < 3 && node_of(page) != row[at])
			at++;
		cr_assert_lt(at, 3, "out of turn: node %u", node_of(page));
	}
	cr_assert_eq(at, 2, "ended on node %u", row[at]);
	check_zones();
	remove_tree();
}

static struct qr_numastat stat_of(unsigned node)
{
	struct qr_numastat stat;

	qr_node_read_stat(node, &stat);
	return stat;
}

Test(node, pages_are_counted_as_the_kernel_counts_them)
{
	struct qr_nodes_config config = arena_config(48 * MIB);
	struct qr_place turn = {.node = 1, .home = 0, .nodes = 3,
				.interleave = true};
	size_t pages = 0, more;

	config.nodes = 3;
	cr_assert_eq(qr_nodes_init(&config), 0);
	cr_assert(qr_run_alloc_at(&turn, 1000, 0, NULL));
	cr_assert_eq(stat_of(1).interleave_hit, 1000u);
	cr_assert_eq(stat_of(1).hit, 1000u);
	cr_assert_eq(stat_of(1).other, 1000u);
	cr_assert_eq(stat_of(1).local, 0u);
	while (qr_run_alloc(0, 1000, 0, NULL))
		pages += 1000;
	more = pages - stat_of(0).hit;
	cr_assert_gt(more, 0u);
	cr_assert_eq(stat_of(0).local, stat_of(0).hit);
	cr_assert_eq(stat_of(0).foreign, more);
	cr_assert_eq(stat_of(0).miss, 0u);
	cr_assert_eq(stat_of(0).other, 0u);
	cr_assert_eq(stat_of(1).hit, 1000u);
	cr_assert_eq(stat_of(1).miss, more);
	cr_assert_eq(stat_of(1).other, 1000 + more);
	cr_assert_eq(stat_of(1).foreign, 0u);
	cr_assert_eq(stat_of(1).interleave_hit, 1000u);
}

Test(node, who_names_the_nodes_gets_none_from_others)
{
	struct qr_nodes_config config = arena_config(64 * MIB);
	struct qr_place place = {.node = 1, .home = 1, .nodes = 6};
	unsigned seen = 0;
	struct qr_page *page;

	config.nodes = 0xf;
	cr_assert_eq(qr_nodes_init(&config), 0);
	while ((page = qr_run_alloc_at(&place, 500, 0, NULL)))
		seen |= 1u << node_of(page);
	while ((page = qr_block_alloc_at(&place, 0, 2)))
		seen |= 1u << node_of(page);
	cr_assert_eq(seen, 6u);
	page = qr_run_alloc(1, 500, 0, NULL);
	cr_assert(page && !(6 >> node_of(page) & 1));
	check_zones();
}

Test(node, the_nearest_comes_first_from_any_node)
{
	struct qr_nodes_config config = arena_config(64 * MIB);
	struct qr_page *page;
	unsigned first_other = 99;

	make_row_of_nodes();
	config.nodes = 0xf;
	config.sysfs_root = root;
	cr_assert_eq(qr_nodes_init(&config), 0);
	while (first_other == 99 && (page = qr_run_alloc(2, 50, 0, NULL))) {
		if (node_of(page) != 2)
			first_other = node_of(page);
	}
	cr_assert_eq(first_other, 3);
	remove_tree();
}

Test(node, a_full_span_is_followed_by_another)
{
	enum { N = 1500 };
	struct qr_nodes_config config = arena_config(16 * MIB);
	static struct qr_page *pages[N];

	config.max_spans = QR_MAX_SPANS;
	cr_assert_eq(qr_nodes_init(&config), 0);
	for (size_t i = 0; i < N; i++) {
		pages[i] = qr_run_alloc(0, 30, 0, NULL);
		cr_assert(pages[i], "run %zu", i);
		touch(pages[i], 30);
		cr_assert_eq(qr_span_find(qr_page_addr(pages[i])),
			     qr_page_zone(pages[i])->span);
	}
	cr_assert_gt(atomic_load(&qr_nr_spans), 10);
	check_zones();
	for (size_t i = 0; i < N; i++)
		cr_assert(qr_run_free(pages[i]));
	qr_nodes_trim(0);
	cr_assert_eq(frames_in_use(), 0);
	check_zones();
	/* blocks come from later spans as well, through the pcp */
	for (size_t i = 0; i < 20000; i++)
		cr_assert(qr_block_alloc(0, 0, 0), "block %zu", i);
	check_zones();
}

Test(node, when_all_spans_are_full_there_is_nothing_until_something_is_freed)
{
	struct qr_nodes_config config = arena_config(12 * MIB);
	static struct qr_page *pages[64];
	size_t n = 0;

	config.max_spans = 3;
	cr_assert_eq(qr_nodes_init(&config), 0);
	while ((pages[n] = qr_run_alloc(0, QR_MAX_BLOCK_FRAMES, 0, NULL)))
		n++;
	cr_assert_eq(atomic_load(&qr_nr_spans), 3);
	cr_assert_eq(n, 6);
	cr_assert_null(qr_run_alloc(0, 1, 0, NULL));
	cr_assert_null(qr_block_alloc(0, 0, 0));
	cr_assert(qr_run_free(pages[3]));
	cr_assert_eq(qr_run_alloc(0, QR_MAX_BLOCK_FRAMES, 0, NULL), pages[3]);
	check_zones();
}

/* A large run that does not fit must not close the span for small ones. */
Test(node, the_rest_of_a_span_serves_small_requests)
{
	struct qr_nodes_config config = arena_config(16 * MIB);
	struct qr_zone *zone;
	unsigned n = 0;

	cr_assert_eq(qr_nodes_init(&config), 0);
	zone = &qr_zones[0];
	cr_assert(qr_block_alloc(0, 0, 0));
	while (qr_run_alloc(0, QR_MAX_BLOCK_FRAMES, 0, NULL))
		;
	check_zones();
	while (qr_run_alloc(0, 1, 0, NULL))
		n++;
	check_zones();
	cr_assert_eq(zone->nr_free, 0);
	cr_assert_eq(zone->frontier, zone->end);
	cr_assert_eq(n, QR_MAX_BLOCK_FRAMES - 1);
}

Test(node, what_no_block_can_hold_is_refused)
{
	arena_init(64 * MIB);
	cr_assert_null(qr_run_alloc(0, QR_MAX_BLOCK_FRAMES + 1, 0, NULL));
	cr_assert_null(qr_run_alloc(0, SIZE_MAX, 0, NULL));
	cr_assert_null(qr_run_alloc(0, 0, 0, NULL));
	cr_assert_null(qr_run_alloc(0, 1, QR_MAX_ORDER + 1, NULL));
}

Test(node, a_run_has_a_frame_byte_while_it_lives)
{
	struct qr_zone *zone = arena_init(64 * MIB);
	struct qr_page *page = qr_run_alloc(0, 10, 0, NULL);
	uint8_t *byte = &zone->span->frame_bytes[qr_zone_frame(zone, page)];

	cr_assert_eq(byte[0], QR_FRAME_RUN);
	for (int i = 1; i < 10; i++)
		cr_assert_eq(byte[i], QR_FRAME_NONE);
	qr_run_shrink(page, 5);
	cr_assert_eq(byte[0], QR_FRAME_RUN);
	cr_assert(qr_run_extend(page, 8));
	cr_assert_eq(byte[0], QR_FRAME_RUN);
	cr_assert(qr_run_free(page));
	cr_assert_eq(byte[0], QR_FRAME_NONE);
}

Test(node, a_run_shrinks_and_grows_where_it_lies)
{
	struct qr_zone *zone = arena_init(64 * MIB);
	struct qr_page *page = qr_run_alloc(0, 1000, 0, NULL), *other;

	qr_run_shrink(page, 1000);
	cr_assert_eq(page->nr_pages, 1000);
	qr_run_shrink(page, 11);
	cr_assert_eq(page->nr_pages, 11);
	check_zones();
	cr_assert(qr_run_extend(page, 1024));
	cr_assert_eq(page->nr_pages, 1024);
	cr_assert_not(qr_run_extend(page, 1025));
	cr_assert(qr_run_extend(page, 1));
	cr_assert_eq(page->nr_pages, 1024);
	qr_run_shrink(page, 512);
	other = qr_zone_alloc(zone, 300, 0, QR_MIGRATE_RUN, NULL);
	cr_assert_eq(other, page + 512);
	cr_assert_not(qr_run_extend(page, 513));
	check_zones();
	qr_zone_free(zone, other, 300);
	cr_assert(qr_run_free(page));
	qr_pcps_drain();
	cr_assert_eq(frames_in_use(), 0);
	check_zones();
}

/*
 * Limits
 */

static size_t virtual_size(void)
{
	return proc_bytes("/proc/self/status", "VmSize:");
}

/* As a program whose own code and stack take 12 MiB would see it. */
Test(node, most_of_a_limited_address_space_can_be_had)
{
	struct qr_nodes_config config = arena_config(256 * MIB);
	struct qr_page *page;
	size_t bytes = 0;

	need_limit(RLIMIT_AS);
	set_limit(RLIMIT_AS, virtual_size() + (256 - 12) * MIB);
	config.extended = true;
	config.max_spans = QR_MAX_SPANS;
	cr_assert_eq(qr_nodes_init(&config), 0);
	/* a slab of order 4 holds six objects of 10 000 bytes */
	while ((page = qr_block_alloc(0, 0, 4))) {
		touch(page, 16);
		bytes += 6 * 10000;
	}
	fprintf(stderr, "10 000-byte objects under 256 MiB: %.1f MiB\n",
		(double)bytes / (double)MIB);
	cr_assert_geq(bytes, 160 * MIB);
	check_zones();
}

Test(node, a_small_address_space_works_too)
{
	struct qr_nodes_config config = arena_config(64 * MIB);
	size_t bytes = 0;
	struct qr_page *page;

	need_limit(RLIMIT_AS);
	set_limit(RLIMIT_AS, virtual_size() + 32 * MIB);
	config.extended = true;
	config.max_spans = QR_MAX_SPANS;
	cr_assert_eq(qr_nodes_init(&config), 0);
	while ((page = qr_run_alloc(0, 16, 0, NULL)))
		bytes += 16 * QR_FRAME_SIZE;
	cr_assert_geq(bytes, 29 * MIB, "%zu KiB", bytes >> 10);
	check_zones();
}

Test(node, without_address_space_init_says_so)
{
	struct qr_nodes_config config = arena_config(64 * MIB);

	need_limit(RLIMIT_AS);
	set_limit(RLIMIT_AS, virtual_size() + 64 * 1024);
	cr_assert_eq(qr_nodes_init(&config), -ENOMEM);
	config.extended = true;
	cr_assert_eq(qr_nodes_init(&config), -ENOMEM);
}

/*
 * Whatever call it is that fails, nothing is lost, and once the limit is
 * raised, there is more to be had.
 */
static void fill_under_data_limit(size_t bytes)
{
	struct draw draw = {bytes | 1};
	size_t n = 0, more = 0;

	set_limit(RLIMIT_DATA,
		  proc_bytes("/proc/self/status", "VmData:") + bytes);
	arena_init(1024 * MIB);
	for (unsigned misses = 0; misses < 100;) {
		size_t frames = 1 + draw_below(&draw, 200);

		if (qr_run_alloc(0, frames, 0, NULL))
			n += frames;
		else
			misses++;
	}
	check_zones();
	/* half of the limit at least can be used, above a little */
	if (bytes >= MIB)
		cr_assert_geq(n * QR_FRAME_SIZE, bytes / 2, "%zu of %zu", n,
			      bytes);
	set_limit(RLIMIT_DATA, RLIM_INFINITY);
	for (; more < 10000; more += 100)
		cr_assert(qr_run_alloc(0, 100, 0, NULL));
	check_zones();
}

Test(node, any_commit_may_fail)
{
	need_limit(RLIMIT_DATA);
	for (size_t kib = 0; kib < 40 * 1024; kib += kib / 4 + 60) {
		pid_t child = fork();
		int status;

		if (child == 0) {
			fill_under_data_limit(kib << 10);
			_exit(0);
		}
		cr_assert_eq(waitpid(child, &status, 0), child);
		cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0,
			  "with %zu KiB", kib);
	}
}

Test(node, locked_memory_costs_what_is_used)
{
	enum { N = 160, RUN = 64 };
	const size_t used = (size_t)N * RUN * QR_FRAME_SIZE;
	size_t before, cost;

	need_counted_memory();
	if (mlockall(MCL_CURRENT | MCL_FUTURE))
		cr_skip_test("no memory may be locked here");
	before = anonymous();
	arena_init(16384 * MIB);
	for (int i = 0; i < N; i++)
		touch(qr_run_alloc(0, RUN, 0, NULL), RUN);
	cost = anonymous() - before;
	fprintf(stderr, "%zu MiB in use under mlockall: %.1f MiB\n", used / MIB,
		(double)cost / (double)MIB);
	cr_assert_geq(cost, used);
	cr_assert_leq(cost, used / 4 * 5 + 2 * MIB);
	check_zones();
}

Test(node, init_and_the_first_pages_touch_little)
{
	size_t before, cost;

	need_counted_memory();
	before = anonymous();
	arena_init(65536 * MIB);
	qr_block_alloc(0, 0, 0);
	qr_block_alloc(0, 0, 3);
	qr_run_alloc(0, 10, 0, NULL);
	cost = anonymous() - before;
	fprintf(stderr, "init and three allocations touch %zu KiB\n",
		cost >> 10);
	cr_assert_leq(cost, 48 * 1024);
}

/*
 * Threads
 */

enum { THREADS = 4, SLOTS = 64, STEPS = 5000 };

static struct qr_page *_Atomic shared_runs[SLOTS];
static struct qr_page *_Atomic shared_blocks[SLOTS];
static atomic_bool done;

static void step_run(struct draw *draw)
{
	struct qr_page *page = NULL;
	bool clean;

	if (draw_below(draw, 2)) {
		size_t n =
			1 + draw_below(draw, draw_below(draw, 200) ? 40 : 1024);

		page = qr_run_alloc(0, n, (unsigned)draw_below(draw, 5),
				    &clean);
		if (page && clean && *run_bytes(page))
			abort();
		if (page)
			touch(page, n);
	}
	page = atomic_exchange(&shared_runs[draw_below(draw, SLOTS)], page);
	if (!page)
		return;
	if (page->nr_pages > 1 && draw_below(draw, 4) == 0)
		qr_run_shrink(page, 1 + draw_below(draw, page->nr_pages));
	if (draw_below(draw, 4) == 0)
		qr_run_extend(page, 1 + draw_below(draw, 60));
	if (!qr_run_free(page))
		abort();
}

static void step_block(struct draw *draw)
{
	size_t slot = draw_below(draw, SLOTS);
	unsigned order = (unsigned)slot % 6;
	unsigned cpu = (unsigned)draw_below(draw, 4);
	struct qr_page *page = NULL;

	if (draw_below(draw, 2)) {
		page = qr_block_alloc(0, cpu, order);
		if (page)
			*run_bytes(page) = 1;
	}
	page = atomic_exchange(&shared_blocks[slot], page);
	if (page)
		qr_block_free(page, cpu, order);
}

static void *work(void *arg)
{
	struct draw draw = {(uintptr_t)arg};

	for (int step = 0; step < STEPS; step++) {
		if (draw_below(&draw, 2))
			step_run(&draw);
		else
			step_block(&draw);
	}
	return NULL;
}

static void *trim(void *arg)
{
	size_t keep = 0;

	while (!atomic_load(&done)) {
		qr_nodes_trim(keep);
		keep = MIB - keep;
		sched_yield();
	}
	return arg;
}

static void free_shared(void)
{
	for (unsigned i = 0; i < SLOTS; i++) {
		if (shared_runs[i])
			cr_assert(qr_run_free(shared_runs[i]));
		if (shared_blocks[i])
			qr_block_free(shared_blocks[i], 0, i % 6);
		shared_runs[i] = shared_blocks[i] = NULL;
	}
	qr_nodes_trim(0);
}

Test(node, threads_hand_pages_to_each_other_while_one_trims)
{
	struct draw draw = draw_init("threads");
	struct qr_nodes_config config = arena_config(64 * MIB);
	pthread_t threads[THREADS], trimmer;

	config.high = 512 * (size_t)QR_FRAME_SIZE;
	config.max_spans = QR_MAX_SPANS;
	cr_assert_eq(qr_nodes_init(&config), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_create(
			&threads[i], NULL, work,
			(void *)(uintptr_t)(draw_below(&draw, 1 << 30) + 1));
	pthread_create(&trimmer, NULL, trim, NULL);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	atomic_store(&done, true);
	pthread_join(trimmer, NULL);
	check_zones();
	free_shared();
	check_zones();
	cr_assert_eq(frames_in_use(), 0);
}

static void *work_until_done(void *arg)
{
	struct draw draw = {(uintptr_t)arg};

	while (!atomic_load(&done)) {
		step_run(&draw);
		step_block(&draw);
	}
	return NULL;
}

/* In the child, where the other threads are gone. */
static void check_child(void)
{
	struct draw draw = {7};

	for (int i = 0; i < 50; i++) {
		step_run(&draw);
		step_block(&draw);
	}
	qr_nodes_trim(0);
	check_zones();
}

Test(node, the_child_of_a_fork_goes_on)
{
	struct qr_nodes_config config = arena_config(256 * MIB);
	pthread_t threads[2];

	config.high = 512 * (size_t)QR_FRAME_SIZE;
	cr_assert_eq(qr_nodes_init(&config), 0);
	for (int i = 0; i < 2; i++)
		pthread_create(&threads[i], NULL, work_until_done,
			       (void *)(uintptr_t)(i + 1));
	for (int round = 0; round < 30; round++) {
		int status;
		pid_t child;

		qr_lock_allow_same_rank(true);
		qr_nodes_lock_all();
		child = fork();
		qr_nodes_unlock_all(child == 0);
		qr_lock_allow_same_rank(false);
		if (child == 0) {
			alarm(20);
			check_child();
			_exit(0);
		}
		cr_assert_eq(waitpid(child, &status, 0), child);
		cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0,
			  "round %d: status %#x", round, (unsigned)status);
	}
	atomic_store(&done, true);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	check_zones();
}
