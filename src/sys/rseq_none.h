/*
 * A machine without restartable sequences: mode is always OFF.
 */
#ifndef QR_SYS_RSEQ_NONE_H
#define QR_SYS_RSEQ_NONE_H

QR_INLINE void *qr_rseq_pop(size_t row)
{
	(void)row;
	return NULL;
}

QR_INLINE bool qr_rseq_push(size_t row, void *object)
{
	(void)row, (void)object;
	return false;
}

QR_INLINE int32_t qr_rseq_id(void)
{
	return -1;
}

QR_INLINE int qr_rseq_change(int32_t id, struct qr_row *row,
			     const struct qr_row *expect,
			     const struct qr_row *desired, void *dst,
			     const void *src, size_t n)
{
	(void)id, (void)row, (void)expect, (void)desired;
	(void)dst, (void)src, (void)n;
	return QR_RSEQ_MOVED;
}

#endif
