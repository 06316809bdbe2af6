#!/usr/bin/env bash
#
# Checks that the built program is hardened against exploits of its mistakes. Names each protection that it lacks, and then
# exits with 1.
#
#   tests/hardening/check_program.sh PROGRAM
set -euo pipefail
export LC_ALL=C

headers=$(readelf --wide --file-header --program-headers "$1")
dynamic=$(readelf --wide --dynamic "$1")
symbols=$(readelf --wide --dyn-syms "$1")

lacking=0
lacks() {
  printf '%s\n' "$1" >&2
  lacking=1
}
has() { grep -q -E -- "$2" <<<"$1"; }

has "$dynamic" '\(FLAGS_1\).* PIE' || lacks 'it is not position-independent'
has "$headers" '^ *GNU_RELRO ' || lacks 'it has no RELRO'
has "$dynamic" '\(FLAGS\).* BIND_NOW|\(FLAGS_1\).* NOW' || lacks 'it binds lazily, so its RELRO is not full'
! has "$dynamic" 'TEXTREL' || lacks 'its code is relocated'
has "$headers" '^ *GNU_STACK .* RW  0x' || lacks 'its stack is executable'
! has "$dynamic" '\((RPATH|RUNPATH)\)' || lacks 'it looks for libraries in places of its own'
has "$symbols" ' __stack_chk_fail@' || lacks 'it has no stack protector'
has "$(grep -v ' __stack_chk_' <<<"$symbols")" ' __[a-z]+_chk@' || lacks 'it is not built with _FORTIFY_SOURCE'
exit "$lacking"
