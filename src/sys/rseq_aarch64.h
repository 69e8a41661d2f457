/*
 * Restartable sequences on aarch64.  See sys/rseq.h for the pseudo-code.
 */
#ifndef QR_SYS_RSEQ_AARCH64_H
#define QR_SYS_RSEQ_AARCH64_H

#define QR_HAVE_RSEQ 1

#define QR_RSEQ_TABLE                                                \
	".pushsection .data.rel.ro.qr_rseq, \"aw\"\n\t"              \
	".balign 32\n"                                               \
	"3:\t.long 0, 0\n\t"                                         \
	".quad 1f, 2f - 1f, 4f\n\t"                                  \
	".popsection\n\t"

/* The signature is a brk instruction, stepped over by whoever falls in. */
#define QR_RSEQ_ABORT(go)                                            \
	"b 7f\n\t"                                                   \
	".inst 0xd428bc00\n"                                         \
	"4:\tb " go "\n"                                             \
	"7:\n\t"

QR_INLINE char *qr_thread_pointer(void)
{
	char *tp;

	__asm__("mrs %0, tpidr_el0" : "=r"(tp));
	return tp;
}

/* The two of the hit path; see sys/rseq_x86_64.h. */
QR_INLINE void *qr_rseq_pop(size_t row)
{
	char *tp = qr_thread_pointer();
	void *object;
	uint64_t region, top, bottom;

	__asm__ goto volatile(
		QR_RSEQ_TABLE
		"0:\tadrp %[region], 3b\n\t"
		"add %[region], %[region], :lo12:3b\n\t"
		"str %[region], [%[cs]]\n"
		"1:\tldrsw %[region], [%[id]]\n\t"
		"add %[region], %[regions], %[region], lsl %[shift]\n\t"
		"add %[bottom], %[region], %[row], lsl #3\n\t"
		"ldp %w[top], %w[bottom], [%[bottom]]\n\t"
		"cmp %w[top], %w[bottom]\n\t"
		"b.ls %l[empty]\n\t"
		"sub %w[top], %w[top], #1\n\t"
		"ldr %[object], [%[region], %[top], lsl #3]\n\t"
		"add %[region], %[region], %[row], lsl #3\n\t"
		"str %w[top], [%[region]]\n"
		"2:\n\t"
		QR_RSEQ_ABORT("0b")
		: [object] "=&r"(object), [region] "=&r"(region),
		  [top] "=&r"(top), [bottom] "=&r"(bottom)
		: [cs] "r"(tp + qr_rseq.cs_offset),
		  [id] "r"(tp + qr_rseq.id_offset),
		  [regions] "r"(qr_rseq.regions), [row] "r"(row),
		  [shift] "i"(QR_REGION_SHIFT)
		: "memory", "cc"
		: empty);
	if (!object) /* never: it spares the caller's test */
		__builtin_unreachable();
	return object;
empty:
	return NULL;
}

QR_INLINE bool qr_rseq_push(size_t row, void *object)
{
	char *tp = qr_thread_pointer();
	uint64_t region, top, limit;

	__asm__ goto volatile(
		QR_RSEQ_TABLE
		"0:\tadrp %[region], 3b\n\t"
		"add %[region], %[region], :lo12:3b\n\t"
		"str %[region], [%[cs]]\n"
		"1:\tldrsw %[region], [%[id]]\n\t"
		"add %[region], %[regions], %[region], lsl %[shift]\n\t"
		"add %[limit], %[region], %[row], lsl #3\n\t"
		"ldp %w[top], %w[limit], [%[limit], #8]\n\t"
		"cmp %w[top], %w[limit]\n\t"
		"b.hs %l[full]\n\t"
		"str %[object], [%[region], %[top], lsl #3]\n\t"
		"add %w[top], %w[top], #1\n\t"
		"add %[region], %[region], %[row], lsl #3\n\t"
		"str %w[top], [%[region], #8]\n"
		"2:\n\t"
		QR_RSEQ_ABORT("0b")
		: [region] "=&r"(region), [top] "=&r"(top),
		  [limit] "=&r"(limit)
		: [cs] "r"(tp + qr_rseq.cs_offset),
		  [id] "r"(tp + qr_rseq.id_offset),
		  [regions] "r"(qr_rseq.regions), [row] "r"(row),
		  [object] "r"(object), [shift] "i"(QR_REGION_SHIFT)
		: "memory", "cc"
		: full);
	return true;
full:
	return false;
}

QR_INLINE int32_t qr_rseq_id(void)
{
	int32_t id;

	__asm__ volatile("ldr %w0, [%1]"
			 : "=r"(id)
			 : "r"(qr_thread_pointer() + qr_rseq.id_offset)
			 : "memory");
	return id;
}

/*
 * stp of an aligned pair is one access where the CPU has LSE2; qr_rseq_init
 * leaves the sequences off where it has not.
 */
QR_INLINE int qr_rseq_change(int32_t id, struct qr_row *row,
			     const struct qr_row *expect,
			     const struct qr_row *desired, void *dst,
			     const void *src, size_t n)
{
	char *tp = qr_thread_pointer();

	__asm__ goto volatile(
		QR_RSEQ_TABLE
		"adrp x9, 3b\n\t"
		"add x9, x9, :lo12:3b\n\t"
		"str x9, [%[cs]]\n"
		"1:\tldr w9, [%[id_at]]\n\t"
		"cmp w9, %w[id]\n\t"
		"b.ne %l[moved]\n\t"
		"ldp x9, x10, [%[row]]\n\t"
		"ldp x11, x12, [%[expect]]\n\t"
		"cmp x9, x11\n\t"
		"b.ne %l[changed]\n\t"
		"cmp x10, x12\n\t"
		"b.ne %l[changed]\n\t"
		"ldp x11, x12, [%[desired]]\n\t"
		"mov x10, #0\n"
		"5:\tcmp x10, %[n]\n\t"
		"b.eq 6f\n\t"
		"ldr x9, [%[src], x10, lsl #3]\n\t"
		"str x9, [%[dst], x10, lsl #3]\n\t"
		"add x10, x10, #1\n\t"
		"b 5b\n"
		"6:\tstp x11, x12, [%[row]]\n"
		"2:\n\t"
		QR_RSEQ_ABORT("%l[moved]")
		:
		: [cs] "r"(tp + qr_rseq.cs_offset),
		  [id_at] "r"(tp + qr_rseq.id_offset), [id] "r"(id),
		  [row] "r"(row), [expect] "r"(expect),
		  [desired] "r"(desired), [dst] "r"(dst), [src] "r"(src),
		  [n] "r"(n)
		: "x9", "x10", "x11", "x12", "memory", "cc"
		: moved, changed);
	return 0;
moved:
	return QR_RSEQ_MOVED;
changed:
	return QR_RSEQ_CHANGED;
}

#endif
