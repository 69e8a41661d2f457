/*
 * Quarry: what a program can ask of the allocator beyond malloc().
 *
 * Every function may be called from any thread and in a child of fork();
 * none may be called from a signal handler.  Sizes are bytes.  The library
 * never changes errno unless a function says so.
 */
#ifndef QUARRY_H
#define QUARRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* "0.1.0" */
const char *quarry_version(void);

/*
 * Caches of one kind of object, after J. Bonwick, "The Slab Allocator"
 * (USENIX Summer 1994), and Linux's kmem_cache.
 */
struct quarry_cache;

enum quarry_cache_flags {
	QUARRY_CACHE_DEFAULT = 0,
	/* every object on cache lines of its own */
	QUARRY_CACHE_HWALIGN = 1 << 0,
	/* allocation hands out zeroed memory; excludes a constructor */
	QUARRY_CACHE_ZERO = 1 << 1,
};

/*
 * A cache of objects of @size bytes, aligned to @align (a power of two up to
 * 4096, or 0 for 16).  @constructor, if any, runs once on each object of a
 * fresh slab; whoever frees an object leaves it constructed.  It runs without
 * a lock held and must not use the cache.  @name is copied (31 bytes).
 * NULL with errno EINVAL or ENOMEM.
 */
struct quarry_cache *quarry_cache_create(const char *name, size_t size,
					 size_t align,
					 void (*constructor)(void *object),
					 unsigned flags);

/*
 * Returns 0 and frees the cache, or EBUSY while objects live: then one line
 * on stderr says how many, and the cache stays usable.
 */
int quarry_cache_destroy(struct quarry_cache *cache);

/* One object, or NULL with errno ENOMEM.  free() takes it as well. */
void *quarry_cache_alloc(struct quarry_cache *cache);

/* @object came from @cache, or is NULL; anything else is reported: abort. */
void quarry_cache_free(struct quarry_cache *cache, void *object);

/* All of @count objects into @objects, or none: false, errno ENOMEM. */
bool quarry_cache_alloc_bulk(struct quarry_cache *cache, size_t count,
			     void **objects);
void quarry_cache_free_bulk(struct quarry_cache *cache, size_t count,
			    void **objects);

/* Give empty slabs back to the zones; returns the bytes given back. */
size_t quarry_cache_shrink(struct quarry_cache *cache);

/* What a report looks like; metrics are OpenMetrics 1.0, for Prometheus. */
enum quarry_format { QUARRY_TEXT, QUARRY_JSON, QUARRY_METRICS };

/* Which reports.  As metrics there is no buddyinfo, and no mappings. */
enum quarry_section {
	QUARRY_SLABINFO = 1 << 0,
	QUARRY_BUDDYINFO = 1 << 1,
	QUARRY_ZONEINFO = 1 << 2,
	QUARRY_MAPPINGS = 1 << 3,
	QUARRY_VMSTAT = 1 << 4,
	/*
	 * Per node, in pages of 4 KiB, as the kernel's numastat: numa_hit
	 * were wished for from the node, numa_miss from another one and had
	 * from this, numa_foreign the reverse; interleave_hit came in turn;
	 * local_node were for CPUs of the node, other_node were not.  Counted
	 * when pages leave the node's free lists.
	 */
	QUARRY_NUMASTAT = 1 << 5,
	/* what is resident, and what for; takes time on a large heap */
	QUARRY_MEMORY = 1 << 6,
	QUARRY_ALL_SECTIONS = (1 << 7) - 1,
};

/*
 * Write reports to @fd without allocating.  JSON is one object with a member
 * per section.  Returns 0, or an errno value.
 */
int quarry_report(int fd, enum quarry_format format, unsigned sections);

/*
 * Give free memory back to the kernel: every CPU's cache, the barns, empty
 * slabs, free pages.  Returns the bytes returned.
 */
size_t quarry_trim(void);

/*
 * Bytes of memory that the process has by us: live objects, free memory that
 * is kept, our own structures.  An estimate, high where objects were never
 * written to.  Takes no lock and looks at one number: fit to be asked often.
 */
size_t quarry_resident_bytes(void);

/* Bytes in live objects, as their owners may use them; O(classes x CPUs). */
size_t quarry_live_bytes(void);

#ifdef __cplusplus
}
#endif
#endif
