# Debian packages that a command needs: installed when root, named otherwise.
# Sourced by the commands in tools/.

# to build the library
qr_packages_build=(gcc libc6-dev meson ninja-build pkg-config liburcu-dev)

# to build and run every test
qr_packages_check=(
	"${qr_packages_build[@]}"
	g++ clang-14 libclang-rt-14-dev libcriterion-dev binutils perl file
	gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user
	musl-tools linux-libc-dev
)

# real programs to run on the library; go, java, node and rust are not among
# them: hundreds of megabytes each, used where they are
qr_packages_programs=(
	curl git libpython3.11-testsuite memcached nginx-light procps
	redis-server redis-tools sqlite3 stress-ng tar gzip xz-utils make mawk
)

# the machine with several nodes
qr_packages_vm=(qemu-system-x86 cpio xz-utils)

qr_is_installed() # PACKAGE
{
	[ "$(dpkg-query -W -f '${Status}' "$1" 2>/dev/null)" = \
		"install ok installed" ]
}

# qr_without_services COMMAND... : no package starts a server of its own
qr_without_services()
{
	local policy=/usr/sbin/policy-rc.d status
	[ ! -e $policy ] || { "$@"; return; }
	printf '#!/bin/sh\nexit 101\n' >$policy && chmod +x $policy
	"$@"
	status=$?
	rm -f $policy
	return $status
}

qr_apt_get()
{
	DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=120 \
		"$@" </dev/null
}

qr_install() # PACKAGE...
{
	qr_apt_get install -y -qq --no-install-recommends "$@"
}

# qr_need_packages PACKAGE... : 0 when all are there afterwards
qr_need_packages()
{
	local missing=() p log

	for p in "$@"; do
		qr_is_installed "$p" || missing+=("$p")
	done
	[ ${#missing[@]} -eq 0 ] && return 0
	if [ "$(id -u)" -ne 0 ]; then
		echo "missing Debian packages; install them with" >&2
		echo "  apt-get install ${missing[*]}" >&2
		return 1
	fi
	echo "installing ${missing[*]}" >&2
	log=$(mktemp) || return 1
	# the lists may be absent, old, or the network slow: once more then
	if qr_without_services qr_install "${missing[@]}" >"$log" 2>&1 ||
		{ qr_apt_get update -qq >>"$log" 2>&1
		  qr_without_services qr_install "${missing[@]}" \
			>>"$log" 2>&1; }
	then
		rm -f "$log"
		return 0
	fi
	tail -15 "$log" >&2
	rm -f "$log"
	echo "could not install ${missing[*]}" >&2
	return 1
}
