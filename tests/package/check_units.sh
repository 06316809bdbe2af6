#!/usr/bin/env bash
#
# Checks that the systemd units can be loaded, sandbox the program, know each of its exit statuses, and start at the right
# times. The template of their environment means the same to systemd and to a shell.
#
#   tests/package/check_units.sh FOLDER PROGRAM
set -euo pipefail

units=$(realpath -- "$1")
program=$(realpath -- "$2")
root=$(realpath -- "$(dirname -- "${BASH_SOURCE[0]}")/../..")
status_names=$root/cli/exit_status.hpp

failed=0
# is WHAT GOT EXPECTED
is() {
  [[ $2 == "$3" ]] && return
  printf '%s: %s instead of %s\n' "$1" "$2" "$3" >&2
  failed=1
}
value() { sed -n "s/^$1=//p" "$units/$2"; }

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cp "$units"/tickstock-cache* "$scratch"
# The command of a unit can't have spaces in its path, which a build folder may have.
ln -s "$program" "$scratch/program"
sed -i "s|^ExecStart=[^ ]*/tickstock-cache |ExecStart=$scratch/program |" "$scratch/tickstock-cache.service"
cd "$scratch"

is 'what systemd says of the units' \
  "$(systemd-analyze verify --man=no ./tickstock-cache.{service,timer} ./tickstock-cache-failure@x.service 2>&1)" ''
systemd-analyze security --offline=true --threshold=15 ./tickstock-cache.service >exposure || {
  cat exposure >&2
  failed=1
}

# 0 is always a success; only 5 is worth a retry; every other status is declared a success or a failure.
numbers() { tr ' ' '\n' | grep '^[0-9]' | sort -n | tr '\n' ' '; }
is 'the statuses that the service knows' \
  "$(echo 0 5 "$(value SuccessExitStatus tickstock-cache.service)" \
    "$(value RestartPreventExitStatus tickstock-cache.service)" | numbers)" \
  "$(sed -n 's/^  status_.* = \([0-9]*\),.*/\1/p' "$status_names" | sed 's/^128$/129 130 143/' | tr '\n' ' ' | numbers)"

own_limit=$("$program" config --example | sed -n 's/^#timeout = \([0-9]*\)$/\1/p')
limit=$(value TimeoutStartSec tickstock-cache.service)
((${limit%min} * 60 > own_limit)) || {
  printf 'the service ends the program after %s, before its own limit of %s s\n' "$limit" "$own_limit" >&2
  failed=1
}

# 20:30 in New York, in winter and in summer.
next() {
  TZ=UTC systemd-analyze calendar --base-time="$1" "$(value OnCalendar tickstock-cache.timer)" |
    sed -n 's/^ *Next elapse: //p'
}
is 'in winter' "$(next '2026-01-14 12:00 UTC')" 'Thu 2026-01-15 01:30:00 UTC'
is 'in summer' "$(next '2026-07-15 12:00 UTC')" 'Thu 2026-07-16 00:30:00 UTC'
is 'at the weekend' "$(next '2026-07-18 12:00 UTC')" 'Sun 2026-07-19 00:30:00 UTC'

# The template with nothing commented out: each value is quoted, so that a shell that sources it gets all of it; and its
# example for a PostgreSQL elsewhere can verify that server's certificate.
sed -n "s/^#\([A-Z_]*=\)/\1/p" "$root/scripts/packaging/systemd/environment" >environment
is 'values without quotes' "$(grep -v "^[A-Z_]*='[^']*'$" environment)" ''
# shellcheck disable=SC2016 # the inner shell expands
sourced=$(env -i sh -euc '. ./environment; printf "%s\n" "$DATABASE_URL" "$REDIS_URL"')
is 'what a shell takes from it' "$sourced" "$(sed "s/^[A-Z_]*='\(.*\)'$/\1/" environment)"
is 'addresses that can check a certificate' \
  "$(grep -c '^postgresql://.*?sslmode=verify-full&sslrootcert=/.\|^rediss://' <<<"$sourced")" 2
mapfile -t variables < <(sed "s/'//g" environment)
env -i "${variables[@]}" "$program" config >/dev/null || failed=1
exit "$failed"
