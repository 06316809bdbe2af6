#!/usr/bin/env bash
#
# What scripts/setup installs starts no service, and those that are there are left alone, however it ends. This changes the
# machine, so it only runs in a Debian made for it:
#
#   scripts/in-debian bookworm tests/setup/check_services.sh
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.."

fail() {
  printf 'check_services: %s\n' "$*" >&2
  exit 1
}
[[ ${THROWAWAY:-} == yes ]] || fail 'this would change the machine; see the beginning of this file'

install=scripts/lib/install-packages
policy=/usr/sbin/policy-rc.d

# is WHAT EXPECTED COMMAND...: what the command prints is what is expected.
is() {
  local what=$1 expected=$2 got
  shift 2
  got=$("$@") || true
  [[ $got == "$expected" ]] || fail "$what: '$got' instead of '$expected'"
}

# The services that run, and those that will after a boot.
running() { sed -n 's/^Name:\t//p' /proc/[0-9]*/status | grep -E '^(postgres|redis|pgbouncer|prometheus)' | sort -u; }
enabled() {
  find /etc/systemd/system/*.wants /etc/rc2.d -name '*.service' -o -name 'S*' 2>/dev/null |
    grep -o -E 'postgresql|redis-server|pgbouncer|prometheus' | sort -u
}
# What must not be left behind: settings of the installation, and clusters.
traces() { find "$policy"* /etc/postgresql-common/createcluster.d /etc/postgresql/*/* 2>/dev/null; }

nothing_started() {
  is 'what runs' '' running
  is 'what is enabled' '' enabled
  is 'what is left behind' '' traces
}

quietly() { "$@" >/tmp/log 2>&1 || { cat /tmp/log >&2; fail "failed: $*"; }; }

# begin PACKAGE FILE: begins to install a package, and waits until it is so far that there is this file.
begin() {
  "$install" "$1" >/tmp/log 2>&1 &
  until [[ -e $2 ]]; do sleep 0.05; done
}

echo 'check_services: killed in the middle, and again'
begin pgbouncer "$policy"
kill -KILL $!
wait $! 2>/dev/null || true
[[ -e $policy ]] || fail 'nothing is left behind that the next one could put right'
quietly "$install" pgbouncer
nothing_started

echo 'check_services: stopped in the middle'
begin redis-server /var/lib/dpkg/info/redis-server.list
kill -TERM $!
status=0
wait $! || status=$?
((status == 143)) || fail "ended with $status"
nothing_started
quietly "$install" redis-server
nothing_started

echo 'check_services: beside a service and a policy that are there'
update-rc.d redis-server enable
quietly /etc/init.d/redis-server start
printf '#!/bin/sh\necho "$*" >>/tmp/asked\nexit 104\n' >"$policy"
chmod 0700 "$policy"
before=$(stat -c '%i %a' "$policy")
quietly "$install" --reinstall redis-server postgresql prometheus
is 'the policy' "$before" stat -c '%i %a' "$policy"
is 'what the policy was asked about' $'postgresql\nredis-server' sh -c 'cut -d " " -f 1 /tmp/asked | sort -u'
is 'what runs' redis-server running
is 'what is enabled' redis-server enabled
rm "$policy"
is 'what is left behind' '' traces
