#!/bin/bash
# Install the Debian packages named in deploy/packages that this machine lacks.
#
#   deploy/install.sh           install what lacks; silent and quick when nothing does
#   deploy/install.sh --check   only print the names of what lacks; status 1 if there is any
#   deploy/install.sh --wanted  install what is wanted besides, as far as that goes; never fails
#
# Needs root, or a user for whom `sudo -n` works, only when something lacks.
set -u

list=$(dirname "${BASH_SOURCE[0]}")/packages
shopt -s nullglob

say() { printf 'install: %s\n' "$*" >&2; }

die()
{
	say "$*"
	exit 1
}

# A program counts only in the folders Debian installs to: another interpreter or server that comes
# first in PATH is not the one we build and test with.
has_command()
{
	local dir

	for dir in /usr/bin /usr/sbin /bin /sbin; do
		[[ -x $dir/$1 ]] && return 0
	done
	return 1
}

has_file()
{
	local found=($1) # a glob on purpose

	((${#found[@]} > 0)) && [[ -e ${found[0]} ]]
}

# Print the modules among the arguments that Debian's Python does not find.
lacking_python()
{
	if [[ ! -x /usr/bin/python3 ]]; then
		printf '%s\n' "$@"
		return
	fi
	/usr/bin/python3 -I - "$@" <<-'PY'
		import importlib.util
		import sys
		for name in sys.argv[1:]:
		    try:
		        found = importlib.util.find_spec(name)
		    except ImportError:
		        found = None
		    if found is None:
		        print(name)
	PY
}

# Print the pkg-config modules among the arguments that do not exist.
lacking_pkgconfig()
{
	local name

	if has_command pkg-config; then
		/usr/bin/pkg-config --exists "$@" 2>/dev/null && return
		for name in "$@"; do
			/usr/bin/pkg-config --exists "$name" 2>/dev/null || printf '%s\n' "$name"
		done
	else
		printf '%s\n' "$@"
	fi
}

# Set lacking to the packages that this machine needs, in the order of the list, and wanting to
# those that would be of use.
find_lacking()
{
	local name hash test
	local -a names=()
	local -A tests=() missing=()

	while read -r name hash test _; do
		[[ -z $name || $name == '#'* ]] && continue
		[[ $hash == '#' ]] || die "$list: no test for package $name"
		names+=("$name")
		tests[$name]=$test
	done <"$list" || die "cannot read $list"

	local -a modules=() python=()
	for name in "${names[@]}"; do
		test=${tests[$name]}
		case $test in
		cmd:*) has_command "${test#cmd:}" || missing[$test]=1 ;;
		any:*) command -v "${test#any:}" >/dev/null || missing[$test]=1 ;;
		file:*) has_file "${test#file:}" || missing[$test]=1 ;;
		pc:*) modules+=("${test#pc:}") ;;
		py:*) python+=("${test#py:}") ;;
		*) die "$list: unknown test $test for package $name" ;;
		esac
	done
	for name in $(lacking_pkgconfig "${modules[@]}"); do
		missing[pc:$name]=1
	done
	for name in $(lacking_python "${python[@]}"); do
		missing[py:$name]=1
	done

	lacking=()
	wanting=()
	for name in "${names[@]}"; do
		test=${tests[$name]}
		[[ -n ${missing[$test]:-} ]] || continue
		if [[ $test == any:* ]]; then
			wanting+=("$name")
		else
			lacking+=("$name")
		fi
	done
}

as_root()
{
	if ((EUID == 0)); then
		"$@"
	else
		sudo -n "$@"
	fi
}

apt()
{
	as_root env DEBIAN_FRONTEND=noninteractive UCF_FORCE_CONFFOLD=1 LC_ALL=C.UTF-8 \
		apt-get -qq -o DPkg::Lock::Timeout=900 -o Dpkg::Use-Pty=0 \
		-o Dpkg::Options::=--force-confold -o Acquire::Retries=3 "$@"
}

update_index()
{
	local try

	for try in 1 2 3; do
		apt update </dev/null >"$log" 2>&1 && return 0
		sleep "$try"
	done
	return 1
}

# Keep Debian's package from creating and starting a database cluster of its own: Tributary makes
# its clusters itself.
forbid_main_cluster()
{
	local conf=/etc/postgresql-common/createcluster.conf

	[[ -e $conf ]] && return
	say "writing $conf so that PostgreSQL's package creates no cluster"
	as_root mkdir -p "${conf%/*}" &&
		echo 'create_main_cluster = false' | as_root tee "$conf" >/dev/null
}

policy=/usr/sbin/policy-rc.d
policy_written=0

# Where no systemd runs (a chroot, a container) a package must not start its daemon by hand.
forbid_services()
{
	[[ -d /run/systemd/system || -e $policy ]] && return
	printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null || return
	policy_written=1
	as_root chmod 755 "$policy"
}

finish()
{
	((policy_written)) && as_root rm -f "$policy"
	[[ -n ${log:-} ]] && rm -f "$log"
}

may_install()
{
	command -v apt-get >/dev/null || return
	((EUID == 0)) || { command -v sudo && sudo -n true; } >/dev/null 2>&1
}

begin_log()
{
	log=$(mktemp) || die "cannot create a temporary file"
	trap finish EXIT
	trap 'exit 130' INT TERM HUP
}

# Another Node.js on this machine may keep Debian's npm out: then nothing is removed for its sake.
install_wanted()
{
	((${#wanting[@]} > 0)) && may_install || return
	begin_log
	say "installing ${#wanting[@]} Debian packages that are wanted: ${wanting[*]}"
	if update_index && forbid_services &&
		apt install -y --no-remove --no-install-recommends "${wanting[@]}" </dev/null >"$log" 2>&1; then
		say "done"
	else
		tail -n 3 "$log" >&2
		say "not installed; what uses them is skipped"
	fi
}

find_lacking
case ${1:-} in
--check)
	((${#lacking[@]} == 0)) && exit 0
	printf '%s\n' "${lacking[@]}"
	exit 1
	;;
--wanted)
	install_wanted
	exit 0
	;;
esac
((${#lacking[@]} == 0)) && exit 0

command -v apt-get >/dev/null ||
	die "not a Debian system; needed are the equivalents of: ${lacking[*]}"
may_install ||
	die "these Debian packages are needed, and installing them takes root or sudo without a" \
		"password: ${lacking[*]}"
begin_log

say "installing ${#lacking[@]} Debian packages: ${lacking[*]}"
if ! update_index; then
	cat "$log" >&2
	die "apt-get update failed"
fi
if [[ " ${lacking[*]} " == *' postgresql '* ]]; then
	forbid_main_cluster || die "cannot write PostgreSQL's configuration"
fi
forbid_services || die "cannot write $policy"
if ! apt install -y --no-install-recommends "${lacking[@]}" </dev/null >"$log" 2>&1; then
	cat "$log" >&2
	die "apt-get could not install: ${lacking[*]}"
fi
find_lacking
((${#lacking[@]} == 0)) || die "installed, but still not found: ${lacking[*]}"
say "done"
