/*
 * The last look, at exit: has a program freed what was free, or what is no
 * object, without any flush having met it yet?
 *
 * All that arrays and barns hold of a cache goes through a hash set.  What
 * looks wrong (twice there, or free in its slab as well) may be the work of
 * other threads that still run; so it only leads to a drain, which is exact
 * and reports.
 */
#ifndef QR_SLAB_AUDIT_H
#define QR_SLAB_AUDIT_H

/* From one thread, once. */
void qr_audit(void);

#endif
