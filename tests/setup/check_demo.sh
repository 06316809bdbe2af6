#!/usr/bin/env bash
#
# Checks that scripts/demo, as the first command on a fresh machine, installs what a run needs but nothing that only tests
# need, and starts no service. This changes the machine, so it only runs in a Debian made for it:
#
#   scripts/in-debian trixie tests/setup/check_demo.sh
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.."
# shellcheck source=tests/setup/services.sh
source tests/setup/services.sh

packages() { dpkg-query -W -f '${db:Status-Status} ${Package}\n' | sed -n 's/^installed //p' | sort; }

packages >/tmp/before
scripts/demo >/tmp/said
is 'the last line' 'cache_sync completed, 20 changes' sh -c 'tail -n 1 /tmp/said | sed "s|.*  ||"'
nothing_started
packages | comm -13 /tmp/before - >/tmp/added
is 'packages for tests' '' grep -x -E 'pgbouncer|prometheus|fish|zsh|strace|jq|mandoc|python3.*|valgrind|systemd' /tmp/added
printf 'check_demo: %s packages were installed\n' "$(wc -l </tmp/added)"
