# Running tests and counting what passed and what failed.  Sourced by
# tools/check.
#
# A machine that does other things as well may be too slow for a test now and
# then.  So a test that failed runs once more, with none beside it and with
# more time: it fails when it fails twice.  What passed only then is listed.

qr_passed=0
qr_failed=0
qr_failures=()
qr_again=()
qr_skipped=()
qr_logs= # what failures said, for the end of the output

# as many tests of one run are tried again; more are no accident
qr_most_again=20

# qr_keep_log NAME FILE : the end of it is printed by qr_summary
qr_keep_log()
{
	qr_logs+=$(printf '\n-- %s\n' "$1"; tail -n 60 "$2")$'\n'
}

# qr_quietly COMMAND... : its output only when it fails
qr_quietly()
{
	local log status
	log=$(mktemp) || return 1
	"$@" >"$log" 2>&1
	status=$?
	if [ $status -ne 0 ]; then
		tail -n 60 "$log"
		qr_keep_log "$*" "$log"
	fi
	rm -f "$log"
	return $status
}

qr_count() # NAME STATUS
{
	if [ "$2" -eq 0 ]; then
		qr_passed=$((qr_passed + 1))
	else
		qr_failed=$((qr_failed + 1))
		qr_failures+=("$1")
	fi
}

# qr_results LOG : "RESULT SUITE / NAME" for each test, from the lines of JSON
# that meson test writes
qr_results()
{
	sed -nE 's/^\{"name": "(quarry:)?([^"]*)",.* "result": "([A-Z]+)", "starttime".*/\3 \2/p' "$1"
}

# qr_meson_test DIR TIMES TEST-ARG... : run tests, and count; a test may take
# TIMES what it says, and half as much again when it is tried again
qr_meson_test()
{
	local dir=$1 times=$2 where=${1#build-check/} left=$qr_most_again
	local log result name
	shift 2
	rm -f "$dir"/meson-logs/testlog*
	meson test -C "$dir" --no-rebuild --print-errorlogs -t "$times" "$@"
	log=$(echo "$dir"/meson-logs/testlog*.json)
	if [ ! -f "$log" ]; then
		qr_count "no log of the tests: $where" 1
		return
	fi
	while read -r result name; do
		case $result in
		OK | EXPECTEDFAIL) qr_count "$where: $name" 0;;
		SKIP) qr_skipped+=("$where: $name");;
		*)
			left=$((left - 1))
			if [ $left -ge 0 ] && qr_passes_again "$dir" "$name" \
				-t $((times + times / 2 + 1)) "$@"; then
				qr_again+=("$where: $name ($result)")
				qr_count "$where: $name" 0
			else
				qr_count "$where: $name ($result)" 1
			fi;;
		esac
	done < <(qr_results "$log")
}

# qr_passes_again DIR "SUITE / NAME" TEST-ARG... : alone
qr_passes_again()
{
	local dir=$1 test=$2 log status
	local suite=${2%% / *} name=${2#* / }
	shift 2
	log=$(mktemp) || return 1
	rm -f "$dir"/meson-logs/again*
	printf '\nonce more, alone: %s\n' "$test"
	meson test -C "$dir" --no-rebuild --print-errorlogs "$@" \
		--num-processes 1 --logbase again --suite "${suite%%+*}" \
		"$name" >"$log" 2>&1 </dev/null
	qr_results "$(echo "$dir"/meson-logs/again*.json)" 2>/dev/null |
		grep -qxF "OK $test"
	status=$?
	[ $status -eq 0 ] || qr_keep_log "${dir#build-check/}: $test" "$log"
	rm -f "$log"
	return $status
}

# qr_list TITLE LINE... : nothing when there is no line
qr_list()
{
	[ $# -gt 1 ] || return 0
	echo "$1:"
	shift
	printf '  %s\n' "$@"
}

# The last lines of a run; the status of the whole.
qr_summary()
{
	[ -z "$qr_logs" ] || printf 'what they said:\n%s\n' "$qr_logs"
	qr_list "could not run here" "${qr_skipped[@]}"
	qr_list "passed only when run again" "${qr_again[@]}"
	qr_list "failed" "${qr_failures[@]}"
	echo "$qr_passed passed, $qr_failed failed"
	[ "$qr_failed" -eq 0 ] && [ "$qr_passed" -gt 0 ]
}
