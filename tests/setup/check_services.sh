#!/usr/bin/env bash
#
# Checks that scripts/setup starts no service that it installs, and leaves existing services alone, however it ends. This
# changes the machine, so it only runs in a Debian made for it:
#
#   scripts/in-debian bookworm tests/setup/check_services.sh
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.."
# shellcheck source=tests/setup/services.sh
source tests/setup/services.sh

install=scripts/lib/install-packages

quietly() { "$@" >/tmp/log 2>&1 || { cat /tmp/log >&2; fail "failed: $*"; }; }

# begin PACKAGE FILE: begins to install a package, and waits until this file exists.
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
