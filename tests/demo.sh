#!/usr/bin/env bash
# A whole build on this machine, without any server but a registry on a loopback port: installs what is missing, makes a small
# base image and a dist-git checkout, builds and pushes with the real program, and runs the image from the registry. Ends by
# itself and leaves nothing running. Options are handed to the program.
set -euo pipefail
cd "$(dirname "$0")/.."
tests/setup.sh demo
cargo build --release --locked --bins
program=$PWD/target/release/fedpkg-container-build

folder=$(mktemp -d)
store=(--root "$folder/store" --runroot "$folder/run" --storage-driver vfs)
registry=
finish() {
  buildah "${store[@]}" rm --all > /dev/null 2>&1 || true
  if [ -n "$registry" ]; then kill "$registry" 2> /dev/null && wait "$registry" 2> /dev/null || true; fi
  buildah "${store[@]}" unshare rm -rf "$folder" 2> /dev/null || rm -rf "$folder"
}
trap finish EXIT

port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
address=127.0.0.1:$port
printf '%s\n' 'version: 0.1' 'log: {level: error}' "storage: {filesystem: {rootdirectory: $folder/registry}}" \
  "http: {addr: $address}" > "$folder/registry.yml"
serve=$(command -v docker-registry || command -v registry)
"$serve" serve "$folder/registry.yml" > "$folder/registry.log" 2>&1 &
registry=$!
for _ in $(seq 100); do (: < "/dev/tcp/127.0.0.1/$port") 2> /dev/null && break; sleep 0.1; done

echo "Making a base image: busybox, as $address/fedora:42"
mkdir -p "$folder/base/bin" "$folder/base/etc" "$folder/base/root" "$folder/base/tmp"
cp "$(command -v busybox)" "$folder/base/bin/busybox"
for applet in sh cat echo ls rm date; do ln -s busybox "$folder/base/bin/$applet"; done
echo 'root:x:0:0:root:/root:/bin/sh' > "$folder/base/etc/passwd"
printf 'ID=fedora\nVERSION_ID=42\n' > "$folder/base/etc/os-release"
printf 'FROM scratch\nCOPY . /\nENV PATH=/bin\nLABEL name=fedora version=42\n' > "$folder/Dockerfile.base"
buildah "${store[@]}" build --quiet --isolation chroot --format docker --file "$folder/Dockerfile.base" \
  --tag "$address/fedora:42" "$folder/base" > /dev/null
buildah "${store[@]}" push --quiet --tls-verify=false "$address/fedora:42"

export HOME=$folder/home XDG_RUNTIME_DIR=$folder/runtime
unset XDG_CACHE_HOME XDG_STATE_HOME
mkdir -p "$HOME" "$XDG_RUNTIME_DIR"
git=(git -c user.name=Packager -c user.email=packager@example.com -c init.defaultBranch=f42)
"${git[@]}" init -q "$folder/hello"
cat > "$folder/hello/Dockerfile" << 'END'
FROM fedora:42
LABEL com.redhat.component=hello-container \
      name=demo/hello \
      version=1.0 \
      release=1
RUN echo "Hello from an image that was built on $(date -u +%A)." > /hello
CMD ["/bin/cat", "/hello"]
END
"${git[@]}" -C "$folder/hello" add Dockerfile
"${git[@]}" -C "$folder/hello" commit -qm "Say hello"
"${git[@]}" -C "$folder/hello" remote add origin "ssh://packager@pkgs.example.org/containers/hello"
cat > "$folder/fedpkg.conf" << END
[fedpkg]
anongiturl = https://src.example.org/%(repo)s
gitbaseurl = ssh://%(user)s@pkgs.example.org/%(repo)s
distgit_namespaced = True

[fedpkg.local-build]
source_registry = $address
registry = $address
insecure_registries = $address
END

cd "$folder/hello"
echo "\$ cd hello; fedpkg-container-build --build-with local --push"
"$program" -C "$folder/fedpkg.conf" container-build --build-with local --push "$@"

echo
echo "\$ buildah from $address/demo/hello:1.0-1; buildah run … cat /hello"
# buildah would raise them for root, and not everywhere it may.
limits=()
if [ "$(id -u)" = 0 ]; then
  processes=$(printf '%s\n' "$(ulimit -Hu)" "$(< /proc/sys/kernel/pid_max)" | grep -v unlimited | sort -n | head -n 1)
  limits=(--ulimit "nofile=$(ulimit -Hn):$(ulimit -Hn)" --ulimit "nproc=$processes:$processes")
fi
container=$(buildah "${store[@]}" from --quiet --tls-verify=false "${limits[@]}" "$address/demo/hello:1.0-1")
buildah "${store[@]}" run --isolation chroot "$container" -- cat /hello
