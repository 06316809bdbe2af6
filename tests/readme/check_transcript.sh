#!/usr/bin/env bash
#
# Runs the demo and compares what it prints with the README: the whole transcript line by line, times aside, and the lines of
# the excerpts, which must stand in the transcript in their order.
#
#   tests/readme/check_transcript.sh
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.."

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# The n-th block of the README that is marked as text.
block() {
  awk -v wanted="$1" '/^```text$/ { n++; inside = (n == wanted); next } /^```$/ { inside = 0 } inside' README.md
}

without_times() { sed -E 's/[0-9]+\.[0-9]{3} s/N s/g'; }

scripts/demo 2>"$scratch/log" | sed 1d | without_times >"$scratch/printed" || {
  cat "$scratch/log" >&2
  exit 1
}
{ block 1 && block 3 && block 4; } | without_times >"$scratch/excerpt"
block 2 | without_times >"$scratch/transcript"

if [[ ! -s $scratch/excerpt || ! -s $scratch/printed ]]; then
  echo "there is no excerpt in the README, or the demo printed nothing" >&2
  exit 1
fi
diff -u --label README.md --label scripts/demo "$scratch/transcript" "$scratch/printed" || {
  echo "the README's transcript is not what scripts/demo prints" >&2
  exit 1
}
awk 'NR == FNR { wanted[++n] = $0; next } $0 == wanted[at + 1] { at++ }
     END { if (at < n) { print "not in the transcript, or out of order: " wanted[at + 1] > "/dev/stderr"; exit 1 } }' \
  "$scratch/excerpt" "$scratch/printed"
