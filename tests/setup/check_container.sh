#!/usr/bin/env bash
#
# Tests the image that scripts/packaging/Containerfile describes, without Podman or Docker: follows the file's instructions in
# copies of a fresh Debian, then runs its entrypoint as a container does, as the first process, as its user and with a
# read-only root, with a PostgreSQL and a Redis. This changes the machine, so it only runs in a Debian made for it:
#
#   scripts/in-debian trixie tests/setup/check_container.sh
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.."
# shellcheck source=tests/setup/services.sh
source tests/setup/services.sh
# shellcheck source=scripts/lib/services.sh
source scripts/lib/services.sh

file=scripts/packaging/Containerfile
work=/var/tmp/container
log=$work/log
mkdir -p "$work/context"

say() { printf 'check_container: %3d s: %s\n' "$SECONDS" "$*"; }
quietly() { "$@" >"$log" 2>&1 || { cat "$log" >&2; fail "failed: $*"; }; }

# FROM starts with a copy of this Debian as it is now.
tar --one-file-system --exclude=./var/tmp/\* --exclude=./var/cache/apt/archives/\* --exclude="./${PWD#/}" \
  -C / -cf "$work/base.tar" .
base=docker.io/library/debian:$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)-slim

# What the file that limits the context allows.
while IFS= read -r line; do
  case $line in
    '' | \#* | '*') ;;
    !*[/*]*) fail ".dockerignore has a line that this test cannot follow: $line" ;;
    !*) cp -a "${line#!}" "$work/context" ;;
    *) fail ".dockerignore has a line that this test cannot follow: $line" ;;
  esac
done <.dockerignore
grep -q -x -F '*' .dockerignore || fail '.dockerignore lets everything through'

tree=
directory=/
user=
declare -A entry=([ENTRYPOINT]='' [CMD]='')

# from IMAGE [AS NAME]
from() {
  [[ $1 == "$base" ]] || fail "FROM $1: this Debian stands for $base"
  tree=$work/stage-${3:-final}
  directory=/
  mkdir "$tree"
  tar -C "$tree" -xf "$work/base.tar"
}

# copy [--from=NAME] FILE... PLACE
copy() {
  local source=$work/context place=${!#} each
  if [[ $1 == --from=* ]]; then
    source=$work/stage-${1#*=}
    shift
  fi
  [[ $place == /* ]] || place=$directory/$place
  for each in "${@:1:$#-1}"; do
    if [[ -d $source/$each ]]; then
      each+=/.
    else
      [[ $place == */ ]] || fail "COPY $*: this test only copies files into folders"
    fi
    mkdir -p "$tree$place"
    cp -a "$source/$each" "$tree$place"
  done
}

# run COMMAND: in the tree, as root. The packages are downloaded once for all trees.
run() {
  # shellcheck disable=SC2016 # the inner shell expands
  unshare --mount --pid --fork --kill-child bash -c '
    set -e
    tree=$1
    shift
    mount --bind /var/cache/apt/archives "$tree/var/cache/apt/archives"
    mount -t proc proc "$tree/proc"
    mount --rbind /dev "$tree/dev"
    exec chroot "$tree" env -i "$@"' bash "$tree" --chdir="$directory" \
    ${CMAKE_BUILD_PARALLEL_LEVEL+CMAKE_BUILD_PARALLEL_LEVEL="$CMAKE_BUILD_PARALLEL_LEVEL"} \
    PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root sh -c "$1"
}

# follow KEYWORD REST: executes an instruction.
follow() {
  local words
  read -r -a words <<<"$2"
  say "$1 ${words[*]}"
  case $1 in
    FROM) from "${words[@]}" ;;
    WORKDIR) mkdir -p "$tree$2" && directory=$2 ;;
    COPY) copy "${words[@]}" ;;
    RUN) quietly run "$2" ;;
    USER) user=$2 ;;
    STOPSIGNAL) is 'the signal that ends it' SIGTERM echo "$2" ;;
    ENTRYPOINT | CMD)
      [[ $2 =~ ^\[\"[^\"\\]+\"(, \"[^\"\\]+\")*\]$ ]] || fail "not in exec form: $1 $2"
      entry[$1]=$(grep -o '"[^"]*"' <<<"$2" | tr -d '"')
      ;;
    *) fail "this test does not know the instruction $1" ;;
  esac
}

instruction=
while IFS= read -r line; do
  [[ $line != \#* ]] || continue
  instruction+=$line
  if [[ $instruction == *\\ ]]; then
    instruction=${instruction%\\}
  elif [[ -n $instruction ]]; then
    follow "${instruction%% *}" "${instruction#* }"
    instruction=
  fi
done <"$file"
mapfile -t entrypoint <<<"${entry[ENTRYPOINT]}"
mapfile -t command <<<"${entry[CMD]}"

say "the image has $(du -sm "$tree" | cut -f 1) MB"
[[ $user =~ ^[1-9][0-9]*:[1-9][0-9]*$ ]] || fail "the user is no number, or is root: $user"
[[ -s $tree/etc/ssl/certs/ca-certificates.crt ]] || fail 'there are no certificates'
for left in /src /usr/bin/g++ /usr/bin/cmake /usr/include/libpq-fe.h /tmp/packages; do
  [[ ! -e $tree$left ]] || fail "the image has $left"
done

quietly scripts/lib/install-packages postgresql postgresql-client redis-server redis-tools
services_start
sockets=$services_dir/postgres
# The user of the image can reach the socket, and nobody else.
chgrp "${user#*:}" "$sockets"
chmod 0710 "$sockets"
quietly psql -Xq "$DATABASE_URL" -v symbols=1000 -v as_of=2026-08-20 -f scripts/sample-market.sql
metrics=$work/metrics
install -d -o "${user%:*}" "$metrics"
# For volumes, a container runtime creates the folders.
mkdir -p "$tree$sockets" "$tree/metrics"

# container ARGUMENT...: runs the entrypoint. Everything before it ends in exec, so that it is the first process. bash
# ignores SIGINT in its jobs.
container() {
  # shellcheck disable=SC2016 # the inner shell expands
  timeout 60 unshare --mount --pid --fork --kill-child bash -c '
    set -e
    tree=$1 sockets=$2 metrics=$3
    shift 3
    mount --bind "$tree" "$tree"
    mount -t proc proc "$tree/proc"
    mount --rbind /dev "$tree/dev"
    mount --bind "$sockets" "$tree$sockets"
    mount --bind "$metrics" "$tree/metrics"
    mount -o remount,bind,ro "$tree"
    exec chroot "$tree" setpriv --clear-groups --inh-caps=-all --bounding-set=-all --no-new-privs "$@"' \
    bash "$tree" "$sockets" "$metrics" --reuid="${user%:*}" --regid="${user#*:}" \
    env -i --default-signal=INT PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/ \
    DATABASE_URL="$DATABASE_URL" REDIS_URL="$REDIS_URL" "${entrypoint[@]}" "$@"
}
sql() { psql -XAtq "$DATABASE_URL" -c "$1"; }

version() { container --version | cut -d ' ' -f 1,2; }
is 'the version' "tickstock-cache $(sed -n 's/^  VERSION //p' CMakeLists.txt)" version
quietly container "${command[@]}"
quietly container init
quietly container check
quietly container dry-run --as-of 2026-08-20
quietly container sync --as-of 2026-08-20 --metrics-file /metrics/tickstock-cache.prom
is 'the owner of the metrics' "${user%:*}" stat -c %u "$metrics/tickstock-cache.prom"
is 'the status in the metrics' 'tickstock_cache_last_exit_status{mode="full"} 0' grep '^tickstock_cache_last_exit_status' "$metrics/tickstock-cache.prom"
is 'the recorded runs' 'completed' sql 'SELECT status FROM cache_sync_runs'
is 'what is not published' 0 sql 'SELECT count(*) FROM cache_sync_outbox WHERE published_at IS NULL'

# Where it is already tomorrow.
quietly container sync --triggered-by cron --timezone Pacific/Kiritimati
is 'the day in the id' "cron-$(TZ=LINT-14 date +%F)" sql "SELECT left(run_id, 15) FROM cache_sync_runs WHERE triggered_by = 'cron'"

# The first process of a PID namespace never dies from a signal without a handler.
psql -XAtq "$DATABASE_URL" -c BEGIN -c 'LOCK TABLE cache_entries' -c 'SELECT pg_sleep(60)' >/dev/null 2>&1 &
holder=$!
holds() { [[ -n $(sql "SELECT 1 FROM pg_locks WHERE granted AND mode = 'AccessExclusiveLock' AND relation = 'cache_entries'::regclass") ]]; }
waits() { [[ -n $(sql "SELECT 1 FROM pg_stat_activity WHERE application_name LIKE 'tickstock-cache%' AND wait_event_type = 'Lock'") ]]; }
answers "$holder" holds || fail 'nobody holds the lock'
for each in TERM:143 INT:130 HUP:129; do
  container sync --as-of 2026-08-20 >"$log" 2>&1 &
  runner=$!
  answers "$runner" waits || { cat "$log" >&2; fail 'the run does not wait'; }
  pid=$(grep -s -l -x $'Name:\ttickstock-cache' /proc/[0-9]*/status | cut -d / -f 3) || true
  is 'the number of the process' 1 sh -c "sed -n 's/^NSpid:.*\t//p' /proc/$pid/status"
  is 'its user' "${user%:*}" sh -c "sed -n 's/^Uid:\t\([0-9]*\)\t.*/\1/p' /proc/$pid/status"
  begun=$SECONDS status=0
  kill -s "${each%:*}" "$pid"
  wait "$runner" || status=$?
  ((status == ${each#*:})) || { cat "$log" >&2; fail "SIG${each%:*} ended it with $status"; }
  ((SECONDS - begun <= 3)) || fail "SIG${each%:*} took $((SECONDS - begun)) s"
done
kill "$holder"
say 'done'
