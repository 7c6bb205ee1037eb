#!/usr/bin/env bash
# Does what README.md says on a machine that has nothing: a bare Debian in a folder, entered as after a fresh login.
#
#   tests/fresh.sh SUITE [STAGE…]     SUITE: bookworm (Debian 12) or trixie (13)
#
#   no-rust   without Rust, the set-up says what to do and has installed nothing (or, in Debian 13, brings Rust itself)
#   try       the commands of README's "Try it"
#   install   those of "Install", with the manual page, the completion and the link that they put in place
#   user      the same as somebody who is not root, with sudo and then without
#   tests     the tests' set-up, twice, and all tests
#   shell     root's shell, to look around
#
# All but the last two unless stages are named. They run one after the other on one machine, so that each finds what those before it
# left. Needs root (sudo is asked), debootstrap and this machine's Rust, which is lent to the bare one: what is to be proved is
# that nothing else has to be there. Also lent are this machine's settings for its sources of packages. What was downloaded is
# kept in target/fresh for the next time.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH=$PATH:/usr/sbin:/sbin
source=$PWD

fail() { printf 'fresh: %s\n' "$@" >&2; exit 1; }

suite=${1:-}
case $suite in bookworm | trixie) shift ;; *) fail "usage: tests/fresh.sh bookworm|trixie [no-rust|try|install|user|tests|shell]…" ;; esac
[ $# != 0 ] || set -- no-rust try install user
for stage; do
  case $stage in no-rust | try | install | user | tests | shell) ;; *) fail "no stage is called $stage" ;; esac
done
if [ "$(id -u)" != 0 ]; then
  exec sudo --preserve-env env "PATH=$PATH" "HOME=$HOME" "$source/tests/fresh.sh" "$suite" "$@"
fi
for program in debootstrap unshare pivot_root rustc cargo; do
  command -v $program > /dev/null || fail "$program is not here"
done
rust=$(rustc --print sysroot)
cargo_home=${CARGO_HOME:-$HOME/.cargo}

# Everything is mounted in a namespace of its own, and so is gone with the last process in it.
if [ -z "${FRESH_INSIDE:-}" ]; then
  FRESH_INSIDE=yes exec unshare --mount --propagation private --pid --fork --kill-child --ipc --uts "$0" "$suite" "$@"
fi

kept=$source/target/fresh
mkdir -p "$kept/$suite-archives"
folder=$(mktemp -d)
root=$folder/root
finish() {
  umount --recursive --lazy "$root" 2> /dev/null || true
  rm -rf --one-file-system "$folder"
}
trap finish EXIT

mkdir "$root"
mount --bind "$root" "$root"
if [ ! -e "$kept/$suite.tar" ]; then
  mirror=$(grep -rhoE 'https?://[^ ]+/debian/?( |$)' /etc/apt/sources.list /etc/apt/sources.list.d 2> /dev/null | head -n 1 || true)
  echo "fresh: making a bare $suite" >&2
  debootstrap --variant=minbase "$suite" "$root" ${mirror:-http://deb.debian.org/debian} > "$folder/log" 2>&1 || {
    tail -n 20 "$folder/log" >&2
    fail "debootstrap could not make it"
  }
  umount --recursive "$root/proc" "$root/sys" 2> /dev/null || true
  tar -C "$root" --one-file-system --exclude './var/cache/apt/archives/*.deb' -cf "$kept/$suite.tar.part" .
  mv "$kept/$suite.tar.part" "$kept/$suite.tar"
else
  tar -C "$root" -xf "$kept/$suite.tar"
fi

# --- what this machine lends --------------------------------------------------------------------------------------------

# lend FILE: at the same place, where there is one.
lend() {
  [ -e "$1" ] || return 0
  mkdir -p "$root$(dirname "$1")"
  cp -rL "$1" "$root$(dirname "$1")"
}
# Where packages come from, and whose certificates are trusted.
for file in /etc/resolv.conf /etc/hosts /etc/pip.conf /usr/local/share/ca-certificates; do lend $file; done
grep -lE '^ *Acquire' /etc/apt/apt.conf.d/* 2> /dev/null | while read -r file; do lend "$file"; done
if [ -e /etc/ssl/certs/ca-certificates.crt ]; then
  # At a place of its own: the package of that name brings one without what is special here.
  mkdir -p "$root/opt/lent"
  cp -L /etc/ssl/certs/ca-certificates.crt "$root/opt/lent/ca.crt"
fi
[ ! -d "${PIP_FIND_LINKS:-}" ] || lend "$PIP_FIND_LINKS"
mirror=$(sed -n 's/^deb \([^ ]*\) .*/\1/p' "$root/etc/apt/sources.list" | head -n 1)
printf 'deb %s %s main\n' "$mirror" "$suite" "$mirror" "$suite-updates" "${mirror%/debian*}/debian-security" "$suite-security" \
  > "$root/etc/apt/sources.list"

# at FOLDER PLACE [OPTIONS]: a folder of this machine at a place of the bare one.
at() {
  mkdir -p "$root$2"
  mount --bind "$1" "$root$2"
  if [ -n "${3:-}" ]; then mount -o "remount,bind,$3" "$root$2"; fi
}
at "$rust" /opt/rust ro
[ ! -d "$cargo_home/registry" ] || at "$cargo_home/registry" /opt/lent/registry ro
git -C "$source" bundle create -q "$root/opt/lent/repository" HEAD
# As on a machine where packages are not thrown away once installed.
echo 'Binary::apt-get::APT::Keep-Downloaded-Packages "true";' > "$root/etc/apt/apt.conf.d/99keep"
rm -f "$root/etc/apt/apt.conf.d/docker-clean"

mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
# As machines of today have them. Programs that can run containers then try to.
[ -e /sys/fs/cgroup/cgroup.controllers ] || mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
mount -t tmpfs -o mode=755 dev "$root/dev"
for device in null zero full random urandom tty; do
  : > "$root/dev/$device"
  mount --bind "/dev/$device" "$root/dev/$device"
done
if [ -e /dev/fuse ]; then : > "$root/dev/fuse" && mount --bind /dev/fuse "$root/dev/fuse"; fi
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts "$root/dev/pts"
mount -t tmpfs -o mode=1777 shm "$root/dev/shm"
ln -s pts/ptmx "$root/dev/ptmx"
for link in fd:/proc/self/fd stdin:/proc/self/fd/0 stdout:/proc/self/fd/1 stderr:/proc/self/fd/2; do
  ln -s "${link#*:}" "$root/dev/${link%%:*}"
done

# --- in there -----------------------------------------------------------------------------------------------------------

# What a login shell finds.
{
  if [ -e "$root/opt/lent/ca.crt" ]; then
    for name in SSL_CERT_FILE GIT_SSL_CAINFO CURL_CA_BUNDLE REQUESTS_CA_BUNDLE PIP_CERT CARGO_HTTP_CAINFO; do
      echo "export $name=/opt/lent/ca.crt"
    done
  fi
  env | grep -E '^(https?_proxy|no_proxy|HTTPS?_PROXY|NO_PROXY|PIP_(FIND_LINKS|INDEX_URL|EXTRA_INDEX_URL|DEFAULT_TIMEOUT))=' |
    sed "s/=\(.*\)/='\1'/; s/^/export /" || true
} > "$root/etc/profile.d/lent.sh"
echo 'export PATH=/opt/rust/bin:$PATH' > "$root/opt/lent/rust.sh"
cp "$source/tests/support/fresh_inside.sh" "$root/opt/lent/inside.sh"
hostname fresh
mkdir "$root/.old"
cp -n "$kept/$suite-archives"/*.deb "$root/var/cache/apt/archives" 2> /dev/null || true
# In a namespace of its own once more, since it is here that things are put away.
# shellcheck disable=SC2016
status=0
unshare --mount bash -c '
  set -euo pipefail
  cd "$1"
  pivot_root . .old
  umount --lazy /.old
  rmdir /.old
  shift
  exec env -i HOME=/root USER=root LOGNAME=root SHELL=/bin/bash TERM=dumb LANG=C.UTF-8 \
    PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin bash /opt/lent/inside.sh "$@"
' enter "$root" "$suite" "$@" || status=$?
cp -n "$root"/var/cache/apt/archives/*.deb "$kept/$suite-archives" 2> /dev/null || true
exit $status
