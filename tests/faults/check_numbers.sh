#!/usr/bin/env bash
#
# Checks that every fault from 1 to 62 has a test whose name begins with its number.
#
#   tests/faults/check_numbers.sh TEST_PROGRAM...
set -euo pipefail

names=$(for program in "$@"; do "$program" --list-tests || true; done)
missing=()
for number in {1..62}; do
  grep -q "^ *fault $number: " <<<"$names" || missing+=("$number")
done
if ((${#missing[@]})); then
  echo "no test for fault ${missing[*]}" >&2
  exit 1
fi
