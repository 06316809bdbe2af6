#!/usr/bin/env bash
#
# Checks that a test runs every command of the README: its code blocks are in sections whose blocks are run, and the program
# understands the commands in its text, as well as the commands and the configuration in tickstock-cache-tutorial(7). The
# files that it links exist, and CHANGELOG.md has this version.
#
#   tests/readme/check_commands.sh PROGRAM
set -euo pipefail
program=$(realpath -- "$1")
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.."
# shellcheck source=scripts/lib/package/readme.sh
source scripts/lib/package/readme.sh

# shellcheck disable=SC2016 # the marks of Markdown
ticks='```' tick='`'
failed=0
fail() {
  printf 'check_commands: %s\n' "$*" >&2
  failed=1
}
# is WHAT GOT EXPECTED
is() { [[ $2 == "$3" ]] || fail "$1: '$2' instead of '$3'"; }

# tests/readme/check_transcript.sh runs scripts/demo; tests/setup/check_newcomer.sh and scripts/test-package run the
# others.
sections=('Try it' 'Point it at your database' 'Put it into production')
is 'the sections with code' "$(awk '/^## / { heading = substr($0, 4) } /^ *```sh$/ { print heading }' README.md | uniq)" \
  "$(printf '%s\n' "${sections[@]}")"
is 'kinds of code' "$(grep -h -o '^ *```[a-z]\+' README.md | tr -d ' ' | sort -u | tr '\n' ' ')" "${ticks}sh ${ticks}text "
is 'what is tried' "$(readme_blocks 'Try it' | sed 's/ *#.*//' | grep .)" \
  $'scripts/demo\nscripts/test\nman ./man/tickstock-cache-tutorial.7.in'

# With servers that are down, every valid command line ends with 5; the program must not be asked for less.
understands() {
  local status=0
  env DATABASE_URL=postgresql://127.0.0.1:1/none REDIS_URL=redis://127.0.0.1:1 "$program" "$@" >/dev/null 2>&1 || status=$?
  ((status == 5)) || fail "tickstock-cache $* ended with $status"
}
commands=0
while read -r -a words; do
  for i in "${!words[@]}"; do
    case ${words[i]} in
      RUN_ID) words[i]=some-run ;;
      ID) words[i]=1 ;;
    esac
  done
  commands=$((commands + 1))
  understands "${words[@]}"
done < <(grep -o "${tick}tickstock-cache [^$tick]*$tick" README.md | sed "s/^${tick}tickstock-cache //; s/$tick$//")
((commands >= 2)) || fail 'there are no commands within the text'

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
page=man/tickstock-cache-tutorial.7.in
awk '/^\.Bd -literal/ { first = 1; next } /^\.Ed/ { inside = 0 } first { first = 0; inside = /^\[/ } inside' "$page" \
  >"$scratch/still.toml"
[[ -s $scratch/still.toml ]] || fail 'the tutorial has no configuration'
chmod 600 "$scratch/still.toml"
is 'the settings that the tutorial makes' \
  "$("$program" config --config "$scratch/still.toml" | sed 1d | grep -c "still\.toml")" 4
cd "$scratch"
read -r -a words < <(sed -n 's/^\.Dl tickstock-cache //p' "$OLDPWD/$page")
understands "${words[@]}"
cd "$OLDPWD"

for from in README.md man/CONTRIBUTING.md man/CHANGELOG.md; do
  while read -r link; do
    [[ -e $(dirname "$from")/$link ]] || fail "$from links $link, which is not there"
  done < <(grep -h -o -E '\]\([^):]*\)' "$from" | sed 's/^](//; s/)$//' | sort -u)
done
while read -r page; do
  [[ -e man/$page.in ]] || fail "README.md names $page, which is not there"
done < <(grep -o -E 'tickstock-cache[a-z.-]*\([1-9]\)' README.md | sed 's/(\(.\))/.\1/' | sort -u)

version=$(sed -n 's/^  VERSION \([0-9.]*\)$/\1/p' CMakeLists.txt)
grep -q "^## $version " man/CHANGELOG.md || fail "CHANGELOG.md has no section for $version"
schema=$(sed -n 's/.* schema_version = \([0-9]*\);/\1/p' lib/tables/schema.hpp)
is 'the newest version of the tables in CHANGELOG.md' "$(sed -n 's/^| \([0-9]*\) | 20.*/\1/p' man/CHANGELOG.md | tail -n 1)" "$schema"
is 'the version of the tables in init(1)' "$(sed -n 's/^Their version, \([0-9]*\),.*/\1/p' man/tickstock-cache-init.1.in)" "$schema"
exit "$failed"
