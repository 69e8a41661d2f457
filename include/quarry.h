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

/*
 * Whose memory a request gets, on a machine with several NUMA nodes; on others
 * none of this changes anything.  @nodes is a mask of the kernel's numbers;
 * those that the process may not use count as not named.  A request follows
 * the policy of its cache, else of its thread, else of the process (option
 * numa), whichever is set.
 *
 * The process and mappings of more than 4 MiB have the kernel's own policies
 * (mbind): pages touched first lie there and nowhere else, and if a bound one
 * cannot be had the kernel does what it does for MPOL_BIND.  All else is taken
 * from the free memory of the nodes named: NULL when that is used up, but
 * where the kernel has no more of a node it may back it with another's.
 */
enum quarry_numa {
	/* the next in line; of the process: LOCAL */
	QUARRY_NUMA_DEFAULT,
	/* the node of the CPU that asks, then the nearest */
	QUARRY_NUMA_LOCAL,
	/* the nodes named in turn, 0: all; then any other */
	QUARRY_NUMA_INTERLEAVE,
	/* of the nodes named the nearest; no others */
	QUARRY_NUMA_BIND,
};

/*
 * Of the calling thread.  While it has a policy of its own it does without
 * restartable sequences (rseq(2)), and every malloc and free of it is a slow
 * one.  Returns 0, EINVAL (no such policy, or no node left), ENOSPC (more than
 * 31 different policies in the process) or ENOMEM.
 */
int quarry_thread_set_numa(enum quarry_numa policy, uint64_t nodes);

/*
 * Of a cache; what it has stays where it is, so call it before the first
 * allocation.  Costs nothing later.  Returns 0, EINVAL or ENOSPC.
 */
int quarry_cache_set_numa(struct quarry_cache *cache, enum quarry_numa policy,
			  uint64_t nodes);

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

/*
 * The most memory that the process should hold by us, in bytes of pages, large
 * objects and our own structures; 0: no limit, the default.  Beyond it our
 * caches are dropped and shrinkers called, by the thread that allocates.  What
 * helps nothing: with @hard malloc() returns NULL with errno ENOMEM, else
 * there is memory all the same.  Options "limit" and "limit_hard" set the same.
 */
void quarry_set_limit(size_t bytes, bool hard);

/*
 * Shrinkers: functions that free some of what the program keeps only to be
 * faster.  @shrink(@arg, bytes) frees about that many with free() or delete,
 * and returns how many it did; 0: there is nothing to free just now.
 *
 * They are called one at a time, oldest first until enough is free, where
 * memory is short: near the limit above, or where the kernel has no more, by
 * the thread that allocates; near the container's limit by a thread of ours
 * as well.  We hold no lock then, and @shrink may call everything of ours; but
 * the thread may hold locks of its own around its malloc(), so try a lock that
 * is taken around allocations too (pthread_mutex_trylock), and leave by
 * return.  What it allocates itself calls no shrinker.
 *
 * Both return 0 or an errno value.  EINVAL: no function; EEXIST: the pair of
 * function and argument is registered; ENOENT: it is not; ENOMEM.  After
 * unregister the function neither runs nor will: it is waited for, unless it
 * is the caller itself; so hold no lock that the function takes.  A child of
 * fork() has the same shrinkers.
 */
int quarry_shrinker_register(size_t (*shrink)(void *arg, size_t bytes),
			     void *arg);
int quarry_shrinker_unregister(size_t (*shrink)(void *arg, size_t bytes),
			       void *arg);

/*
 * Give @bytes of memory back to the kernel now, from our caches first, then
 * from shrinkers.  Returns how many came, more or fewer.
 */
size_t quarry_balloon(size_t bytes);

/* Bytes in live objects, as their owners may use them; O(classes x CPUs). */
size_t quarry_live_bytes(void);

#ifdef __cplusplus
}
#endif
#endif
