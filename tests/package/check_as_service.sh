#!/usr/bin/env bash
#
# Checks that tickstock-cache-as-service runs the program as the service's user, with only the environment that systemd would
# read from the file, and passes on arguments, standard streams and exit status unchanged. Requires root; without it, exits
# with 77.
#
#   tests/package/check_as_service.sh
# shellcheck disable=SC2016,SC1003 # nothing in single quotes is for this shell to expand
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.."

if ((EUID != 0)); then
  echo "skipped: only root can run a program as another user" >&2
  exit 77
fi
failed=0
# is WHAT GOT EXPECTED
is() {
  [[ $2 == "$3" ]] && return
  printf '%s: got\n%s\ninstead of\n%s\n' "$1" "$2" "$3" >&2
  failed=1
}

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
chmod 755 "$scratch"
file=$scratch/environment
# Uses a service user that every machine has, and a program that says what it got.
sed -e 's|^\(readonly service_user=\).*|\1daemon|' -e "s|^\(readonly service_program=\).*|\1$scratch/program|" \
  -e "s|^\(readonly service_environment=\).*|\1$file|" scripts/packaging/as-service >"$scratch/as-service"
chmod +x "$scratch/as-service"
program() {
  printf '#!/bin/bash\n%s\n' "$1" >"$scratch/program"
  chmod 755 "$scratch/program"
}

# The file, and what the program gets from it, each variable as bash would write it.
program 'while read -r v; do case $v in A*) printf "%s=%q\n" "$v" "${!v}";; esac; done < <(compgen -e)'
reads() {
  local got
  printf '%s' "$2" >"$file"
  got=$("$scratch/as-service" 2>"$scratch/words") || failed=1
  is "$1" "$got" "$3"
}
reads 'an address without quotes' 'A=postgresql://u:p%20w@h/d?a=b&c=$d;e#f' \
  "$(printf 'A=%q' 'postgresql://u:p%20w@h/d?a=b&c=$d;e#f')"
reads 'an address in quotes' "A='postgresql:///d?host=/run&x=\$1' "$'\n' "$(printf 'A=%q' "postgresql:///d?host=/run&x=\$1")"
reads 'double quotes' 'A="a \"b\" \\ \$c \d '"'e'"'"' "$(printf 'A=%q' 'a "b" \ $c \d '"'e'")"
reads 'blanks' $'  A \t=  a b \t \n\tAB=c\r\n' $'A=a\\ b\nAB=c'
reads 'comments and empty lines' $'# A=1\n; A=2\n\n  # A=3\\\nA=4\n#A=5' 'A=4'
reads 'a line that goes on' $'A=a\\\nb\nAB="c\\\nd"' $'A=ab\nAB=cd'
reads 'a backslash' 'A=a\ \b\\' "$(printf 'A=%q' 'a b\')"
reads 'a blank that is kept' $'A=a\\ \nAB= '"' '" $'A=a\\ \nAB=\\ '
reads 'quotes beside quotes' "A='a' \"b\" c" 'A=abc'
reads 'quotes within' "A=it's \"b\"" "$(printf 'A=%q' "it's \"b\"")"
reads 'lines in quotes' $'A="a\nb"' "A=\$'a\\nb'"
reads 'a quote that is not closed' "A='a" 'A=a'
reads 'nothing' 'A=' "A=''"
reads 'twice' $'A=1\nA=2' 'A=2'
reads 'other letters' 'A=grün' "A=\$'gr\\303\\274n'"
reads 'what is no variable' $'export A=1\nA-B=2\n1=3\nAB=4\nA' 'AB=4'
is 'what is said of it' "$(grep -c 'ignoring' "$scratch/words")" 3
reads 'what the shell does not let go' $'UID=5\nuser=me\nenvironment=x\nstate=x\nc=x\nservice_program=/bin/true\nA=1' 'A=1'
is 'what is said of that' "$(grep -c "can't be set" "$scratch/words")" 2
reads 'what a shell would run' 'A=$(touch '"$scratch"'/ran) `touch '"$scratch"'/ran`' \
  "$(printf 'A=%q' '$(touch '"$scratch"'/ran) `touch '"$scratch"'/ran`')"
[[ ! -e $scratch/ran ]] || is 'a command in the file' 'was run' 'nothing'
reads 'what the shell has a use for' $'A1=x\nLC_ALL=C.UTF-8\nIFS=1\nPATH=/nonexistent' 'A1=x'

printf "DATABASE_URL='from the file'\n" >"$file"
program 'id -un; id -gn; id -Gn; umask; grep NoNewPrivs /proc/self/status; env | grep -v -E "^(_|SHLVL|PWD|OLDPWD)=" | sort'
home=$(getent passwd daemon | cut -d: -f6)
is 'user and environment' \
  "$(env -i PATH="$PATH" DATABASE_URL=mine PGHOST=mine TICKSTOCK_CACHE_CONFIG=mine BASH_ENV=/dev/null TERM=dumb NO_COLOR=1 \
    HOME=/root "$scratch/as-service")" \
  "daemon
daemon
daemon
0077
NoNewPrivs:	1
DATABASE_URL=from the file
HOME=$home
LOGNAME=daemon
NO_COLOR=1
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin
SHELL=$(getent passwd daemon | cut -d: -f7)
TERM=dumb
USER=daemon"

program 'printf "<%s>" "$@"; cat; echo words >&2; exit 11'
status=0
is 'arguments and streams' "$(echo input | "$scratch/as-service" --a 'b  c' '' '*' $'d\ne' '$HOME' -- 2>"$scratch/words")" \
  $'<--a><b  c><><*><d\ne><$HOME><-->input'
is 'standard error' "$(cat "$scratch/words")" words
"$scratch/as-service" </dev/null >/dev/null 2>&1 || status=$?
is 'the exit status' "$status" 11
program 'kill -TERM $$; sleep 5'
status=0
("$scratch/as-service") 2>/dev/null || status=$?
is 'the end by a signal' "$status" 143

rm "$file"
program 'echo ran'
is 'without a file' "$("$scratch/as-service")" ran
status=0
setpriv --reuid=daemon --regid=daemon --clear-groups "$scratch/as-service" >"$scratch/words" 2>&1 || status=$?
is 'for another user' "$status $(grep -c 'only root can' "$scratch/words")" '78 1'
exit "$failed"
