# shellcheck shell=bash
#
# Follows README.md as somebody would who has nothing else: runs the code blocks of a section as they are. Source this file
# from bash:
#
#   readme_blocks SECTION          prints the blocks of a section, each followed by a line "# end"
#   readme_follow SECTION [SKIP]   runs them one after another in this shell, which ends if one fails. DIGEST stands for the
#                                  plan that the previous step printed. A block that is just the line SKIP is skipped.
#                                  Leaves the number of blocks that were run in "$readme_steps", and calls readme_after
#                                  NUMBER after each, if that function exists.
#
# "$readme" is the path of README.md.

readme=README.md
readme_steps=0
readme_said=/tmp/step

# Blocks inside a list are indented.
# shellcheck disable=SC2016 # the marks of Markdown
readme_blocks() {
  awk -v heading="## $1" '
    /^## / { wanted = $0 == heading }
    wanted && /^ *```sh$/ { inside = 1; indent = length($0) - 5; next }
    inside && /^ *```$/ { inside = 0; print "# end"; next }
    inside { print substr($0, indent + 1) }' "$readme"
}

# Inserts the digest, as someone who has read the plan would.
readme_approve() {
  local digest
  digest=$(sed -n 's/.*; plan //p' "$readme_said")
  [[ $digest =~ ^[0-9a-f]{64}$ ]] || fail "the step before named no plan: '$digest'"
  printf '%s' "${1//DIGEST/$digest}"
}

readme_broken() {
  cat "$readme_said" >&2
  printf '%s failed:\n%s' "step $readme_steps of $readme" "$readme_block" >&2
}

readme_follow() {
  local line readme_block=''
  readme_steps=0
  while IFS= read -r line <&3; do
    if [[ $line != '# end' ]]; then
      readme_block+=$line$'\n'
      continue
    fi
    if [[ $readme_block != "${2-}"$'\n' ]]; then
      readme_steps=$((readme_steps + 1))
      [[ $readme_block != *DIGEST* ]] || readme_block=$(readme_approve "$readme_block")
      # One shell for all of them, as for a person; any failing command ends it.
      trap readme_broken EXIT
      eval "$readme_block" >"$readme_said" 2>&1
      trap - EXIT
      if declare -F readme_after >/dev/null; then readme_after "$readme_steps"; fi
    fi
    readme_block=''
  done 3< <(readme_blocks "$1")
  ((readme_steps > 0)) || fail "$readme has no code in \"$1\""
}
