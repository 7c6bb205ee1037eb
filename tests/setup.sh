#!/usr/bin/env bash
# Installs what is needed on Debian, Ubuntu or Fedora:
#
#   tests/setup.sh program   to build, install and use the program: Rust's linker, the headers of OpenSSL and Kerberos, git,
#                            and for builds on this machine buildah, skopeo and rpm
#   tests/setup.sh demo      also what tests/demo.sh needs: a registry and busybox
#   tests/setup.sh           also what the tests need: a KDC and a web server, kubectl, and the Python programs that ours is
#                            compared with (into target/peers)
#
# Looks for Rust before it installs anything. Starts no service and leaves none to start at boot: the tests run their own. Run
# it as yourself: it asks for root through sudo where needed. What is there already is left alone; it may run again.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH=$PATH:/usr/sbin:/sbin

fail() { printf 'setup: %s\n' "$@" >&2; exit 1; }
has() { command -v "$1" > /dev/null; }
root() {
  if [ "$(id -u)" = 0 ]; then "$@"; elif has sudo; then sudo "$@"; else
    fail "root is needed for: $*" "install sudo, or run this as root"
  fi
}

what=${1:-tests}
case $what in program | demo | tests) ;; *) fail "usage: tests/setup.sh [program|demo|tests]" ;; esac
if has apt-get; then system=debian; elif has dnf; then system=fedora; else
  fail "neither apt-get nor dnf is here; the lists in tests/setup.sh say what is needed"
fi

# --- Rust ---------------------------------------------------------------------------------------------------------------

rust_needed=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)

rust_version() { rustc --version 2> /dev/null | cut -d ' ' -f 2; }

rust_is_new_enough() {
  local version
  has cargo && version=$(rust_version) && [ -n "$version" ] &&
    printf '%s\n' "$rust_needed" "$version" | sort -V -C
}

rustup_rs() {
  local tools="curl ca-certificates"
  if [ $system = debian ]; then tools="apt-get install $tools"; else tools="dnf install $tools"; fi
  printf '%s\n' "get it from https://rustup.rs (which wants curl: $tools):" \
    "  curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh" "  . ~/.cargo/env"
}

# Ends with what to do where this script cannot or should not do it itself.
no_rust() {
  local lines=("Rust $rust_needed or newer is needed, and $1")
  if [ -x "${CARGO_HOME:-$HOME/.cargo}/bin/rustc" ] && ! has rustc; then
    lines+=("there is one that is not on your PATH: . ${CARGO_HOME:-$HOME/.cargo}/env")
  elif [ -n "${SUDO_USER:-}" ] && ! has rustc; then
    lines+=("where $SUDO_USER has it, run this as $SUDO_USER: it asks for root itself")
  elif has rustup; then
    lines+=("rustup has newer ones: rustup default stable && rustup update stable")
  else
    mapfile -t -O ${#lines[@]} lines < <(rustup_rs)
  fi
  fail "${lines[@]}"
}

apt_has() { [[ "$(LC_ALL=C apt-cache policy "$1")" == *"Candidate: "[^\(]* ]]; }

find_rust() {
  rust_is_new_enough && return
  if has rustc || has cargo || has rustup; then
    no_rust "rustc here is $(rust_version | grep . || echo "none that runs")"
  fi
  if [ -x "${CARGO_HOME:-$HOME/.cargo}/bin/rustc" ] || [ -n "${SUDO_USER:-}" ]; then no_rust "it is not found"; fi
  if [ $system = fedora ]; then
    root dnf -qy install rust cargo rustfmt clippy
  else
    refresh_apt
    apt_has rustup || no_rust "$(. /etc/os-release && echo "${PRETTY_NAME:-this system}") has no package rustup"
    root env DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends ca-certificates rustup > /dev/null
    rustup --quiet default stable || no_rust "rustup could not install it"
  fi
  rust_is_new_enough || no_rust "rustc here is $(rust_version)"
}

# --- the system's packages ----------------------------------------------------------------------------------------------

policy=/usr/sbin/policy-rc.d
policy_is_ours=

# What is enabled at boot.
services() {
  local folders=(/etc/systemd/system/multi-user.target.wants /etc/rc2.d)
  find "${folders[@]}" -mindepth 1 -printf '%f\n' 2> /dev/null | LC_ALL=C sort -u || true
}

# Debian starts the services that it installs, now and at every boot. Now: not while the policy says no. At boot: what is
# new is switched off again, also where the installation failed.
leave_services_off() {
  trap - EXIT
  [ -z "$policy_is_ours" ] || root rm -f $policy
  local service
  LC_ALL=C comm -13 <(printf '%s\n' "$services_before") <(services) | while read -r service; do
    case $service in
      # There without systemd, too. It wants to know for which package it works.
      *.service | *.socket | *.timer)
        root env DPKG_MAINTSCRIPT_PACKAGE="${service%.*}" deb-systemd-helper disable "$service" > /dev/null
        ;;
      S[0-9][0-9]*) root update-rc.d "${service#S??}" disable > /dev/null ;;
    esac
  done
}

apt_is_fresh=
refresh_apt() {
  [ -n "$apt_is_fresh" ] || root apt-get update -q > /dev/null
  apt_is_fresh=yes
}

# Installs those packages of the arguments that are missing.
with_apt() {
  local package missing=() unknown=()
  for package; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2> /dev/null || true)" = installed ] || missing+=("$package")
  done
  [ ${#missing[@]} != 0 ] || return 0
  refresh_apt
  for package in "${missing[@]}"; do apt_has "$package" || unknown+=("$package"); done
  [ ${#unknown[@]} = 0 ] || fail "apt knows no package ${unknown[*]}; are all of the distribution's sources switched on?"
  services_before=$(services)
  trap leave_services_off EXIT
  if [ ! -e $policy ]; then
    policy_is_ours=yes
    printf '#!/bin/sh\nexit 101\n' | root tee $policy > /dev/null
    root chmod 755 $policy
  fi
  root env DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends "${missing[@]}" > /dev/null
  leave_services_off
}

install_debian() {
  # Some of what buildah recommends: a file system, and what isolates RUN where the machine lets it: a runtime, a network and
  # what makes its rules (iptables in Debian 12, nftables since).
  local packages=(ca-certificates git gcc make pkg-config libssl-dev libkrb5-dev libclang-dev cmake
    buildah crun netavark iptables nftables fuse-overlayfs uidmap skopeo rpm)
  [ "$what" = program ] || packages+=(docker-registry busybox-static python3)
  if [ "$what" = tests ]; then
    packages+=(krb5-kdc krb5-admin-server krb5-user apache2-bin libapache2-mod-auth-gssapi
      python3-dev python3-venv python3-rpm man-db groff gnupg jq procps)
    # Other packages have it, too, and Debian's does not go with those.
    has kubectl || packages+=(kubernetes-client)
  fi
  with_apt "${packages[@]}"
}

install_fedora() {
  local packages=(ca-certificates git gcc make pkgconf-pkg-config openssl-devel krb5-devel clang-devel cmake
    buildah crun netavark fuse-overlayfs shadow-utils skopeo rpm)
  [ "$what" = program ] || packages+=(busybox python3)
  if [ "$what" = tests ]; then
    packages+=(krb5-server krb5-workstation httpd mod_auth_gssapi python3-devel python3-rpm man-db groff-base rpm-build
      rpm-sign gnupg2 jq procps-ng /usr/bin/script)
    has kubectl || packages+=(/usr/bin/kubectl)
  fi
  root dnf -qy install "${packages[@]}"
  [ "$what" = program ] || has docker-registry || has registry || root dnf -qy install docker-distribution ||
    echo "setup: no registry here; tests that need one are skipped" >&2
}

# --- the Python programs ------------------------------------------------------------------------------------------------

# The system's Python, since the distribution's RPM bindings are of that one.
install_peers() {
  local peers=${PEERS_VENV:-target/peers} check=tests/support/peers.py
  "$peers/bin/python" $check 2> /dev/null && return
  mkdir -p "$(dirname "$peers")"
  /usr/bin/python3 -m venv --clear "$peers"
  echo "setup: installing Python programs into $peers; some are compiled, which takes minutes" >&2
  "$peers/bin/python" -m pip -q install --use-pep517 -r tests/support/peers.txt
  "$peers/bin/python" $check || fail "the Python programs in $peers do not work"
  # As root in somebody else's folder, nothing is left that they could not remove.
  [ "$(id -u)" != 0 ] || chown -R --reference=. "$peers"
}

find_rust
"install_$system"
[ "$what" != tests ] || install_peers
