#!/bin/sh
# expect.sh SOURCE PROGRAM: run PROGRAM, and hold it to what SOURCE says: dead
# by SIGABRT (or the status after EXIT:), one line on stderr, nothing on
# stdout, the line "quarry: " and what EXPECT: says.
source=$1 program=$2
expect=$(sed -n 's/^ \* EXPECT: //p' "$source")
exit=$(sed -n 's/^ \* EXIT: //p' "$source")
[ -n "$expect" ] || { echo "$source: no EXPECT:"; exit 99; }

out=$(mktemp) err=$(mktemp)
trap 'rm -f "$out" "$err"' EXIT
ulimit -c 0
( exec "$program" >"$out" 2>"$err" ) 2>/dev/null
status=$?

fail() {
	echo "$source: $1"
	echo "expected: status ${exit:-134} and: quarry: $expect"
	echo "status: $status"
	echo "stderr:"
	head -c 4000 "$err"
	exit 1
}
[ "$status" -eq "${exit:-134}" ] || fail "another status"
[ -s "$out" ] && fail "output on stdout"
[ "$(wc -l <"$err")" -eq 1 ] || fail "not one line"
grep -Eqx "quarry: $expect" "$err" || fail "another sentence"
cat "$err"
