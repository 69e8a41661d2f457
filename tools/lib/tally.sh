# Counting what passed and what failed.  Sourced by tools/check.

qr_passed=0
qr_failed=0
qr_failures=()
qr_skipped=()

# qr_quietly COMMAND... : its output only when it fails
qr_quietly()
{
	local log status
	log=$(mktemp) || return 1
	"$@" >"$log" 2>&1
	status=$?
	[ $status -eq 0 ] || tail -60 "$log"
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

# qr_count_meson LOG : one line of JSON per test, as meson test writes it
qr_count_meson()
{
	local where name result

	if [ ! -f "$1" ]; then
		qr_count "no log of the tests: $1" 1
		return
	fi
	where=${1#build-check/}
	where=${where%%/*}
	while read -r result name; do
		case $result in
		OK | EXPECTEDFAIL) qr_count "$where: $name" 0;;
		SKIP) qr_skipped+=("$where: $name");;
		*) qr_count "$where: $name ($result)" 1;;
		esac
	done < <(sed -nE 's/^\{"name": "(quarry:)?([^"]*)",.* "result": "([A-Z]+)", "starttime".*/\3 \2/p' "$1")
}

# The last lines of a run; the status of the whole.
qr_summary()
{
	local line
	[ ${#qr_skipped[@]} -eq 0 ] || echo "could not run here:"
	for line in "${qr_skipped[@]}"; do echo "  $line"; done
	[ ${#qr_failures[@]} -eq 0 ] || echo "failed:"
	for line in "${qr_failures[@]}"; do echo "  $line"; done
	echo "$qr_passed passed, $qr_failed failed"
	[ "$qr_failed" -eq 0 ] && [ "$qr_passed" -gt 0 ]
}
