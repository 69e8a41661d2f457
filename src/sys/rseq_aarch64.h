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

QR_INLINE int32_t qr_rseq_id(void)
{
	int32_t id;

	__asm__ volatile("ldr %w0, [%1]"
			 : "=r"(id)
			 : "r"(qr_thread_pointer() + qr_rseq.id_offset)
			 : "memory");
	return id;
}

QR_INLINE int qr_rseq_swap(int32_t id, uint64_t *word, uint64_t expect,
			   uint64_t desired, void *dst, const void *src,
			   size_t n)
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
		"ldr x9, [%[word]]\n\t"
		"cmp x9, %[expect]\n\t"
		"b.ne %l[changed]\n\t"
		"mov x10, #0\n"
		"5:\tcmp x10, %[n]\n\t"
		"b.eq 6f\n\t"
		"ldr x9, [%[src], x10, lsl #3]\n\t"
		"str x9, [%[dst], x10, lsl #3]\n\t"
		"add x10, x10, #1\n\t"
		"b 5b\n"
		"6:\tstr %[desired], [%[word]]\n"
		"2:\n\t"
		QR_RSEQ_ABORT("%l[moved]")
		:
		: [cs] "r"(tp + qr_rseq.cs_offset),
		  [id_at] "r"(tp + qr_rseq.id_offset), [id] "r"(id),
		  [word] "r"(word), [expect] "r"(expect),
		  [desired] "r"(desired), [dst] "r"(dst), [src] "r"(src),
		  [n] "r"(n)
		: "x9", "x10", "memory", "cc"
		: moved, changed);
	return 0;
moved:
	return QR_RSEQ_MOVED;
changed:
	return QR_RSEQ_CHANGED;
}

#endif
