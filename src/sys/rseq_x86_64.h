/*
 * Restartable sequences on x86-64.  See sys/rseq.h for the pseudo-code.
 */
#ifndef QR_SYS_RSEQ_X86_64_H
#define QR_SYS_RSEQ_X86_64_H

#define QR_HAVE_RSEQ 1

/*
 * struct rseq_cs: version and flags, start, length, abort handler.  The
 * handler is preceded by the signature, dressed as an instruction (ud1).
 * Labels are @n-relative: 1 begins, 2 ends, 4 is the handler.
 */
#define QR_RSEQ_TABLE                                                \
	".pushsection .data.rel.ro.qr_rseq, \"aw\"\n\t"              \
	".balign 32\n"                                               \
	"3:\t.long 0, 0\n\t"                                         \
	".quad 1f, 2f - 1f, 4f\n\t"                                  \
	".popsection\n\t"

#define QR_RSEQ_ABORT(go)                                            \
	".pushsection .text.qr_rseq_abort, \"ax\"\n\t"               \
	".byte 0x0f, 0xb9, 0x3d\n\t"                                 \
	".long 0x53053053\n"                                         \
	"4:\tjmp " go "\n\t"                                         \
	".popsection\n\t"

/*
 * The two of the hit path.  Each begins again when it was interrupted, and
 * leaves with a jump when there is nothing to pop or no room to push.
 */
QR_INLINE void *qr_rseq_pop(size_t row)
{
	void *object;
	uint64_t region, top;

	__asm__ goto volatile(
		QR_RSEQ_TABLE
		"0:\tleaq 3b(%%rip), %[region]\n\t"
		"movq %[region], %%fs:(%[cs])\n"
		"1:\tmovslq %%fs:(%[id]), %[region]\n\t"
		"shlq %[shift], %[region]\n\t"
		"addq %[regions], %[region]\n\t"
		"movl (%[region], %[row], 8), %k[top]\n\t"
		"cmpl 4(%[region], %[row], 8), %k[top]\n\t"
		"jbe %l[empty]\n\t"
		"movq -8(%[region], %[top], 8), %[object]\n\t"
		"decl %k[top]\n\t"
		"movl %k[top], (%[region], %[row], 8)\n"
		"2:\n\t"
		QR_RSEQ_ABORT("0b")
		: [object] "=&r"(object), [region] "=&r"(region),
		  [top] "=&r"(top)
		: [cs] "r"(qr_rseq.cs_offset), [id] "r"(qr_rseq.id_offset),
		  [regions] "m"(qr_rseq.regions), [row] "r"(row),
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
	uint64_t region, top;

	__asm__ goto volatile(
		QR_RSEQ_TABLE
		"0:\tleaq 3b(%%rip), %[region]\n\t"
		"movq %[region], %%fs:(%[cs])\n"
		"1:\tmovslq %%fs:(%[id]), %[region]\n\t"
		"shlq %[shift], %[region]\n\t"
		"addq %[regions], %[region]\n\t"
		"movl 8(%[region], %[row], 8), %k[top]\n\t"
		"cmpl 12(%[region], %[row], 8), %k[top]\n\t"
		"jae %l[full]\n\t"
		"movq %[object], (%[region], %[top], 8)\n\t"
		"incl %k[top]\n\t"
		"movl %k[top], 8(%[region], %[row], 8)\n"
		"2:\n\t"
		QR_RSEQ_ABORT("0b")
		: [region] "=&r"(region), [top] "=&r"(top)
		: [cs] "r"(qr_rseq.cs_offset), [id] "r"(qr_rseq.id_offset),
		  [regions] "m"(qr_rseq.regions), [row] "r"(row),
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

	__asm__ volatile("movl %%fs:(%1), %0"
			 : "=r"(id)
			 : "r"(qr_rseq.id_offset)
			 : "memory");
	return id;
}

QR_INLINE int qr_rseq_change(int32_t id, struct qr_row *row,
			     const struct qr_row *expect,
			     const struct qr_row *desired, void *dst,
			     const void *src, size_t n)
{
	__asm__ goto volatile(
		QR_RSEQ_TABLE
		"movdqa %[desired], %%xmm0\n\t"
		"leaq 3b(%%rip), %%rax\n\t"
		"movq %%rax, %%fs:(%[cs])\n"
		"1:\tcmpl %%fs:(%[id_off]), %[id]\n\t"
		"jne %l[moved]\n\t"
		"movl (%[row]), %%eax\n\t"
		"cmpl (%[expect]), %%eax\n\t"
		"jne %l[changed]\n\t"
		"movl 4(%[row]), %%eax\n\t"
		"cmpl 4(%[expect]), %%eax\n\t"
		"jne %l[changed]\n\t"
		"movl 8(%[row]), %%eax\n\t"
		"cmpl 8(%[expect]), %%eax\n\t"
		"jne %l[changed]\n\t"
		"movl 12(%[row]), %%eax\n\t"
		"cmpl 12(%[expect]), %%eax\n\t"
		"jne %l[changed]\n\t"
		"xorl %%ecx, %%ecx\n"
		"5:\tcmpq %[n], %%rcx\n\t"
		"je 6f\n\t"
		"movq (%[src], %%rcx, 8), %%rax\n\t"
		"movq %%rax, (%[dst], %%rcx, 8)\n\t"
		"incq %%rcx\n\t"
		"jmp 5b\n"
		"6:\tmovdqa %%xmm0, (%[row])\n"
		"2:\n\t"
		QR_RSEQ_ABORT("%l[moved]")
		:
		: [cs] "r"(qr_rseq.cs_offset), [id_off] "r"(qr_rseq.id_offset),
		  [id] "r"(id), [row] "r"(row), [expect] "r"(expect),
		  [desired] "m"(*desired), [dst] "r"(dst), [src] "r"(src),
		  [n] "r"(n)
		: "rax", "rcx", "xmm0", "memory", "cc"
		: moved, changed);
	return 0;
moved:
	return QR_RSEQ_MOVED;
changed:
	return QR_RSEQ_CHANGED;
}

#endif
