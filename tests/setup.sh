#!/usr/bin/env bash
# Installs what building and testing need: compilers' headers (OpenSSL, Kerberos), git, a KDC and a web server for the
# Kerberos tests, container tools and a registry for local builds, kubectl, and the Python programs that ours is compared
# with (into target/peers). Starts no service: the tests run their own. Asks for root through sudo where needed.
set -euo pipefail
cd "$(dirname "$0")/.."

root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

if command -v apt-get > /dev/null; then
  packages="git gcc pkg-config libssl-dev libkrb5-dev libclang-dev cmake krb5-kdc krb5-admin-server krb5-user
    apache2-bin libapache2-mod-auth-gssapi python3 python3-venv man-db groff
    buildah skopeo docker-registry busybox-static fuse-overlayfs uidmap rpm gnupg"
  # shellcheck disable=SC2086
  if ! dpkg -s $packages > /dev/null 2>&1; then
    root apt-get update -q
    # Debian starts the services that it installs, now and at every boot, unless this file says no.
    policy=/usr/sbin/policy-rc.d
    if [ ! -e $policy ]; then
      trap 'root rm -f $policy' EXIT
      printf '#!/bin/sh\nexit 101\n' | root tee $policy > /dev/null
      root chmod 755 $policy
    fi
    had_registry=$(dpkg-query -W -f '${db:Status-Status}' docker-registry 2> /dev/null || true)
    # shellcheck disable=SC2086
    root env DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends $packages > /dev/null
    if [ "$had_registry" != installed ]; then
      root update-rc.d docker-registry disable > /dev/null || root systemctl --quiet disable docker-registry
    fi
  fi
  # Other packages have it, too, and Debian's does not go with those.
  if ! command -v kubectl > /dev/null; then
    root apt-get update -q
    root apt-get install -qy --no-install-recommends kubernetes-client > /dev/null
  fi
elif command -v dnf > /dev/null; then
  root dnf -qy install git gcc pkgconf-pkg-config openssl-devel krb5-devel clang-devel cmake krb5-server krb5-workstation \
    httpd mod_auth_gssapi python3 man-db groff-base \
    buildah skopeo busybox fuse-overlayfs shadow-utils rpm rpm-build rpm-sign gnupg2 util-linux
  command -v kubectl > /dev/null || root dnf -qy install kubernetes-client
  root dnf -qy install docker-distribution || echo "setup: no registry here; tests that need one are skipped" >&2
else
  echo "setup: neither apt-get nor dnf here; see README.md for what is needed" >&2
  exit 1
fi

if ! command -v cargo > /dev/null; then
  if command -v apt-get > /dev/null; then root apt-get install -qy rustup; else root dnf -qy install rustup; fi
  command -v rustup > /dev/null && rustup default stable || rustup-init -y
fi

peers=${PEERS_VENV:-target/peers}
if ! "$peers/bin/python" -c 'import koji, pyrpkg, dockerfile_parse, yaml, cyclonedx.validation.json, kubernetes' 2> /dev/null; then
  mkdir -p "$(dirname "$peers")"
  python3 -m venv "$peers"
  "$peers/bin/pip" -q install koji==1.36.1 rpkg==1.70 dockerfile-parse==2.0.1 requests-gssapi pyyaml \
    'cyclonedx-python-lib[json-validation]==11.12.0' kubernetes==37.0.2
fi
