# What tests/fresh.sh does in the bare root: the words of README.md, taken from it.
set -euo pipefail
suite=$1
shift

say() { printf '\n== %s\n' "$*"; }
fail() { printf 'fresh: %s\n' "$@" >&2; exit 1; }

# login ACCOUNT COMMAND: in a new login shell, in the clone where there is one already.
login() {
  su - "$1" -s /bin/bash -c "[ ! -e /opt/lent/rust-is-here ] || . /opt/lent/rust.sh; cd clone 2> /dev/null || true; $2"
}

# What README says to type below a heading: the lines that begin with `$ ` in the blocks there.
typed() {
  awk -v heading="## $1" '/^## / { here = $0 == heading } here && /^\$ / { print substr($0, 3) }' "$clone/README.md"
}

# type ACCOUNT HEADING: each of them, as it stands there.
type_all() {
  local commands
  commands=$(typed "$2")
  [ -n "$commands" ] || fail "README.md has no command below $2"
  while IFS= read -r command; do
    say "$1\$ $command"
    login "$1" "$command" < /dev/null
  done <<< "$commands"
}

# A clone, and the crates that this machine has already.
clone() {
  local home
  home=$(getent passwd "$1" | cut -d : -f 6)
  clone=$home/clone
  [ ! -e "$clone" ] || return 0
  login "$1" "git -c init.defaultBranch=main clone -q -c advice.detachedHead=false /opt/lent/repository clone"
  if [ -d /opt/lent/registry ]; then
    login "$1" "mkdir -p ~/.cargo/registry && cp -r /opt/lent/registry/index /opt/lent/registry/cache ~/.cargo/registry/"
  fi
}

packages() { dpkg-query -W -f '${Package} ${db:Status-Status}\n' | LC_ALL=C sort; }

# What was installed is found by the next login, with its manual and completion, and takes the place of fedpkg.
is_installed() {
  local path='case :$PATH: in *:$HOME/.local/bin:*) ;; *) PATH=$HOME/.local/bin:$PATH ;; esac'
  [ "$1" = root ] || path=:  # Debian's own .profile does that for everyone else
  say "$1: what was installed"
  login "$1" "$path; fedpkg-container-build --version"
  login "$1" "$path; man -w fedpkg-container-build && man -w fedpkg-container-build-json"
  login "$1" "$path; MANPAGER=cat man fedpkg-container-build | grep -F -- --build-with > /dev/null"
  login "$1" "$path; bash -ic '. /usr/share/bash-completion/bash_completion; _completion_loader fedpkg-container-build; complete -p fedpkg-container-build'"
  login "$1" "$path; fedpkg container-build --help > /dev/null"
  login "$1" "$path; ! fedpkg clone x"
}

say "what a newcomer has: git, man, certificates"
apt-get update -q < /dev/null > /dev/null
DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends git ca-certificates man-db bash-completion > /dev/null
sed -n 's/^PRETTY_NAME=//p' /etc/os-release

for stage; do
  say "STAGE $stage ($suite), $(date -u +%T)"
  case $stage in
    no-rust)
      clone root
      before=$(packages)
      if login root "tests/setup.sh program" > /tmp/no-rust 2>&1; then
        [ "$suite" != bookworm ] || fail "Debian 12 has no Rust that is new enough, and the set-up ended well"
        login root "rustc --version"
      else
        grep -F 'https://rustup.rs' /tmp/no-rust > /dev/null || { cat /tmp/no-rust; fail "it does not say what to do"; }
        [ "$suite" != bookworm ] || [ "$before" = "$(packages)" ] || fail "it has installed something before it looked for Rust"
      fi
      cat /tmp/no-rust
      ;;
    try)
      touch /opt/lent/rust-is-here
      clone root
      type_all root "Try it" | tee /tmp/try
      grep -F 'Hello from an image' /tmp/try > /dev/null || fail "the image did not say hello"
      ;;
    install)
      touch /opt/lent/rust-is-here
      clone root
      type_all root "Install"
      is_installed root
      ;;
    user)
      touch /opt/lent/rust-is-here
      DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends sudo > /dev/null
      useradd --create-home --shell /bin/bash packager
      echo 'packager ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/packager
      clone packager
      # What root has compiled here need not be compiled again.
      [ ! -d /root/clone/target ] || { cp -a /root/clone/target "$clone/target" && chown -R packager: "$clone/target"; }
      type_all packager "Try it"
      type_all packager "Install"
      is_installed packager
      say "without sudo"
      apt-get remove -qy sudo > /dev/null 2>&1 || dpkg --force-all --remove sudo > /dev/null
      login packager "tests/setup.sh program"
      DEBIAN_FRONTEND=noninteractive apt-get remove -qy skopeo > /dev/null
      if login packager "tests/setup.sh program" > /tmp/no-sudo 2>&1; then fail "skopeo was installed by nobody"; fi
      cat /tmp/no-sudo
      grep -F 'root is needed' /tmp/no-sudo > /dev/null || fail "it does not say that root is needed"
      ;;
    tests)
      touch /opt/lent/rust-is-here
      clone root
      type_all root Tests
      login root tests/setup.sh
      ;;
    shell)
      clone root
      su - root -s /bin/bash
      ;;
  esac
done
say "all of it went well, $(date -u +%T)"
