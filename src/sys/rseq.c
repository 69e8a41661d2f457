#include "sys/rseq.h"

#include "base/bits.h"

#include <errno.h>
#include <linux/membarrier.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef AT_RSEQ_FEATURE_SIZE
#define AT_RSEQ_FEATURE_SIZE 27
#endif

enum {
	/* offsets in the kernel's struct rseq */
	CPU_ID = 4,
	RSEQ_CS = 8,
	MM_CID = 24,
	AREA_SIZE = 32,
	FLAG_UNREGISTER = 1,
};

struct qr_rseq qr_rseq = { .mode = QR_RSEQ_OFF };

/* glibc 2.35 and later say where theirs is; others do not have the names. */
extern const ptrdiff_t __rseq_offset QR_WEAK;
extern const unsigned int __rseq_size QR_WEAK;

#ifdef QR_HAVE_RSEQ

/* Where libc registers nothing: unregistered ids are negative. */
struct own_area {
	uint32_t cpu_id_start;
	int32_t cpu_id;
	uint64_t rseq_cs;
	uint32_t flags;
	uint32_t node_id;
	int32_t mm_cid;
	uint32_t padding;
} QR_ALIGNED(AREA_SIZE);

static _Thread_local struct own_area own = { .cpu_id = -1, .mm_cid = -1 };
static _Thread_local bool ended;
static pthread_key_t key;

static int rseq_call(struct own_area *area, unsigned size, int flags)
{
	int saved = errno;
	int rc = syscall(SYS_rseq, area, size, flags, QR_RSEQ_SIGNATURE)
			 ? -errno
			 : 0;

	errno = saved;
	return rc;
}

/* getauxval, which sets errno where the kernel is too old to tell. */
static unsigned long told_by_kernel(unsigned long what)
{
	int saved = errno;
	unsigned long value = getauxval(what);

	errno = saved;
	return value;
}

static char *thread_pointer(void)
{
	char *tp;

#if defined(__x86_64__)
	__asm__("movq %%fs:0, %0" : "=r"(tp));
#else
	tp = qr_thread_pointer();
#endif
	return tp;
}

static void unregister_thread(void *area)
{
	ended = true;
	rseq_call(area, AREA_SIZE, FLAG_UNREGISTER);
	own.cpu_id = -1;
	own.mm_cid = -1;
}

/*
 * The area lies in the thread's TLS: it must be unregistered before that is
 * unmapped, or the kernel writes into what comes after it.
 */
bool qr_rseq_register_thread(void)
{
	if (!qr_rseq.own || ended || own.cpu_id >= 0)
		return false;
	if (rseq_call(&own, AREA_SIZE, 0)) {
		ended = true;
		return false;
	}
	if (pthread_setspecific(key, &own)) { /* it would stay registered */
		unregister_thread(&own);
		return false;
	}
	return true;
}

/* The area that libc registered, and its size, which libc may not tell. */
static struct own_area *libc_area(void)
{
	return (struct own_area *)(void *)(thread_pointer() + __rseq_offset);
}

static _Atomic unsigned libc_size = AREA_SIZE;

static bool leave_libc_area(void)
{
	unsigned told = (unsigned)told_by_kernel(AT_RSEQ_FEATURE_SIZE);
	unsigned sizes[] = {AREA_SIZE, qr_round_up(told, AREA_SIZE), told};

	for (unsigned i = 0; i < QR_ARRAY_SIZE(sizes); i++) {
		if (rseq_call(libc_area(), sizes[i], FLAG_UNREGISTER))
			continue;
		atomic_store_explicit(&libc_size, sizes[i],
				      memory_order_relaxed);
		return true;
	}
	return false;
}

bool qr_rseq_leave(void)
{
	if (qr_rseq.mode != QR_RSEQ_CPU || qr_rseq_id() < 0)
		return qr_rseq.mode != QR_RSEQ_CID;
	if (!qr_rseq.own)
		return leave_libc_area();
	if (rseq_call(&own, AREA_SIZE, FLAG_UNREGISTER))
		return false;
	own.cpu_id = -1;
	return true;
}

void qr_rseq_return(void)
{
	unsigned size = atomic_load_explicit(&libc_size, memory_order_relaxed);

	/* ours follows at the next miss */
	if (qr_rseq.mode == QR_RSEQ_CPU && !qr_rseq.own && qr_rseq_id() < 0)
		rseq_call(libc_area(), size, 0);
}

static bool own_area_works(void)
{
	if (rseq_call(&own, AREA_SIZE, 0))
		return false;
	if (pthread_key_create(&key, unregister_thread) ||
	    pthread_setspecific(key, &own)) {
		unregister_thread(&own);
		return false;
	}
	return true;
}

static ptrdiff_t find_area(void)
{
	if (&__rseq_size && &__rseq_offset && __rseq_size)
		return __rseq_offset;
	if (!own_area_works())
		return 0;
	qr_rseq.own = true;
	return (char *)&own - thread_pointer();
}

/* See qr_rseq_change. */
static bool rows_are_stored_at_once(void)
{
#if defined(__aarch64__)
	return told_by_kernel(AT_HWCAP) & HWCAP_USCAT;
#else
	return true;
#endif
}

void qr_rseq_init(enum qr_rseq_mode wish, bool one_node)
{
	bool have_cid = told_by_kernel(AT_RSEQ_FEATURE_SIZE) >= MM_CID + 4;
	ptrdiff_t area;

	if (wish == QR_RSEQ_OFF || !rows_are_stored_at_once() ||
	    !(area = find_area()))
		return;
	if (wish == QR_RSEQ_AUTO)
		wish = one_node ? QR_RSEQ_CID : QR_RSEQ_CPU;
	if (!have_cid)
		wish = QR_RSEQ_CPU;
	qr_rseq.mode = wish;
	qr_rseq.cs_offset = area + RSEQ_CS;
	qr_rseq.id_offset = area + (wish == QR_RSEQ_CID ? MM_CID : CPU_ID);
	if (qr_rseq_id() < 0) { /* not for the main thread after all */
		qr_rseq.mode = QR_RSEQ_OFF;
		qr_rseq.own = false;
	}
}

static int membarrier(int command)
{
	int saved = errno;
	int rc = (int)syscall(SYS_membarrier, command, 0, 0);

	errno = saved;
	return rc;
}

bool qr_rseq_barrier(void)
{
	if (membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ) == 0)
		return true;
	/* not registered yet: once per process, and once more after fork */
	return membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ) ==
		       0 &&
	       membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ) == 0;
}

#else

bool qr_rseq_register_thread(void)
{
	return false;
}

bool qr_rseq_leave(void)
{
	return true;
}

void qr_rseq_return(void)
{
}

void qr_rseq_init(enum qr_rseq_mode wish, bool one_node)
{
	(void)wish, (void)one_node;
}

bool qr_rseq_barrier(void)
{
	return false;
}

#endif

const char *qr_rseq_mode_name(void)
{
	switch (qr_rseq.mode) {
	case QR_RSEQ_CID:
		return qr_rseq.own ? "rseq by concurrency id, own area" :
				     "rseq by concurrency id";
	case QR_RSEQ_CPU:
		return qr_rseq.own ? "rseq by CPU, own area" : "rseq by CPU";
	default:
		return "locked";
	}
}
