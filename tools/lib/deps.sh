# Debian packages that a command needs: installed when root, named otherwise.
# Sourced by the commands in tools/.

# qr_need_packages PACKAGE... : 0 when all are there afterwards
qr_need_packages()
{
	local missing=() p
	for p in "$@"; do
		[ "$(dpkg-query -W -f '${Status}' "$p" 2>/dev/null)" = \
			"install ok installed" ] || missing+=("$p")
	done
	[ ${#missing[@]} -eq 0 ] && return 0
	if [ "$(id -u)" -ne 0 ]; then
		echo "missing Debian packages: ${missing[*]}" >&2
		echo "install them with: apt-get install ${missing[*]}" >&2
		return 1
	fi
	echo "installing ${missing[*]}" >&2
	export DEBIAN_FRONTEND=noninteractive
	apt-get install -y -qq "${missing[@]}" >/dev/null 2>&1 && return 0
	apt-get update -qq >&2 &&
		apt-get install -y -qq "${missing[@]}" >/dev/null
}
