/*
 * The memory section of the report is right: what our books count is what the
 * kernel says has memory, and the sum is what the process has of the library.
 * After a burst, with most of it freed, all of it, purged, trimmed, in a child.
 *
 * Every byte is touched, so that nothing that is counted is without memory
 * but the ends of slabs that nobody had yet.
 */
#include "check.h"
#include "quarry.h"

#include <sys/mman.h>
#include <sys/prctl.h>

enum { SLOTS = 1 << 14 };

static void **slots;
static int (*report)(int fd, enum quarry_format format, unsigned sections);
static size_t (*trim)(void);
static size_t outside; /* anonymous memory that is not the library's */

struct sum {
	size_t counted, present;
};

static size_t number_after(const char *text, const char *key)
{
	const char *at = strstr(text, key);

	CHECK(at);
	at += strlen(key);
	if (!strncmp(at, "null", 4))
		skip("no /proc/self/pagemap here");
	return strtoull(at, NULL, 10);
}

static struct sum read_sum(void)
{
	static char text[8192];
	struct sum sum;
	ssize_t n;
	int ends[2];

	CHECK(!pipe(ends));
	CHECK(!report(ends[1], QUARRY_JSON, QUARRY_MEMORY));
	close(ends[1]);
	n = read(ends[0], text, sizeof(text) - 1);
	CHECK(n > 0);
	text[n] = 0;
	close(ends[0]);

	const char *line = strstr(text, "\"part\": \"sum\"");

	CHECK(line);
	sum.counted = number_after(line, "\"counted\": ");
	sum.present = number_after(line, "\"resident\": ") +
		      number_after(line, "\"shared\": ") +
		      number_after(line, "\"swapped\": ");
	return sum;
}

static double apart(size_t a, size_t b)
{
	return a > b ? (double)(a - b) : (double)(b - a);
}

static void compare(const char *when)
{
	struct sum sum = read_sum();
	size_t ours = anonymous() - outside;
	double bar = (double)ours / 50;
	char name[64];

	if (bar < 256 * KIB)
		bar = 256 * KIB;
	snprintf(name, sizeof(name), "books-against-kernel-%s", when);
	figure_at_most(name, apart(sum.counted, sum.present) / KIB, "KiB",
		       bar / KIB);
	snprintf(name, sizeof(name), "sum-against-rss-%s", when);
	figure_at_most(name, apart(sum.present, ours) / KIB, "KiB", bar / KIB);
	printf("figure: counted-%s %.5g MiB\n", when,
	       (double)sum.counted / MIB);
}

static size_t size_of(size_t i)
{
	static const size_t sizes[] = {24, 100, 500, 2000, 9000, 50000};

	return i % 2000 == 7 ? 6 * MIB : sizes[i % 6];
}

static void take(size_t i)
{
	slots[i] = malloc(size_of(i));
	CHECK(slots[i]);
	memset(slots[i], 1, size_of(i));
}

static void give(size_t i)
{
	free(slots[i]);
	slots[i] = NULL;
}

static void in_child(void)
{
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (!pid) {
		compare("in-a-child");
		for (size_t i = 0; i < SLOTS; i += 2)
			give(i);
		compare("freed-in-a-child");
		_exit(0);
	}
	CHECK(!wait_status(pid));
}

static void story(void)
{
	compare("at-first");
	for (size_t i = 0; i < SLOTS / 4; i++)
		take(i);
	compare("growing");
	for (size_t i = SLOTS / 4; i < SLOTS; i++)
		take(i);
	compare("after-a-burst");
	in_child();
	for (size_t i = 0; i < SLOTS; i++) {
		if (i % 10)
			give(i);
	}
	compare("with-a-tenth-left");
	for (size_t i = 0; i < SLOTS; i += 20)
		give(i);
	for (size_t i = 1; i < SLOTS; i += 20)
		take(i);
	compare("refilled");
	trim();
	compare("trimmed");
	for (size_t i = 0; i < SLOTS; i++)
		give(i);
	compare("all-freed");
	trim();
	compare("all-freed-and-trimmed");
}

int main(void)
{
	check_library();
	if (!library())
		skip("a report of ours");
	if (available() < GIB / 2)
		skip("less than 512 MiB of memory left");
	*(void **)&report = dlsym(RTLD_DEFAULT, "quarry_report");
	*(void **)&trim = dlsym(RTLD_DEFAULT, "quarry_trim");
	CHECK(report && trim);
	/* the kernel gives no more than is touched */
	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
	slots = mmap(NULL, SLOTS * sizeof(*slots), PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(slots != MAP_FAILED);
	memset(slots, 1, SLOTS * sizeof(*slots));
	anonymous(); /* its buffers */
	read_sum();
	outside = anonymous() - read_sum().present;
	story();
	return 0;
}
