#!/usr/bin/env bash
#
# Checks that "cmake --install" installs what README.md and the man pages say: the program, its pages, its completions, and
# every file for the programs around it, including the alert rules and the dashboard.
#
#   tests/package/check_install.sh BUILD-FOLDER
set -euo pipefail
build=$(realpath -- "$1")
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.."

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
DESTDIR=$scratch cmake --install "$build" >/dev/null
prefix=$scratch$(sed -n 's/^CMAKE_INSTALL_PREFIX:[A-Z]*=//p' "$build/CMakeCache.txt")

failed=0
there() {
  [[ -e $1 ]] || {
    printf 'not installed: %s\n' "${1#"$scratch"}" >&2
    failed=1
  }
}
there "$prefix/bin/tickstock-cache"
for page in man/*.[157].in; do
  page=$(basename "$page" .in)
  there "$prefix/share/man/man${page##*.}/$page"
done
for completion in bash-completion/completions/tickstock-cache zsh/vendor-completions/_tickstock-cache \
  fish/vendor_completions.d/tickstock-cache.fish; do
  there "$prefix/share/$completion"
done
diff -r --exclude=__pycache__ --exclude=build --exclude="*.egg-info" scripts/integration "$prefix/share/tickstock-cache/integration" || failed=1
# What the pages name below the folder of shared files, either on one line or as the folder and a name.
while read -r path; do
  there "$scratch$path"
done < <(grep -ohE "${prefix#"$scratch"}/share/tickstock-cache[a-z0-9/_.-]*[a-z]" "$build"/man/*.[157] | sort -u)
exit "$failed"
