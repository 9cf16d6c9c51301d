#!/bin/bash
# A PostgreSQL cluster of our own in DIR/pg, for the demo and the tests; the system's own clusters
# and ports are never touched.
#
#   deploy/postgres.sh start DIR [NAME=VALUE...]        create if need be, and start; settings for it
#   deploy/postgres.sh stop DIR [fast|immediate]        fine also when it does not run
#   deploy/postgres.sh restart DIR [fast|immediate]     immediate: as in a crash
#   deploy/postgres.sh conninfo DIR                     print the connection string
#
# It listens on a Unix socket only. That is open to whoever can enter DIR/pg, which is the user it
# runs as and root; hence no password. As root it runs as the user postgres, else nobody.
set -u

say() { printf 'postgres: %s\n' "$*" >&2; }

die()
{
	say "$*"
	exit 1
}

usage()
{
	sed -n '5,8s/^# *//p' "$0" >&2
	exit 2
}

# Print the folder with the programs of PostgreSQL: the version the cluster was made by, else the
# newest from 15 on.
find_programs()
{
	local bin version newest=14 wanted=

	[[ -r $data/PG_VERSION ]] && wanted=$(<"$data/PG_VERSION")
	for bin in /usr/lib/postgresql/*/bin; do
		version=${bin#/usr/lib/postgresql/}
		version=${version%/bin}
		[[ $version =~ ^[0-9]+$ && -x $bin/initdb && -x $bin/postgres ]] || continue
		[[ -n $wanted && $version != "$wanted" ]] && continue
		((version > newest)) && newest=$version
	done
	((newest > 14)) && printf '/usr/lib/postgresql/%s/bin\n' "$newest"
}

# PostgreSQL refuses to run as root. Its environment is empty, so that no PG* variable or locale of
# the caller gets in, and it keeps no file of the caller open.
as_postgres()
(
	local fd drop=()

	((EUID == 0)) && drop=(setpriv --reuid="$user" --regid="$group" --clear-groups)
	for fd in /proc/self/fd/*; do
		fd=${fd##*/}
		((fd > 2 && fd < 255)) && eval "exec $fd>&-"
	done
	cd / && exec "${drop[@]}" env -i PATH=/usr/bin:/bin HOME=/ LC_ALL=C.UTF-8 TZ=UTC "$@" </dev/null
)

# Let the unprivileged user, and nobody else, pass through DIR, and through what lies above it in
# /tmp. A folder elsewhere is left as it is.
open_path()
{
	local path=$dir

	as_postgres test -x "$dir" && return
	while :; do
		if [[ $(stat -c %u "$path") == 0 && $(stat -c %a "$path") != *[1357] ]]; then
			chgrp "$group" "$path" && chmod g+x "$path" || return 1
		fi
		path=${path%/*}
		[[ $path == /tmp/* || $path == /var/tmp/* ]] || break
	done
	as_postgres test -x "$dir"
}

# The cluster appears under its name only when it is complete.
create_cluster()
{
	as_postgres rm -rf "$data.new"
	as_postgres "$bin/initdb" -D "$data.new" -U tributary -A trust -E UTF8 --locale=C.UTF-8 \
		--no-instructions >"$pg/initdb.log" 2>&1 || {
		cat "$pg/initdb.log" >&2
		die "could not create a cluster in $pg"
	}
	echo "include 'tributary.conf'" >>"$data.new/postgresql.conf" &&
		mv "$data.new" "$data"
}

# With a database that gave its word on a commit the tests may cut the power: fsync stays on.
write_settings()
{
	local memory=mmap setting

	as_postgres test -w /dev/shm && memory=posix
	{
		cat <<-CONF
			listen_addresses = ''
			unix_socket_directories = '$pg'
			port = 5432
			max_connections = 200
			shared_buffers = 128MB
			dynamic_shared_memory_type = $memory
			max_wal_size = 2GB
			fsync = on
			synchronous_commit = on
			timezone = 'UTC'
			log_timezone = 'UTC'
			log_line_prefix = '%m [%p] %a: '
		CONF
	} >"$data/tributary.conf"
	# A server built without lz4 refuses the value.
	if as_postgres "$bin/postgres" -D "$data" -c wal_compression=lz4 -C wal_compression \
		>/dev/null 2>&1; then
		echo 'wal_compression = lz4' >>"$data/tributary.conf"
	fi
	for setting in "$@"; do
		printf "%s = '%s'\n" "${setting%%=*}" "${setting#*=}"
	done >>"$data/tributary.conf"
}

sql() { "$bin/psql" -XAtq -v ON_ERROR_STOP=1 -h "$pg" -p 5432 -U tributary "$@"; }

is_running()
{
	[[ -e $data/postmaster.pid ]] && as_postgres "$bin/pg_ctl" -D "$data" status >/dev/null
}

# Wait for a server that is still recovering, started by somebody else.
is_ready()
{
	local try

	for ((try = 0; try < 600; try++)); do
		"$bin/pg_isready" -q -h "$pg" -p 5432 && return
		sleep 0.1
	done
	return 1
}

control()
{
	as_postgres "$bin/pg_ctl" -D "$data" -l "$pg/log" -w -t 120 -s "$@" 2>"$pg/pg_ctl.log" && return
	cat "$pg/pg_ctl.log" >&2
	tail -n 20 "$pg/log" >&2
	return 1
}

start()
{
	local setting

	for setting in "$@"; do
		[[ $setting =~ ^[a-z_.]+=[^\']*$ ]] || usage
	done
	if is_running; then
		is_ready || die "runs, but takes no connections; see $pg/log"
		return
	fi
	mkdir -p "$pg" || exit 1
	if ((EUID == 0)); then
		open_path || die "the user $user, which PostgreSQL runs as, cannot enter $dir;" \
			"use a folder made by: mktemp -d /tmp/trib.XXXX"
		chown "$user:$group" "$pg"
	fi
	chmod 700 "$pg" || exit 1
	[[ -e $data/PG_VERSION ]] || create_cluster || exit 1
	write_settings "$@"
	control start || die "could not start; see $pg/log"
	if [[ $(sql -d postgres -c "select 1 from pg_database where datname = 'tributary'") != 1 ]]; then
		sql -d postgres -c 'create database tributary' || die "could not create the database"
	fi
}

if [[ ${1:-} == -h || ${1:-} == --help ]]; then
	sed -n '2,/^set /s/^# \{0,1\}//p' "$0"
	exit 0
fi
(($# >= 2)) && [[ -n $2 ]] || usage
command=$1
dir=$(realpath -m -- "$2") || exit 1
shift 2
pg=$dir/pg
data=$pg/data
user=$(id -un)
group=$(id -gn)

[[ $dir =~ ^[A-Za-z0-9_./+,@%:=-]+$ ]] || die "the path $dir has characters that need quoting"
socket=$pg/.s.PGSQL.5432
((${#socket} <= 107)) ||
	die "the path $dir is too long by $((${#socket} - 107)) bytes for a Unix socket in it"

if [[ $command == conninfo ]]; then
	[[ -e $data ]] || die "there is no cluster in $pg"
	printf 'host=%s port=5432 user=tributary dbname=tributary\n' "$pg"
	exit 0
fi
if ((EUID == 0)); then
	user=postgres
	id -u postgres >/dev/null 2>&1 || user=nobody
	group=$(id -gn "$user")
fi
bin=$(find_programs)
[[ -n $bin ]] || die "PostgreSQL 15 or newer is not installed; deploy/install.sh installs it"

case $command in
start) start "$@" ;;
stop)
	is_running || exit 0
	control stop -m "${1:-fast}" || die "could not stop; see $pg/log"
	;;
restart)
	[[ -e $data/PG_VERSION ]] || die "there is no cluster in $pg"
	control restart -m "${1:-fast}" || die "could not restart; see $pg/log"
	;;
*) usage ;;
esac
