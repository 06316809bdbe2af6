#!/usr/bin/env bash
#
# Runs the demo and compares what it prints with what the documentation shows: the whole transcript in
# tickstock-cache-tutorial(7), line by line, and the excerpts in the README. Ignores times.
#
#   tests/readme/check_transcript.sh             compares
#   tests/readme/check_transcript.sh --update    writes the output of the demo into the tutorial; update the README by hand
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.."

page=man/tickstock-cache-tutorial.7.in
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

fail() {
  printf 'check_transcript: %s\n' "$*" >&2
  exit 1
}
without_times() { sed -E 's/[0-9]+\.[0-9]{3} s/N s/g'; }

# Encodes text as it is in the page. Lines that do not fit are broken at a space, if possible not after the name of an
# option: each part but the last ends with a backslash, each part but the first begins with four spaces.
as_in_page() {
  sed 's/\\/\\e/g; s/→/\\(->/g; s/−/\\(mi/g; s/…/\\[u2026]/g; s/^['\''.]/\\\&&/' |
    awk '{
      while (length($0) > 75) {
        for (at = 73; at > 5 && substr($0, at, 1) != " "; at--);
        if (at == 5) break
        for (before = at - 1; before > 5 && substr($0, before, 1) != " "; before--);
        if (before > 5 && substr($0, before + 1, 1) == "-") at = before
        print substr($0, 1, at) "\\e"
        $0 = "    " substr($0, at + 1)
      }
      print
    }'
}

# Prints the blocks of the page that are part of the transcript, which begin with "# ", separated by empty lines.
blocks_of_page() {
  awk '/^\.Bd -literal/ { first = 1; next }
    /^\.Ed/ { inside = 0 }
    first { first = 0; inside = /^# /; if (inside && n++) print "" }
    inside' "$page"
}

# Replaces these blocks by the output of the demo, block by block.
update() {
  awk 'NR == FNR { if (/^# /) n++; else if (FNR == 1) exit 1
         text[n] = text[n] sprintf("%s%s", $0, "\n"); next }
    /^\.Bd -literal/ { first = 1; print; next }
    /^\.Ed/ { inside = 0 }
    first { first = 0; inside = /^# /; if (inside) { sub(/\n\n$/, "\n", text[++at]); printf "%s", text[at] } }
    !inside
    END { if (at != n) exit 1 }' "$scratch/wanted" "$page" >"$scratch/page" ||
    fail "the page must have as many blocks as the demo has comments; nothing is changed"
  cp "$scratch/page" "$page"
}

scripts/demo 2>"$scratch/log" | sed 1d >"$scratch/printed" || {
  cat "$scratch/log" >&2
  exit 1
}
[[ -s $scratch/printed ]] || fail 'the demo printed nothing'
as_in_page <"$scratch/printed" >"$scratch/wanted"
if [[ ${1:-} == --update ]]; then
  update
  exit
fi
diff -u --label "$page" --label scripts/demo <(blocks_of_page | without_times) <(without_times <"$scratch/wanted") ||
  fail "the transcript in $page is not what scripts/demo prints; see --update"

# The lines of an excerpt follow each other in the transcript as they do here. Others may be in between only at a line
# "...", and between excerpts.
without_times <README.md | awk '/^```text$/ { inside = 1; print "..."; next } /^```$/ { inside = 0 } inside' >"$scratch/excerpts"
(($(grep -c -v -F -x ... "$scratch/excerpts") >= 10)) || fail 'the README has no excerpt'
without_times <"$scratch/printed" | awk '
  NR == FNR { if ($0 == "...") gap[n + 1] = 1; else wanted[++n] = $0; next }
  { line[++lines] = $0 }
  function follows(at, from,   i) {
    if (at > n) return 1
    for (i = from; i <= lines; i++) {
      if (line[i] == wanted[at] && follows(at + 1, i + 1)) return 1
      if (at > furthest) furthest = at
      if (!gap[at]) return 0
    }
    return 0
  }
  END { if (!follows(1, 1)) { print "not in the transcript, or out of order: " wanted[furthest] > "/dev/stderr"; exit 1 } }' \
  "$scratch/excerpts" -
