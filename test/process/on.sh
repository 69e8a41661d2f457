#!/bin/sh
# on.sh PROGRAM [ARG...]: run PROGRAM with the library of LIB preloaded, which
# the program checks; on libc when LIB is empty.
[ -n "$LIB" ] || exec "$@"
exec env LD_PRELOAD="$LIB" "$@"
