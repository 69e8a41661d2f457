/*
 * Aborts restartable sequences at every instruction.
 *
 * A child runs one operation again and again; its tracer stops it inside of
 * the sequence and makes the kernel abort there.  Two ways to get inside:
 *
 *	breakpoint	int3 in place of one instruction.  The sequence is in
 *			force; to go on after the stop is to abort, whatever
 *			the tracer does, so single-stepping gets nowhere.
 *	step		stop at the first instruction, take the sequence out
 *			of force (rseq_cs = NULL), step as far as wanted, put
 *			it into force again.  This reaches every turn of a
 *			loop, and finds where instructions begin.
 *
 * Each time the tracer looks whether anything was changed before the abort,
 * sometimes changes the data as a thread that ran meanwhile would have done,
 * and compares what comes of it with the operation's naive twin.
 */
#include "sys/rseq.h"

#include "sys/map.h"
#include "sys/topology.h"

#include <stdio.h>
#include <stdlib.h>

enum { SKIPPED = 77 };

#if defined(__x86_64__)

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHECK(condition, ...)                                    \
	do {                                                     \
		if (!(condition))                                \
			fail(__LINE__, #condition, __VA_ARGS__); \
	} while (0)

enum {
	ROW = 4,
	SLOT = 32, /* of the allocation array; the free one follows */
	ARRAY = 8,
	WORDS = 4, /* that change copies at most */
	MAX_STEPS = 100,
	MAX_PRELUDE = 10000,
	TRIES = 1000,
	MAX_CHANCES = 20, /* in one scenario */
};

/*
 * What an operation reads and writes
 */

struct state {
	struct qr_row row;
	uint64_t slots[2 * ARRAY];
	uint64_t dst[WORDS];
};

/* What change is asked for; push pushes src[0]. */
struct request {
	struct qr_row expect, desired;
	uint64_t src[WORDS];
	size_t n;
	bool other_id;
};

/* Seen by the child and its tracer. */
struct shared {
	uint64_t (*run)(void);
	struct request request;
	uint64_t dst[WORDS];
	uint64_t result;
};

static struct shared *shared;

struct scenario {
	const char *name;
	uint64_t (*run)(void);		       /* the operation */
	uint64_t (*twin)(struct state *state); /* naively */
	struct state before;
	struct request request;
	void (*meanwhile)(struct state *state); /* another thread */
};

/* Where the sequence lies; struct rseq_cs of the kernel. */
struct table {
	uint32_t version, flags;
	uint64_t start, length, abort;
};

static struct {
	const char *scenario, *how;
	size_t step;
	unsigned chances;
	pid_t child;
} now;

static void fail(int line, const char *condition, const char *text)
{
	fprintf(stderr, "rseq_abort.c:%d: %s, %s at step %zu: %s: %s\n", line,
		now.scenario, now.how, now.step, text, condition);
	if (now.child)
		kill(now.child, SIGKILL);
	exit(1);
}

static char *area(ptrdiff_t offset)
{
	char *tp;

	__asm__("movq %%fs:0, %0" : "=r"(tp));
	return tp + offset;
}

/*
 * Operations, out of line so that each has one sequence, and their twins
 */

static QR_NOINLINE uint64_t run_pop(void)
{
	return (uintptr_t)qr_rseq_pop(ROW);
}

static uint64_t twin_pop(struct state *s)
{
	return s->row.at > s->row.al ? s->slots[--s->row.at - SLOT] : 0;
}

static QR_NOINLINE uint64_t run_push(void)
{
	return qr_rseq_push(ROW, (void *)(uintptr_t)shared->request.src[0]);
}

static uint64_t twin_push(struct state *s)
{
	if (s->row.ft >= s->row.fl)
		return false;
	s->slots[s->row.ft++ - SLOT] = shared->request.src[0];
	return true;
}

static uint64_t *region(int32_t id)
{
	return (uint64_t *)(void *)(qr_rseq.regions +
				    (ptrdiff_t)id * QR_REGION_SIZE);
}

static bool same_row(const struct qr_row *a, const struct qr_row *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

static QR_NOINLINE int change_once(void)
{
	const struct request *r = &shared->request;
	int32_t id = qr_rseq_id();
	struct qr_row *row = (struct qr_row *)(void *)&region(id)[ROW];

	return qr_rseq_change(id ^ (r->other_id ? 1 << 20 : 0), row, &r->expect,
			      &r->desired, shared->dst, r->src, r->n);
}

/*
 * An aborted change says MOVED; whoever called it tries again, as often as it
 * takes: the machine may abort it as well.  With another id once again.
 */
static uint64_t run_change(void)
{
	int rc = change_once();

	if (shared->request.other_id)
		return (uint64_t)change_once();
	while (rc == QR_RSEQ_MOVED)
		rc = change_once();
	return (uint64_t)rc;
}

static uint64_t twin_change(struct state *s)
{
	const struct request *r = &shared->request;

	if (r->other_id)
		return (uint64_t)QR_RSEQ_MOVED;
	if (!same_row(&s->row, &r->expect))
		return QR_RSEQ_CHANGED;
	memcpy(s->dst, r->src, r->n * sizeof(r->src[0]));
	s->row = r->desired;
	return 0;
}

static void another_pops(struct state *s)
{
	s->row.at--;
}

static void another_pops_all(struct state *s)
{
	s->row.at = s->row.al;
}

static void another_pushes(struct state *s)
{
	s->slots[s->row.ft++ - SLOT] = 0xa11;
}

static void another_stops_the_row(struct state *s)
{
	s->row.al = UINT32_MAX;
	s->row.fl = 0;
}

/* Three to allocate, two freed, room for two more. */
enum { AT = SLOT + 3, AL = SLOT, FT = SLOT + ARRAY + 2, FL = FT + 2 };

#define IN_USE                                                     \
	.before = {                                                \
		.row = {AT, AL, FT, FL},                           \
		.slots = {0x10, 0x20, 0x30, [ARRAY] = 0x40, 0x50}, \
	}
#define EMPTY .before = {.row = {SLOT, SLOT, SLOT, SLOT}}
#define POP .run = run_pop, .twin = twin_pop
#define PUSH .run = run_push, .twin = twin_push, .request = {.src = {0x60}}
#define EXPECT(...) .expect = {__VA_ARGS__}
#define CHANGE(...)                                               \
	IN_USE, .run = run_change, .twin = twin_change,           \
		.request = {.desired = {FT, SLOT + ARRAY, AL, 3}, \
			    .src = {0xa, 0xb, 0xc, 0xd},          \
			    __VA_ARGS__}

static const struct scenario scenarios[] = {
	{.name = "pop", POP, IN_USE},
	{.name = "pop, another pops", POP, IN_USE, .meanwhile = another_pops},
	{.name = "pop, another pops all",
	 POP,
	 IN_USE,
	 .meanwhile = another_pops_all},
	{.name = "pop, another pushes",
	 POP,
	 IN_USE,
	 .meanwhile = another_pushes},
	{.name = "pop, the row is stopped",
	 POP,
	 IN_USE,
	 .meanwhile = another_stops_the_row},
	{.name = "pop from nothing", POP, EMPTY},
	{.name = "push", PUSH, IN_USE},
	{.name = "push, another pops", PUSH, IN_USE, .meanwhile = another_pops},
	{.name = "push, another pushes",
	 PUSH,
	 IN_USE,
	 .meanwhile = another_pushes},
	{.name = "push, the row is stopped",
	 PUSH,
	 IN_USE,
	 .meanwhile = another_stops_the_row},
	{.name = "push without room", PUSH, EMPTY},
	{.name = "change", CHANGE(EXPECT(AT, AL, FT, FL))},
	{.name = "change, copy 1", CHANGE(EXPECT(AT, AL, FT, FL), .n = 1)},
	{.name = "change, copy 4", CHANGE(EXPECT(AT, AL, FT, FL), .n = 4)},
	{.name = "change, another pops",
	 CHANGE(EXPECT(AT, AL, FT, FL), .n = 4),
	 .meanwhile = another_pops},
	{.name = "change, another pushes",
	 CHANGE(EXPECT(AT, AL, FT, FL), .n = 4),
	 .meanwhile = another_pushes},
	{.name = "change, the row is stopped",
	 CHANGE(EXPECT(AT, AL, FT, FL), .n = 4),
	 .meanwhile = another_stops_the_row},
	{.name = "change with another at", CHANGE(EXPECT(1, AL, FT, FL))},
	{.name = "change with another al", CHANGE(EXPECT(AT, 1, FT, FL))},
	{.name = "change with another ft", CHANGE(EXPECT(AT, AL, 1, FL))},
	{.name = "change with another fl", CHANGE(EXPECT(AT, AL, FT, 1))},
	{.name = "change on another CPU",
	 CHANGE(EXPECT(AT, AL, FT, FL), .other_id = true)},
};

/*
 * The child's memory.  What is shared lies at the same addresses; the rest,
 * its text and its rseq area, is reached by ptrace.
 */

static uint64_t peek(const void *addr)
{
	long word;

	errno = 0;
	word = ptrace(PTRACE_PEEKDATA, now.child, addr, NULL);
	CHECK(!errno, "peek");
	return (uint64_t)word;
}

static void poke(void *addr, uint64_t word)
{
	CHECK(ptrace(PTRACE_POKEDATA, now.child, addr, word) == 0, "poke");
}

static int32_t child_id(void)
{
	return (int32_t)peek(area(qr_rseq.id_offset));
}

/* Put a breakpoint at @ip, or what was there before: returns that. */
static uint64_t put_text(uint64_t ip, uint64_t text)
{
	void *at = (void *)(uintptr_t)ip;
	uint64_t old = peek(at);

	poke(at, text);
	return old;
}

static uint64_t put_breakpoint(uint64_t ip)
{
	uint64_t text = peek((void *)(uintptr_t)ip);

	put_text(ip, (text & ~UINT64_C(0xff)) | 0xcc);
	return text;
}

static uint64_t child_ip(void)
{
	struct user_regs_struct regs;

	CHECK(ptrace(PTRACE_GETREGS, now.child, NULL, &regs) == 0, "regs");
	return regs.rip;
}

static void set_child_ip(uint64_t ip)
{
	struct user_regs_struct regs;

	CHECK(ptrace(PTRACE_GETREGS, now.child, NULL, &regs) == 0, "regs");
	regs.rip = ip;
	CHECK(ptrace(PTRACE_SETREGS, now.child, NULL, &regs) == 0, "regs");
}

/* Let the child go on; the signal that stops it. */
static int resume(int request)
{
	int status;

	CHECK(ptrace(request, now.child, NULL, NULL) == 0, "resume");
	CHECK(waitpid(now.child, &status, 0) == now.child, "wait");
	CHECK(WIFSTOPPED(status), "the child ended");
	return WSTOPSIG(status);
}

static void write_state(int32_t id, const struct state *s)
{
	memcpy(&region(id)[ROW], &s->row, sizeof(s->row));
	memcpy(&region(id)[SLOT], s->slots, sizeof(s->slots));
	memcpy(shared->dst, s->dst, sizeof(s->dst));
}

static void read_state(int32_t id, struct state *ret_s)
{
	memset(ret_s, 0, sizeof(*ret_s));
	memcpy(&ret_s->row, &region(id)[ROW], sizeof(ret_s->row));
	memcpy(ret_s->slots, &region(id)[SLOT], sizeof(ret_s->slots));
	memcpy(ret_s->dst, shared->dst, sizeof(ret_s->dst));
}

/* What a sequence may write before it commits is nobody's. */
static void check_unchanged(int32_t id, const struct state *before)
{
	struct state s;

	read_state(id, &s);
	CHECK(same_row(&s.row, &before->row), "the row changed");
	for (unsigned i = 0; i < 2 * ARRAY; i++)
		CHECK(s.slots[i] == before->slots[i] ||
			      SLOT + i == before->row.ft,
		      "a slot in use changed");
}

/* What the twin makes of @before; returns its result. */
static uint64_t check_committed(int32_t id, const struct scenario *scenario,
				const struct state *before)
{
	struct state want = *before, got;
	uint64_t result = scenario->twin(&want);

	read_state(id, &got);
	CHECK(same_row(&got.row, &want.row), "another row");
	for (unsigned i = 0; i < 2 * ARRAY; i++)
		CHECK(got.slots[i] == want.slots[i] || SLOT + i == want.row.ft,
		      "another slot");
	if (result == 0)
		CHECK(memcmp(got.dst, want.dst, sizeof(got.dst)) == 0,
		      "another copy");
	return result;
}

static void check_outcome(int32_t id, const struct scenario *scenario,
			  const struct state *before)
{
	uint64_t result = check_committed(id, scenario, before);

	CHECK(shared->result == result, "another result");
}

/*
 * A child at rest stands at its SIGSTOP.  Every round begins and ends there.
 */

static void start_round(int32_t id, const struct scenario *scenario)
{
	write_state(id, &scenario->before);
	shared->request = scenario->request;
	shared->run = scenario->run;
	shared->result = 0xdead;
}

/* To the breakpoint at @ip, and behind it as if it were not there. */
static bool run_into(uint64_t ip)
{
	uint64_t text = put_breakpoint(ip);
	int signal = resume(PTRACE_CONT);

	put_text(ip, text);
	if (signal == SIGSTOP) /* aborted by chance, before it was there */
		return false;
	CHECK(signal == SIGTRAP && child_ip() == ip + 1, "another stop");
	set_child_ip(ip);
	return true;
}

/* The machine's own doing, a round is repeated: it does not go on for ever. */
static void repeat(const char *why)
{
	CHECK(now.chances++ < MAX_CHANCES, why);
}

/*
 * The child stands inside of a sequence that is in force: it aborts when it
 * goes on.  Then it runs to the end.  False: the next try was aborted too.
 */
static bool abort_here(int32_t id, const struct table *table,
		       const struct scenario *scenario)
{
	char *cs = area(qr_rseq.cs_offset);
	struct state s;

	check_unchanged(id, &scenario->before);
	CHECK(run_into(table->abort), "not aborted");
	check_unchanged(id, &scenario->before);
	CHECK(peek(cs) == 0, "still in force");
	read_state(id, &s);
	if (scenario->meanwhile) {
		scenario->meanwhile(&s);
		write_state(id, &s);
	}
	/* every operation here is tried again, and again in force */
	if (!run_into(table->start))
		return false;
	CHECK(peek(cs) == (uintptr_t)table, "not in force again");
	poke(cs, 0); /* or the stop itself aborts it */
	CHECK(resume(PTRACE_CONT) == SIGSTOP, "another stop");
	check_outcome(id, scenario, &s);
	return true;
}

static bool inside(const struct table *table, uint64_t ip)
{
	return ip - table->start < table->length;
}

/* The sequence is in force from its first instruction on, or it has a gap. */
static void check_beginning(int32_t id, const struct table *table,
			    const struct scenario *scenario)
{
	char *cs = area(qr_rseq.cs_offset);
	size_t n = 0;

	start_round(id, scenario);
	poke(cs, 0); /* what the last round left */
	while (peek(cs) != (uintptr_t)table) {
		CHECK(n++ < MAX_PRELUDE, "never in force");
		CHECK(resume(PTRACE_SINGLESTEP) == SIGTRAP, "another stop");
	}
	CHECK(child_ip() == table->start, "in force before it begins");
	CHECK(resume(PTRACE_CONT) == SIGSTOP, "another stop");
	check_outcome(id, scenario, &scenario->before);
}

/* The sequence was left: there is nothing that could be aborted. */
static bool run_to_end(int32_t id, const struct table *table,
		       const struct scenario *scenario)
{
	check_committed(id, scenario, &scenario->before);
	if (run_into(table->abort)) {
		/* with another id there is another try, aborted by chance */
		CHECK(scenario->request.other_id, "aborted behind its end");
		CHECK(resume(PTRACE_CONT) == SIGSTOP, "another stop");
		return false;
	}
	check_outcome(id, scenario, &scenario->before);
	return true;
}

/*
 * Step to the instruction that is number @now.step from the first and abort
 * there.  *@ret_ip: where it is; 0 when the sequence is over by then, with all
 * done that there was to do, so that nothing aborts.  False: once more.
 */
static bool abort_after_steps(int32_t id, const struct table *table,
			      const struct scenario *scenario, uint64_t *ret_ip)
{
	char *cs = area(qr_rseq.cs_offset);
	uint64_t ip;

	do {
		start_round(id, scenario);
	} while (!run_into(table->start));
	CHECK(peek(cs) == (uintptr_t)table, "not in force");
	poke(cs, 0);
	for (size_t i = 0; i < now.step; i++)
		CHECK(resume(PTRACE_SINGLESTEP) == SIGTRAP, "another stop");
	poke(cs, (uintptr_t)table);
	ip = child_ip();
	*ret_ip = inside(table, ip) ? ip : 0;
	return *ret_ip ? abort_here(id, table, scenario)
		       : run_to_end(id, table, scenario);
}

static bool abort_at_breakpoint(int32_t id, uint64_t ip,
				const struct table *table,
				const struct scenario *scenario)
{
	do {
		start_round(id, scenario);
	} while (!run_into(ip));
	CHECK(peek(area(qr_rseq.cs_offset)) == (uintptr_t)table,
	      "not in force");
	return abort_here(id, table, scenario);
}

static size_t try_scenario(const struct table *table,
			   const struct scenario *scenario)
{
	uint64_t ips[MAX_STEPS];
	int32_t id = child_id();
	size_t n = 0;

	now.scenario = scenario->name;
	now.how = "beginning";
	now.chances = 0;
	now.step = 0;
	check_beginning(id, table, scenario);
	now.how = "step";
	for (now.step = 0;; now.step++) {
		CHECK(n < MAX_STEPS, "no end");
		CHECK(child_id() == id, "the id wanders");
		while (!abort_after_steps(id, table, scenario, &ips[n]))
			repeat("not tried again");
		if (!ips[n])
			break;
		n++;
	}
	CHECK(n >= 2, "hardly a sequence");
	now.how = "breakpoint";
	for (now.step = 0; now.step < n; now.step++) {
		while (!abort_at_breakpoint(id, ips[now.step], table, scenario))
			repeat("not tried again");
	}
	return n;
}

/* The kernel leaves the pointer where it is until it next looks at it. */
static const struct table *find_table(const struct scenario *scenario)
{
	uint64_t table = 0;

	now.scenario = scenario->name;
	now.how = "not stopped";
	now.step = 0;
	for (int i = 0; i < TRIES && !table; i++) {
		start_round(qr_rseq_id(), scenario);
		scenario->run();
		memcpy(&table, area(qr_rseq.cs_offset), sizeof(table));
	}
	CHECK(table, "no table");
	return (const struct table *)(uintptr_t)table;
}

static void be_child(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL))
		_exit(SKIPPED);
	for (;;) {
		raise(SIGSTOP);
		shared->result = shared->run();
	}
}

static void stay_on_one_cpu(void)
{
	unsigned node;
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(qr_topology_cpu(&node), &one);
	sched_setaffinity(0, sizeof(one), &one);
}

static void *map_shared(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	CHECK(p != MAP_FAILED, "no memory");
	return p;
}

static int try_mode(enum qr_rseq_mode mode)
{
	struct qr_topology topology;
	int status;

	stay_on_one_cpu();
	qr_rseq_init(mode, true);
	if (qr_rseq.mode == QR_RSEQ_OFF)
		return SKIPPED;
	qr_topology_read(&topology);
	shared = map_shared(sizeof(*shared));
	qr_rseq.regions = (char *)map_shared((size_t)(topology.nr_cpu_ids + 2)
					     << QR_REGION_SHIFT) +
			  2 * QR_REGION_SIZE;
	now.child = fork();
	if (now.child == 0)
		be_child();
	CHECK(waitpid(now.child, &status, 0) == now.child, "wait");
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	for (size_t i = 0; i < QR_ARRAY_SIZE(scenarios); i++) {
		const struct table *table = find_table(&scenarios[i]);
		size_t n = try_scenario(table, &scenarios[i]);

		printf("%s, %s: aborted at each of %zu instructions\n",
		       qr_rseq_mode_name(), scenarios[i].name, n);
	}
	kill(now.child, SIGKILL);
	return 0;
}

/* In a process of its own, because it registers once. */
static int status_of_mode(enum qr_rseq_mode mode)
{
	int status;
	pid_t tester;

	fflush(NULL);
	tester = fork();
	if (tester == 0)
		exit(try_mode(mode));
	if (waitpid(tester, &status, 0) == tester && WIFEXITED(status))
		return WEXITSTATUS(status);
	fprintf(stderr, "rseq_abort.c: killed, status %#x\n", (unsigned)status);
	return 1;
}

int main(void)
{
	int rc = status_of_mode(QR_RSEQ_CID);

	return rc ? rc : status_of_mode(QR_RSEQ_CPU);
}

#else

int main(void)
{
	return SKIPPED;
}

#endif
