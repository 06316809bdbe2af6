#!/usr/bin/env bash
#
# Checks that Prometheus accepts the alert rules, that they fire when they should, and that the program leaves all metrics
# that they name.
#
#   TICKSTOCK_CACHE_PROGRAM=PROGRAM tests/monitoring/check_alerts.sh PYTHON
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")"

rules=../../scripts/integration/alerts.yml
promtool check rules "$rules"
promtool test rules alerts_test.yml
"$1" -B -m unittest test_nights

status=0
while read -r name; do
  grep -qF "\"${name#tickstock_cache_}\"" ../../cli/monitoring.cpp || {
    echo "$rules: the program leaves no metric $name" >&2
    status=1
  }
done < <(grep -oE 'tickstock_cache_[a-z_]+' "$rules" | sort -u)
exit "$status"
