/*
 * See meta.h.
 *
 *	alloc(size)
 *		class = size up to a power of two, 64 bytes to 64 KiB;
 *			beyond it a multiple of 64 KiB, of no class
 *		a free block of the class, made zero again, or
 *		the next bytes of the newest chunk, or
 *		a part of a larger free block; the rest becomes free blocks
 *		the first bytes of a new chunk; what the old one had left
 *			becomes free blocks
 *	free(block, size)
 *		back to its class; without class: as blocks of 64 KiB
 *
 *	chunk
 *	|header|block|block|   block   | ... bump -> | never touched |
 */
#include "arena/meta.h"

#include "arena/budget.h"
#include "base/bits.h"
#include "sys/lock.h"
#include "sys/map.h"

#include <string.h>

enum {
	MIN_SHIFT = 6,
	MAX_SHIFT = 16,
	NR_CLASSES = MAX_SHIFT - MIN_SHIFT + 1,
};

static const size_t MIN_BLOCK = (size_t)1 << MIN_SHIFT;
static const size_t MAX_BLOCK = (size_t)1 << MAX_SHIFT;
static const size_t MAX_CHUNK = (size_t)1 << 20;

struct block {
	struct block *next;
};

struct qr_meta_chunk {
	struct qr_meta_chunk *older;
	size_t size;
} QR_ALIGNED(64);

static struct qr_lock lock = QR_LOCK_INIT(QR_RANK_META);
/* under the lock */
static struct block *free_blocks[NR_CLASSES];
static char *bump, *bump_end;
/* written under the lock, read by anyone */
static _Atomic(struct qr_meta_chunk *) newest;
static _Atomic size_t bytes;

static unsigned class_of(size_t size)
{
	return size <= MIN_BLOCK ? 0 : qr_order_up(size) - MIN_SHIFT;
}

static void push_block(void *ptr, unsigned class)
{
	struct block *block = ptr;

	block->next = free_blocks[class];
	free_blocks[class] = block;
}

/* [@at, @end) as the largest blocks that fit. */
static void free_range(char *at, const char *end)
{
	while (at < end) {
		size_t rest = qr_min((size_t)(end - at), MAX_BLOCK);
		unsigned shift = qr_fls(rest);

		push_block(at, shift - MIN_SHIFT);
		at += (size_t)1 << shift;
	}
}

static void *pop_block(unsigned class)
{
	struct block *block = free_blocks[class];

	if (block)
		free_blocks[class] = block->next;
	return block;
}

/* The start of a larger free block. */
static void *split_block(unsigned class)
{
	for (unsigned from = class + 1; from < NR_CLASSES; from++) {
		char *block = pop_block(from);

		if (block) {
			free_range(block + (MIN_BLOCK << class),
				   block + (MIN_BLOCK << from));
			return block;
		}
	}
	return NULL;
}

/*
 * A chunk with room for @size bytes: a quarter of what there is already, so
 * that few are needed and little is idle.
 */
static bool grow(size_t size)
{
	size_t total = atomic_load_explicit(&bytes, memory_order_relaxed);
	size_t least = qr_round_up(size + sizeof(struct qr_meta_chunk),
				   qr_max(MAX_BLOCK, qr_page_size()));
	size_t wish = qr_round_up(qr_min(total / 4, MAX_CHUNK), MAX_BLOCK);
	size_t had = qr_max(wish, least);
	struct qr_meta_chunk *chunk = qr_map_map(had, qr_page_size());

	if (!chunk && had > least) {
		had = least;
		chunk = qr_map_map(had, qr_page_size());
	}
	if (!chunk)
		return false;
	free_range(bump, bump_end);
	chunk->older = atomic_load_explicit(&newest, memory_order_relaxed);
	chunk->size = had;
	bump = (char *)(chunk + 1);
	bump_end = (char *)chunk + had;
	atomic_store_explicit(&bytes, total + had, memory_order_relaxed);
	qr_budget_add(had);
	/* release: pairs with the acquire in qr_meta_chunks */
	atomic_store_explicit(&newest, chunk, memory_order_release);
	return true;
}

static void *take_bump(size_t size)
{
	char *ptr = bump;

	if ((size_t)(bump_end - bump) < size)
		return NULL;
	bump += size;
	return ptr;
}

/* A block of a class; *@ret_used: it may not be zero. */
static void *take_block(unsigned class, bool *ret_used)
{
	void *ptr = pop_block(class);

	*ret_used = ptr;
	if (!ptr)
		ptr = take_bump(MIN_BLOCK << class);
	if (!ptr) {
		ptr = split_block(class);
		*ret_used = ptr;
	}
	if (!ptr && grow(MIN_BLOCK << class))
		ptr = take_bump(MIN_BLOCK << class);
	return ptr;
}

/* Beyond the classes: fresh memory. */
static void *take_large(size_t size)
{
	void *ptr = take_bump(size);

	if (!ptr && grow(size))
		ptr = take_bump(size);
	return ptr;
}

void *qr_meta_alloc(size_t size)
{
	bool used = false;
	void *ptr;

	if (size > PTRDIFF_MAX)
		return NULL;
	qr_lock_acquire(&lock);
	if (size <= MAX_BLOCK)
		ptr = take_block(class_of(size), &used);
	else
		ptr = take_large(qr_round_up(size, MAX_BLOCK));
	qr_lock_release(&lock);
	return used ? memset(ptr, 0, size) : ptr;
}

void qr_meta_free(void *ptr, size_t size)
{
	if (!ptr)
		return;
	qr_lock_acquire(&lock);
	if (size <= MAX_BLOCK) {
		push_block(ptr, class_of(size));
	} else {
		size = qr_round_up(size, MAX_BLOCK);
		free_range(ptr, (char *)ptr + size);
	}
	qr_lock_release(&lock);
}

size_t qr_meta_bytes(void)
{
	return atomic_load_explicit(&bytes, memory_order_relaxed);
}

const struct qr_meta_chunk *qr_meta_chunks(void)
{
	/* acquire: pairs with the release in grow */
	return atomic_load_explicit(&newest, memory_order_acquire);
}

const struct qr_meta_chunk *
qr_meta_chunk_older(const struct qr_meta_chunk *chunk, size_t *ret_size)
{
	*ret_size = chunk->size;
	return chunk->older;
}

void qr_meta_lock_all(void)
{
	qr_lock_acquire(&lock);
}

void qr_meta_unlock_all(bool child)
{
	qr_lock_after_fork(&lock, child);
}
