# shellcheck shell=bash
#
# Checks shared by the tests of scripts/setup. Source this file from bash, in a Debian that may be changed.

fail() {
  printf '%s: %s\n' "$(basename "$0" .sh)" "$*" >&2
  exit 1
}
[[ ${THROWAWAY:-} == yes ]] || fail 'this would change the machine; see the beginning of this file'

policy=/usr/sbin/policy-rc.d

# is WHAT EXPECTED COMMAND...: checks that the command prints what is expected.
is() {
  local what=$1 expected=$2 got
  shift 2
  got=$("$@") || true
  [[ $got == "$expected" ]] || fail "$what: '$got' instead of '$expected'"
}

# Prints the services that run, and those that will after a boot.
running() { sed -n 's/^Name:\t//p' /proc/[0-9]*/status | grep -E '^(postgres|redis|pgbouncer|prometheus)' | sort -u; }
enabled() {
  find /etc/systemd/system/*.wants /etc/rc2.d -name '*.service' -o -name 'S*' 2>/dev/null |
    grep -o -E 'postgresql|redis-server|pgbouncer|prometheus' | sort -u
}
# Prints what must not be left behind: settings of the installation, and clusters.
traces() { find "$policy"* /etc/postgresql-common/createcluster.d /etc/postgresql/*/* 2>/dev/null; }

nothing_started() {
  # Something that was stopped, such as the demo's own servers, may take a moment to end.
  for _ in {1..50}; do
    [[ -n $(running) ]] || break
    sleep 0.1
  done
  is 'what runs' '' running
  is 'what is enabled' '' enabled
  is 'what is left behind' '' traces
}
