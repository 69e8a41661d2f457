#!/bin/sh
# report_json.sh PROGRAM PYTHON: what PROGRAM reports at its end is JSON for
# others too.
[ -n "$LIB" ] || exit 77
text=$(LD_PRELOAD="$LIB" QUARRY_OPTIONS=report:json "$1" 2>&1 >/dev/null) || exit 1
printf '%s\n' "$text" | "$2" -m json.tool >/dev/null || {
	printf '%s\n' "$text"
	exit 1
}
