# shellcheck shell=bash
#
# A throwaway PostgreSQL and Redis for scripts to work with. Source this file from bash:
#
#   services_start   starts both and exports DATABASE_URL and REDIS_URL; their files are in "$services_dir"
#   services_stop    stops and removes both; runs by itself when the script ends, however it ends
#
# The database asks for no password, so it listens only on a socket that nobody else on the machine can reach.
# A script with its own EXIT trap sets it after services_start and calls services_stop in it. A script that needs other
# PostgreSQL settings puts lines for postgresql.conf into "$services_settings" before services_start.

services_dir=
services_settings=
services_redis=
# How to run the servers: from a folder that everyone may enter, and in their own session, so that a Ctrl-C reaches only
# this script, which then stops them in order. For root, the user is added below.
services_run=(setsid --wait env --chdir=/)

# Prints the folder of PostgreSQL's server programs, which Debian keeps out of PATH; fails if there is none.
postgres_bin() {
  local dir
  while read -r dir; do
    if [[ -x $dir/initdb ]]; then
      printf '%s\n' "$dir"
      return
    fi
  done < <(printf '%s\n' /usr/lib/postgresql/*/bin | sort -rV; pg_config --bindir 2>/dev/null)
  return 1
}

services_start() {
  local bin
  if ! bin=$(postgres_bin); then
    echo "services: no PostgreSQL server found; run scripts/setup --demo" >&2
    return 1
  fi
  PATH=$bin:$PATH

  # Keep the caller's environment from leading anything to the caller's servers.
  unset "${!PG@}" "${!REDIS@}" "${!TICKSTOCK_CACHE_@}"

  trap services_stop EXIT
  trap 'exit 129' HUP
  trap 'exit 130' INT
  trap 'exit 143' TERM

  # In /tmp instead of TMPDIR: the path of a socket is limited to 107 bytes, and the servers' user must be able to enter
  # it.
  services_dir=$(mktemp -d /tmp/tickstock-cache.XXXXXX)
  mkdir -m 0700 "$services_dir/postgres" "$services_dir/redis"

  # PostgreSQL refuses to run as root, and Redis doesn't need to.
  if ((EUID == 0)); then
    services_run+=(setpriv --reuid=postgres --regid=postgres --init-groups --)
    chmod 0711 "$services_dir"
    chown postgres:postgres "$services_dir/postgres" "$services_dir/redis"
  fi

  start_postgres && start_redis
}

services_stop() {
  # A second Ctrl-C must not leave anything half removed.
  trap '' HUP INT TERM
  if [[ -n $services_redis ]]; then
    kill "$services_redis" 2>/dev/null || true
    wait "$services_redis" 2>/dev/null || true
    services_redis=
  fi
  if [[ -e $services_dir/postgres/data/postmaster.pid ]]; then
    "${services_run[@]}" pg_ctl stop --mode=immediate --pgdata="$services_dir/postgres/data" \
      </dev/null >/dev/null 2>&1 || echo "services: PostgreSQL did not stop" >&2
  fi
  if [[ -n $services_dir ]]; then
    rm -rf "$services_dir"
    services_dir=
  fi
  trap - HUP INT TERM
}

start_postgres() {
  local dir=$services_dir/postgres
  # One chain, since set -e has no effect inside a condition. No subshell, since that would not have the traps.
  if ! {
    "${services_run[@]}" initdb --pgdata="$dir/data" --username=tickstock --auth=trust \
      --encoding=UTF8 --locale=C --no-sync &&
      "${services_run[@]}" tee -a "$dir/data/postgresql.conf" >/dev/null <<EOF &&
listen_addresses = ''
unix_socket_directories = '$dir'
fsync = off
synchronous_commit = off
full_page_writes = off
timezone = 'UTC'
$services_settings
EOF
      "${services_run[@]}" pg_ctl start --wait --timeout=30 --pgdata="$dir/data" --log="$dir/server.log" &&
      psql -X -q -h "$dir" -U tickstock -d postgres -c 'CREATE DATABASE tickstock'
  } </dev/null >"$services_dir/postgres.log" 2>&1; then
    echo "services: PostgreSQL did not start:" >&2
    tail -q -n 20 "$services_dir/postgres.log" "$dir/server.log" >&2 || true
    return 1
  fi
  export DATABASE_URL="postgresql://tickstock@/tickstock?host=$dir"
}

start_redis() {
  local dir=$services_dir/redis port
  # Find a free port by trying. Check our server on its own socket, so that it is never confused with another one on the
  # port.
  for _ in {1..10}; do
    port=$((20000 + RANDOM % 10000))
    "${services_run[@]}" redis-server - <<EOF >"$services_dir/redis.log" 2>&1 &
bind 127.0.0.1
port $port
unixsocket $dir/socket
dir $dir
save ""
appendonly no
EOF
    services_redis=$!
    if answers "$services_redis" redis-cli -s "$dir/socket" ping; then
      export REDIS_URL="redis://127.0.0.1:$port/0"
      return
    fi
    kill "$services_redis" 2>/dev/null || true
  done
  echo "services: Redis did not start:" >&2
  tail -n 20 "$services_dir/redis.log" >&2
  return 1
}

# answers PID COMMAND: repeats COMMAND until it succeeds, while PID runs, for at most ten seconds.
answers() {
  local pid=$1
  shift
  for _ in {1..200}; do
    "$@" >/dev/null 2>&1 </dev/null && return
    kill -0 "$pid" 2>/dev/null || return 1
    sleep 0.05
  done
  return 1
}
