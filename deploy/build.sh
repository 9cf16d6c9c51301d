#!/bin/bash
# Build Tributary, after installing the Debian packages this machine lacks.
#
#   deploy/build.sh [DIR [MESON-OPTION...]]
#
# DIR is the build folder in the top-level folder, `build` unless given; the options count only when
# it is set up for the first time. Says on stderr what it does, and nothing when all is up to date.
set -u

case ${1:-} in
-h | --help)
	sed -n '2,/^set /s/^# \{0,1\}//p' "$0"
	exit 0
	;;
-*)
	printf 'build: no option %s; see deploy/build.sh --help\n' "$1" >&2
	exit 2
	;;
esac
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd) || exit 1
dir=${1:-build}
shift $(($# > 0 ? 1 : 0))
# Debian's tools, even if another compiler or Python comes first in the caller's PATH.
PATH=/usr/sbin:/usr/bin:/sbin:/bin:$PATH

"$top/deploy/install.sh" || exit 1
cd "$top" || exit 1
mkdir -p "$dir" || exit 1

# Two builds at once in one folder would disturb each other.
exec 9>"$dir/.lock"
flock 9
log=$(mktemp) || exit 1
trap 'rm -f "$log"' EXIT

fail()
{
	cat "$log" >&2
	printf 'build: %s\n' "$*" >&2
	exit 1
}

if [[ ! -e $dir/build.ninja ]]; then
	printf 'build: setting up %s\n' "$dir" >&2
	meson setup --buildtype=debugoptimized "$@" "$dir" >"$log" 2>&1 9>&- ||
		fail "meson setup failed"
fi
if ! ninja -C "$dir" -n 2>/dev/null | grep -q '^ninja: no work to do'; then
	printf 'build: compiling in %s\n' "$dir" >&2
	ninja -C "$dir" >"$log" 2>&1 9>&- || fail "compiling failed"
fi
