# shellcheck shell=bash
#
# A fresh, minimal Debian in a folder, made by debootstrap, to try things that must not happen to this machine. Needs root.
# Source this file from bash:
#
#   debian_base RELEASE        downloads a release, once; later trees are made from the copy in "$debian_cache"
#   debian_make RELEASE        makes a tree, "$debian_tree", which is removed when the script ends, however it ends
#   debian_run [UNSHARE-OPTION...] -- COMMAND...
#                              runs a command as root in the tree, with processes and mounts that end with it
#
# The packages that apt downloads in a tree stay in "$debian_cache" as well. Since apt locks them, only one tree of a release
# runs at a time; the next one waits.

debian_cache=${XDG_CACHE_HOME:-$HOME/.cache}/tickstock-cache
debian_tree=
debian_archives=
# This machine's own mirror, and its proxy.
debian_mirror=$(apt-get indextargets --format "\$(LABEL) \$(REPO_URI)" 2>/dev/null | sed -n 's/^Debian //p' | head -n 1)
debian_proxy=
eval "$(apt-config shell debian_proxy Acquire::http::Proxy)"

debian_base() {
  local base=$debian_cache/$1.tar tree
  [[ ! -e $base ]] || return 0
  mkdir -p "$debian_cache"
  tree=$(mktemp -d "$debian_cache/tree.XXXXXX")
  if http_proxy=${debian_proxy:-${http_proxy:-}} debootstrap --variant=minbase "$1" "$tree" \
    "${debian_mirror:-http://deb.debian.org/debian}" >"$debian_cache/debootstrap.log" 2>&1; then
    tar -C "$tree" --one-file-system -cf "$base.new" .
    mv "$base.new" "$base"
  else
    tail -n 20 "$debian_cache/debootstrap.log" >&2
  fi
  rm -rf --one-file-system "$tree"
  [[ -e $base ]]
}

debian_make() {
  debian_base "$1"
  debian_archives=$debian_cache/archives/$1
  mkdir -p "$debian_archives/partial"
  local in_use
  exec {in_use}>"$debian_archives/in-use"
  if ! flock --nonblock "$in_use"; then
    echo "$(basename "$0"): waiting for another tree of $1" >&2
    flock "$in_use"
  fi
  debian_tree=$(mktemp -d /var/tmp/tickstock-cache-tree.XXXXXX)
  trap 'rm -rf --one-file-system "$debian_tree"' EXIT
  trap 'exit 129' HUP
  trap 'exit 130' INT
  trap 'exit 143' TERM
  tar -C "$debian_tree" -xf "$debian_cache/$1.tar"
  chmod 0755 "$debian_tree"
  {
    printf '%s "%s";\n' Dpkg::Use-Pty 0 APT::Sandbox::User root
    [[ -z $debian_proxy ]] || printf 'Acquire::http::Proxy "%s";\n' "$debian_proxy"
  } >"$debian_tree/etc/apt/apt.conf.d/90tree"
  printf '127.0.0.1 localhost\n::1 localhost\n' >"$debian_tree/etc/hosts"
  [[ ! -e /etc/resolv.conf ]] || cp --dereference /etc/resolv.conf "$debian_tree/etc/resolv.conf"
}

debian_run() {
  local options=() network=shared
  while [[ $1 != -- ]]; do
    [[ $1 != --net ]] || network=own
    options+=("$1")
    shift
  done
  # The tree is mounted upon itself, since what runs there may expect / to be a mount. The shell outside stays as the first
  # process, and reaps orphans. THROWAWAY tells a test that it may change the machine.
  # shellcheck disable=SC2016 # the inner shell expands
  unshare --mount --pid --fork --kill-child "${options[@]}" bash -c '
    set -e
    tree=$1 archives=$2 network=$3
    shift 4
    mount --bind "$tree" "$tree"
    mount --bind "$archives" "$tree/var/cache/apt/archives"
    mount -t proc proc "$tree/proc"
    mount -t tmpfs tmpfs "$tree/run"
    mount --bind /dev "$tree/dev"
    mount -t devpts -o newinstance,ptmxmode=0666 devpts "$tree/dev/pts"
    mount -t tmpfs tmpfs "$tree/dev/shm"
    [[ $network != own ]] || ip link set lo up
    chroot "$tree" env -i ${CI+CI="$CI"} PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
      HOME=/root LC_ALL=C.UTF-8 THROWAWAY=yes "$@"
    exit' bash "$debian_tree" "$debian_archives" "$network" "$@" </dev/null
}
