#!/usr/bin/env bash
# run.sh PROGRAM.sh: run a job twice, on libc and with the library of LIB
# preloaded, and compare: exit status 0, the same output, nothing of the
# library on stderr.  With LIB empty both are on libc, to test the test.
#
# A script of this directory is a job: it may define
#
#	needs="COMMAND..."	commands, all of packages in tools/lib/deps.sh
#	wants="COMMAND..."	commands that are heavy to install, and are not;
#				without either it is skipped (77)
#	prepare()		once, on libc: makes files in $shared
#	job()			the job, in an empty directory, the same each time;
#				what it prints is compared
#
# and use the functions below.  Every command of the job has the library
# preloaded.  Background processes are ended with the job.
set -u
here=$(cd "$(dirname "$0")" && pwd)
script=$1
case $script in /*) ;; *) script=$here/$script;; esac
LIB=${LIB-}
export LC_ALL=C TZ=UTC
unset LD_PRELOAD LD_LIBRARY_PATH MALLOC_PERTURB_ MALLOC_ARENA_MAX MAKEFLAGS

skip()
{
	echo "skipped: $*"
	exit 77
}

# fail WHY: ends the job
fail()
{
	echo "failed: $*" >&2
	exit 1
}

# serve COMMAND...: run a server; its pid is in $server
serve()
{
	"$@" >"$work/server.log" 2>&1 </dev/null &
	server=$!
	echo "$server" >>"$work/servers"
}

# until_ok COMMAND...: repeat until it succeeds, 20 seconds at most, or until
# the server is gone
until_ok()
{
	local tries=0
	until "$@" >/dev/null 2>&1; do
		kill -0 "$server" 2>/dev/null ||
			{ cat "$work/server.log" >&2; fail "the server is gone"; }
		tries=$((tries + 1))
		[ $tries -lt 400 ] || fail "no answer: $*"
		sleep 0.05
	done
}

# is_preloaded PID: the library is mapped there
is_preloaded()
{
	[ -z "$LIB" ] || [ "${LD_PRELOAD-}" != "$LIB" ] ||
		grep -q "$(basename "$(readlink -f "$LIB")")" "/proc/$1/maps" ||
		fail "process $1 does not have the library"
}

# end_server [SIGNAL]: it must end by itself, with status 0
end_server()
{
	kill -"${1:-TERM}" "$server" || fail "the server is gone"
	wait "$server" || { cat "$work/server.log" >&2
		fail "the server ended with status $?"; }
	no_complaint "$work/server.log"
}

# no_complaint FILE: the library has reported nothing there
no_complaint()
{
	! grep -q "^quarry: " "$1" || { cat "$1" >&2; fail "the library complains"; }
}

work=$(mktemp -d "${TMPDIR:-/tmp}/quarry-program.XXXXXX") || exit 99
chmod 755 "$work"
clean_up()
{
	local pid
	[ ! -f "$work/servers" ] ||
		while read -r pid; do kill -KILL "$pid" 2>/dev/null; done <"$work/servers"
	rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 99' INT TERM HUP
shared=$work/shared
mkdir "$shared"

needs=
wants=
prepare() { :; }
. "$script"
for command in $needs $wants; do
	command -v "$command" >/dev/null || skip "$command is not installed"
done

# The loader ignores what it cannot preload: be sure that it can.
if [ -n "$LIB" ]; then
	LIB=$(readlink -f "$LIB")
	said=$(LD_PRELOAD=$LIB LD_DEBUG=bindings perl -e 1 2>&1) || fail "$said"
	grep -q "to $LIB .*normal symbol .malloc'" <<<"$said" ||
		fail "$LIB is not what perl calls for malloc"
fi

prepare || fail "nothing prepared"

# run_job NAME PRELOAD
run_job()
{
	local status
	mkdir "$work/run"
	( cd "$work/run" || exit 99
		[ -z "$2" ] || export LD_PRELOAD="$2"
		SECONDS=0
		job
		status=$?
		unset LD_PRELOAD
		echo "job: status $status" >>"$work/$1.status"
		exit $status
	) >"$work/$1.out" 2>"$work/$1.err" </dev/null
	status=$?
	mv "$work/run" "$work/run.$1"
	if [ $status -ne 0 ]; then
		echo "on $1: status $status"
		tail -n 30 "$work/$1.out" "$work/$1.err"
		[ $status -eq 77 ] && exit 77
		exit 1
	fi
}

run_job libc ""
run_job library "$LIB"
if ! cmp -s "$work/libc.out" "$work/library.out"; then
	echo "not the same output:"
	diff "$work/libc.out" "$work/library.out" | head -n 40
	exit 1
fi
if grep "^quarry: " "$work/library.err"; then
	echo "the library complains"
	exit 1
fi
[ -s "$work/libc.out" ] || { echo "no output to compare"; exit 1; }
echo "the same output: $(wc -l <"$work/libc.out") lines"
