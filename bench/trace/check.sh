#!/bin/sh
# Records a program whose calls are known (subject.c), looks into the trace, and
# repeats it.  Usage: check.sh RECORDER SUBJECT REPLAYER STAT
set -eu
recorder=$1 subject=$2 replayer=$3 stat=$4
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
failed=0

fail()
{
	echo "FAILED: $*"
	failed=1
}

record() # FILE [VARIABLE=VALUE...] -- COMMAND...
{
	file=$1
	shift
	env LD_PRELOAD="$recorder" QUARRY_RECORD="$file" "$@"
}

# count FILE WORDS : how many such calls
count()
{
	"$stat" "$1" | awk -v words="$2" '
		{ n = $1; $1 = ""; sub(/^ /, "") }
		$0 == words { print n; found = 1; exit }
		END { if (!found) print 0 }'
}

# expect FILE WORDS LOW HIGH : libc allocates a little itself
expect()
{
	n=$(count "$1" "$2")
	{ [ "$n" -ge "$3" ] && [ "$n" -le "$4" ]; } ||
		fail "$2: $n, not $3 to $4"
}

record "$dir/a" "$subject" --exec
[ -f "$dir/a" ] || fail "no trace"
expect "$dir/a" malloc 2010 2020
expect "$dir/a" calloc 100 130
expect "$dir/a" aligned 100 100
expect "$dir/a" realloc 100 105
expect "$dir/a" 'free(NULL)' 50 250
expect "$dir/a" 'free, other thread' 1000 1030
expect "$dir/a" free 1210 1230
expect "$dir/a" 'free, unknown' 0 2
expect "$dir/a" 'thread begun' 10 10
expect "$dir/a" 'thread joined' 10 10
expect "$dir/a" 'thread ended' 10 10
# the same program again, by exec: its own file; the child of fork: none
set -- "$dir"/a.*
[ $# -eq 1 ] || fail "$# traces beside the first, not 1"
expect "$1" malloc 2010 2020

record "$dir/b" QUARRY_RECORD_FORK=follow QUARRY_RECORD_TIME=0 "$subject"
set -- "$dir"/b.*
[ $# -eq 1 ] || fail "$# traces of children, not 1"
expect "$1" malloc 10000 10010
expect "$1" 'free, unknown' 100 110

# a killed program leaves what it did
sh -c 'ulimit -f 64; exec "$@"' - env LD_PRELOAD="$recorder" \
	QUARRY_RECORD="$dir/c" "$subject" 2>/dev/null || :
[ ! -f "$dir/c" ] || "$stat" "$dir/c" >/dev/null || fail "a full disk"

for options in '' '--free-order --touch all' '--repeat 3 --touch none' \
		'--paced'; do
	# shellcheck disable=SC2086
	"$replayer" $options "$dir/a" >"$dir/out" ||
		fail "replay $options: status $?"
	grep -q '"metric":"first_cpu_ns_per_call"' "$dir/out" ||
		fail "replay $options: no result"
done

# all 2 110 blocks of 4099 bytes and more at once: 8.9 MiB, all written
"$replayer" --touch all "$dir/a" >"$dir/out"
awk -F'"' '/peak_resident_MiB/ {
		split($0, part, "\"value\":"); n = part[2] + 0
		ok = n >= 8 && n < 13
	} END { exit !ok }' "$dir/out" || fail "peak: $(cat "$dir/out")"

# what is cut off or not a trace is told so
head -c 9000 "$dir/a" >"$dir/cut"
"$replayer" "$dir/cut" >/dev/null || fail "a cut trace"
head -c 5000 /dev/zero >"$dir/zero"
if "$replayer" "$dir/zero" >/dev/null 2>&1; then fail "zeroes are no trace"; fi
if "$replayer" /nonexistent >/dev/null 2>&1; then fail "no file"; fi

[ $failed -eq 0 ]
