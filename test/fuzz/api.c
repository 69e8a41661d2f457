/*
 * Random programs against the whole allocator, with system calls that fail.
 *
 * The input is a program: three bytes an operation, on a table of slots.  An
 * object in a slot is filled with a pattern of its own and looked at whenever
 * it is touched again.  At the end of an input everything is freed and every
 * zone is checked; the allocator itself lives on, so that one input meets what
 * earlier ones left behind.
 *
 *	op	second byte		third byte
 *	0	slot			size	malloc
 *	1	slot			size	calloc
 *	2	slot			size	aligned_alloc, alignment by size
 *	3	slot			size	realloc
 *	4	slot			-	free
 *	5	slot			-	free, sized
 *	6	slot of a cache		kind	make a cache, or destroy it
 *	7	slot, slot of a cache		allocate or free there
 *	8	slot of a cache		n	in bulk, or shrink
 *	9	after how many calls	how many	let system calls fail
 *	10	keep			-	trim
 *
 * The linker puts our mmap, mprotect and mremap before the kernel's (--wrap).
 * Only then, and for sizes past any reason, may an allocation fail.
 */
#include "arena/vma.h"
#include "arena/zone.h"
#include "core/core.h"
#include "quarry.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { SLOTS = 64, CACHES = 4, BULK = 40, MOST_LIVE = 64 << 20 };

struct slot {
	unsigned char *ptr;
	size_t size, align;
	struct quarry_cache *cache;
	unsigned char pattern;
};

static struct slot slots[SLOTS];
static struct cache {
	struct quarry_cache *cache;
	size_t size, live;
	unsigned flags;
} caches[CACHES];
static size_t live;
static unsigned char next_pattern;

#define CHECK(condition)                                                 \
	do {                                                             \
		if (!(condition)) {                                      \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, \
				__LINE__, #condition);                   \
			abort();                                         \
		}                                                        \
	} while (0)

/* System calls that fail */

static unsigned calls_before, calls_to_fail;
static bool any_failed; /* since the last operation began */

static bool fails(void)
{
	if (!calls_to_fail)
		return false;
	if (calls_before) {
		calls_before--;
		return false;
	}
	calls_to_fail--;
	any_failed = true;
	errno = ENOMEM;
	return true;
}

void *__real_mmap(void *, size_t, int, int, int, off_t);
void *__wrap_mmap(void *, size_t, int, int, int, off_t);
int __real_mprotect(void *, size_t, int);
int __wrap_mprotect(void *, size_t, int);
void *__real_mremap(void *, size_t, size_t, int, ...);
void *__wrap_mremap(void *, size_t, size_t, int, ...);

void *__wrap_mmap(void *addr, size_t size, int prot, int flags, int fd,
		  off_t offset)
{
	return fails() ? MAP_FAILED
		       : __real_mmap(addr, size, prot, flags, fd, offset);
}

int __wrap_mprotect(void *addr, size_t size, int prot)
{
	return fails() ? -1 : __real_mprotect(addr, size, prot);
}

void *__wrap_mremap(void *addr, size_t old_size, size_t size, int flags, ...)
{
	void *to = NULL;

	if (flags & MREMAP_FIXED) {
		va_list args;

		va_start(args, flags);
		to = va_arg(args, void *);
		va_end(args);
	}
	return fails() ? MAP_FAILED
		       : __real_mremap(addr, old_size, size, flags, to);
}

/* Contents: all of a small object; of a large one its ends and some bytes. */

static size_t step(size_t i, size_t size)
{
	size_t left = size - i;
	size_t stride = i < 16384 ? 509 : 131071;

	if (i < 512 || left <= 64)
		return 1;
	return left <= stride + 64 ? left - 64 : stride;
}

static void fill(struct slot *slot)
{
	slot->pattern = ++next_pattern;
	for (size_t i = 0; i < slot->size; i += step(i, slot->size))
		slot->ptr[i] = slot->pattern;
}

static void look(const struct slot *slot, size_t size)
{
	for (size_t i = 0; i < size; i += step(i, size))
		CHECK(slot->ptr[i] == slot->pattern);
}

static void look_zero(const struct slot *slot)
{
	for (size_t i = 0; i < slot->size; i += step(i, slot->size))
		CHECK(slot->ptr[i] == 0);
}

/* @p is what an operation returned for @size bytes. */
static bool got(struct slot *slot, void *p, size_t size, size_t align)
{
	if (!p) {
		CHECK(any_failed || size > MOST_LIVE);
		CHECK(errno == ENOMEM);
		return false;
	}
	CHECK((uintptr_t)p % align == 0);
	CHECK(qr_usable_size(p) >= size);
	for (int i = 0; i < SLOTS; i++)
		CHECK(!slots[i].ptr || &slots[i] == slot ||
		      (unsigned char *)p + size <= slots[i].ptr ||
		      slots[i].ptr + slots[i].size <= (unsigned char *)p);
	*slot = (struct slot){.ptr = p, .size = size, .align = align};
	live += size;
	return true;
}

static void forget(struct slot *slot)
{
	live -= slot->size;
	*slot = (struct slot){0};
}

static void release(struct slot *slot, bool sized)
{
	if (!slot->ptr)
		return;
	look(slot, slot->size);
	errno = 4711;
	if (slot->cache) {
		quarry_cache_free(slot->cache, slot->ptr);
		for (int i = 0; i < CACHES; i++)
			caches[i].live -= caches[i].cache == slot->cache;
	} else if (sized) {
		qr_free_sized(slot->ptr, slot->size, slot->align);
	} else {
		qr_free(slot->ptr);
	}
	CHECK(errno == 4711);
	forget(slot);
}

/*
 * 0 to 1023 by steps of 8, then ever larger up to 500 KiB, a few of 1 to
 * 6 MiB (these take long), and past any reason.
 */
static size_t size_of(unsigned byte, unsigned salt)
{
	if (byte < 128)
		return byte * 8 + salt % 8;
	if (byte < 250)
		return ((size_t)(32 + byte % 32) << (byte - 128) / 14) * 32 +
		       salt % 64;
	if (byte < 254)
		return ((size_t)1 << 20) +
		       (byte - 250 + salt % 4) * ((size_t)838 << 10);
	return SIZE_MAX / 2 + salt * (byte == 254 ? 1 : SIZE_MAX / 1024);
}

static size_t natural_align(size_t size)
{
	return size < 16 ? 8 : 16;
}

/* Operations */

static void allocate(unsigned op, struct slot *slot, size_t size)
{
	size_t align = natural_align(size);
	void *p;

	release(slot, false);
	if (live + size > MOST_LIVE && size <= MOST_LIVE)
		return;
	switch (op) {
	case 0:
		p = qr_malloc(size);
		break;
	case 1:
		p = qr_calloc(size % 7 ? 1 : 7, size % 7 ? size : size / 7);
		break;
	default:
		align = (size_t)16 << size % 17;
		p = qr_aligned_alloc(align, size);
	}
	if (!got(slot, p, size, align))
		return;
	if (op == 1)
		look_zero(slot);
	if (op != 2)
		slot->align = 0;
	fill(slot);
}

static void resize(struct slot *slot, size_t size)
{
	struct slot old = *slot;
	void *p;

	if (slot->cache || live - old.size + size > MOST_LIVE || !size)
		return;
	if (old.ptr)
		look(&old, old.size);
	p = qr_realloc(old.ptr, size);
	if (!p && old.ptr) {
		CHECK(any_failed || size > MOST_LIVE);
		look(&old, old.size);
		return;
	}
	live -= old.size;
	*slot = (struct slot){0};
	if (!got(slot, p, size, natural_align(size)))
		return;
	slot->align = 0;
	slot->pattern = old.pattern;
	/* what was sampled of the old need not be what is sampled now */
	for (size_t i = 0; i < old.size && i < size; i += step(i, old.size))
		CHECK(slot->ptr[i] == old.pattern);
	fill(slot);
}

static void constructor(void *object)
{
	*(unsigned char *)object = 0;
}

static void make_or_destroy(struct cache *c, unsigned kind)
{
	if (c->cache) {
		size_t was = c->live;

		if (was) /* it says so on stderr, again and again */
			return;
		CHECK(quarry_cache_destroy(c->cache) == 0);
		*c = (struct cache){0};
		return;
	}
	c->size = 1 + (kind & 31) * (kind & 32 ? 100 : 9);
	c->flags = kind & 64	? QUARRY_CACHE_ZERO
		   : kind & 128 ? QUARRY_CACHE_HWALIGN
				: 0;
	c->cache = quarry_cache_create("fuzz", c->size, 0,
				       c->flags ? NULL : constructor, c->flags);
	CHECK(c->cache || any_failed);
}

static void allocate_from(struct slot *slot, struct cache *c)
{
	void *p;

	release(slot, false);
	if (!c->cache)
		return;
	p = quarry_cache_alloc(c->cache);
	if (!got(slot, p, c->size, 16))
		return;
	slot->cache = c->cache;
	c->live++;
	if (c->flags & QUARRY_CACHE_ZERO)
		look_zero(slot);
	fill(slot);
}

static void bulk(struct cache *c, unsigned n)
{
	void *objects[BULK];

	if (!c->cache)
		return;
	if (n >= BULK) {
		quarry_cache_shrink(c->cache);
		return;
	}
	if (!quarry_cache_alloc_bulk(c->cache, n, objects)) {
		CHECK(any_failed);
		return;
	}
	for (unsigned i = 0; i < n; i++)
		memset(objects[i], (int)i, c->size);
	for (unsigned i = 0; i < n; i++) {
		unsigned char *object = objects[i];

		CHECK(object[0] == i && object[c->size - 1] == i);
	}
	quarry_cache_free_bulk(c->cache, n, objects);
}

static void check_all(void)
{
	unsigned n = atomic_load(&qr_nr_zones);

	for (unsigned i = 0; i < n; i++) {
		const char *wrong = qr_zone_check(&qr_zones[i]);

		if (wrong) {
			fprintf(stderr, "zone %u: %s\n", i, wrong);
			abort();
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	for (; size >= 3; data += 3, size -= 3) {
		struct slot *slot = &slots[data[1] % SLOTS];
		struct cache *c = &caches[data[1] / SLOTS];
		unsigned op = data[0] % 11;

		any_failed = false;
		switch (op) {
		case 0:
		case 1:
		case 2:
			allocate(op, slot, size_of(data[2], data[0] + data[1]));
			break;
		case 3:
			resize(slot, size_of(data[2], data[0] + data[1]));
			break;
		case 4:
		case 5:
			release(slot, op == 5);
			break;
		case 6:
			make_or_destroy(c, data[2]);
			break;
		case 7:
			allocate_from(slot, c);
			break;
		case 8:
			bulk(c, data[2] % (BULK + 4));
			break;
		case 9:
			calls_before = data[1] % 16;
			calls_to_fail = 1 + data[2] % 32;
			break;
		case 10:
			qr_trim((size_t)data[1] << 16);
			break;
		}
	}
	calls_to_fail = 0;
	for (int i = 0; i < SLOTS; i++)
		release(&slots[i], i % 2);
	for (int i = 0; i < CACHES; i++) {
		if (caches[i].cache)
			make_or_destroy(&caches[i], 0);
	}
	CHECK(live == 0);
	check_all();
	return 0;
}
