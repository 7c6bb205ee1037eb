//! Small images for tests, made by hand and brought to a registry by skopeo: busybox, and whatever a test adds.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value as Json, json};

use super::digests::sha256;
use super::registry::Registry;

/// Programs that busybox stands for.
const APPLETS: [&str; 26] = [
    "sh", "cat", "echo", "ls", "rm", "mkdir", "sleep", "cp", "mv", "chmod", "sed", "true", "false", "env", "id",
    "touch", "tar", "wc", "grep", "kill", "date", "head", "seq", "test", "dd", "find",
];

/// Folders that every image has.
const FOLDERS: [&str; 9] = ["bin", "etc", "etc/yum.repos.d", "root", "tmp", "usr", "usr/bin", "var", "var/lib"];

/// An image to be.
pub(crate) struct BaseImage {
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// `NAME=VALUE`.
    pub env: Vec<String>,
    /// The user; root when empty.
    pub user: String,
    /// Go's name of the architecture.
    pub architecture: String,
    /// Instructions for images that are built on it.
    pub onbuild: Vec<String>,
    /// Whether busybox is in it.
    pub shell: bool,
    /// Files besides: paths and contents.
    pub files: Vec<(String, Vec<u8>)>,
    /// Folders whose content is in it too.
    pub trees: Vec<PathBuf>,
}

impl Default for BaseImage {
    fn default() -> Self {
        BaseImage {
            labels: BTreeMap::from([("name".to_owned(), "fedora".to_owned()), ("version".to_owned(), "42".to_owned())]),
            env: vec!["PATH=/usr/bin:/bin".to_owned()],
            user: String::new(),
            architecture: "amd64".to_owned(),
            onbuild: Vec::new(),
            shell: true,
            files: Vec::new(),
            trees: Vec::new(),
        }
    }
}

impl BaseImage {
    /// Adds a label.
    pub(crate) fn label(mut self, name: &str, value: &str) -> Self {
        self.labels.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Adds a file.
    pub(crate) fn file(mut self, path: &str, content: &[u8]) -> Self {
        self.files.push((path.to_owned(), content.to_vec()));
        self
    }

    /// Makes the image and pushes it as `REPOSITORY:TAG`, in Docker's format; its digest comes back.
    pub(crate) fn push(&self, registry: &Registry, name: &str) -> String {
        self.push_as(registry, name, "v2s2")
    }

    /// The same in the format that skopeo calls `v2s2` or `oci`.
    pub(crate) fn push_as(&self, registry: &Registry, name: &str, format: &str) -> String {
        let folder = tempfile::tempdir().expect("a folder");
        let layout = folder.path().join("layout");
        let manifest = self.write(&layout);
        write_index(&layout, &[manifest]);
        copy(registry, &layout, name, &["--format", format]);
        registry.digest(name).expect("it was pushed")
    }

    /// Writes the image into an OCI layout; the descriptor of its manifest comes back.
    fn write(&self, layout: &Path) -> Json {
        let blobs = layout.join("blobs/sha256");
        fs::create_dir_all(&blobs).expect("a folder");
        let tar = self.tar();
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        std::io::Write::write_all(&mut encoder, &tar).expect("compressing");
        let layer = blob(&blobs, &encoder.finish().expect("compressing"));
        let mut container = json!({"Env": self.env, "Labels": self.labels, "User": self.user, "Cmd": ["/bin/sh"]});
        if !self.onbuild.is_empty() {
            container["OnBuild"] = json!(self.onbuild);
        }
        let config = json!({
            "created": "2024-05-01T12:00:00Z",
            "architecture": self.architecture,
            "os": "linux",
            "config": container,
            "rootfs": {"type": "layers", "diff_ids": [sha256(&tar)]},
            "history": [{"created": "2024-05-01T12:00:00Z", "created_by": "made by hand"}],
        });
        let config = blob(&blobs, config.to_string().as_bytes());
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": descriptor("application/vnd.oci.image.config.v1+json", &config),
            "layers": [descriptor("application/vnd.oci.image.layer.v1.tar+gzip", &layer)],
        });
        let manifest = blob(&blobs, manifest.to_string().as_bytes());
        let mut found = descriptor("application/vnd.oci.image.manifest.v1+json", &manifest);
        found["platform"] = json!({"architecture": self.architecture, "os": "linux"});
        found
    }

    fn tar(&self) -> Vec<u8> {
        let mut tar = tar::Builder::new(Vec::new());
        tar.mode(tar::HeaderMode::Deterministic);
        tar.follow_symlinks(false);
        for folder in FOLDERS {
            let mut header = header(tar::EntryType::Directory, if folder == "tmp" { 0o1777 } else { 0o755 }, 0);
            tar.append_data(&mut header, folder, std::io::empty()).expect("a folder");
        }
        if self.shell {
            append(&mut tar, "bin/busybox", 0o755, &fs::read(busybox()).expect("busybox"));
            for applet in APPLETS {
                let mut header = header(tar::EntryType::Symlink, 0o777, 0);
                tar.append_link(&mut header, format!("bin/{applet}"), "busybox").expect("a link");
            }
        }
        append(
            &mut tar,
            "etc/passwd",
            0o644,
            b"root:x:0:0:root:/root:/bin/sh\napache:x:48:48::/:/bin/sh\napp:x:1001:0::/:/bin/sh\n",
        );
        append(&mut tar, "etc/group", 0o644, b"root:x:0:\napache:x:48:\n");
        append(&mut tar, "etc/os-release", 0o644, b"ID=fedora\nVERSION_ID=42\n");
        append(&mut tar, "etc/yum.repos.d/base.repo", 0o644, b"[base]\nbaseurl=https://base.example.com\n");
        for (path, content) in &self.files {
            append(&mut tar, path.trim_start_matches('/'), 0o644, content);
        }
        for tree in &self.trees {
            append_tree(&mut tar, tree, Path::new(""));
        }
        tar.into_inner().expect("an archive")
    }

    /// Writes its file system as a compressed archive, for `FROM scratch` and `ADD`.
    pub(crate) fn rootfs(&self, path: &Path) {
        let mut encoder = GzEncoder::new(fs::File::create(path).expect("a file"), Compression::fast());
        std::io::Write::write_all(&mut encoder, &self.tar()).expect("compressing");
        encoder.finish().expect("compressing");
    }
}

/// Pushes several images, one an architecture, as one list; its digest comes back.
pub(crate) fn push_list(registry: &Registry, name: &str, images: &[BaseImage]) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let layout = folder.path().join("layout");
    let manifests: Vec<Json> = images.iter().map(|image| image.write(&layout)).collect();
    // A layout's own index may hold lists only by reference.
    let list = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": manifests,
    });
    let list = blob(&layout.join("blobs/sha256"), list.to_string().as_bytes());
    write_index(&layout, &[descriptor("application/vnd.oci.image.index.v1+json", &list)]);
    copy(registry, &layout, name, &["--all"]);
    registry.digest(name).expect("it was pushed")
}

fn copy(registry: &Registry, layout: &Path, name: &str, options: &[&str]) {
    let (from, to) = (format!("oci:{}:image", layout.display()), format!("docker://{}/{name}", registry.address()));
    let arguments = [&["copy", "--quiet"], options, &[from.as_str(), to.as_str()]].concat();
    let output = registry.skopeo(&arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn write_index(layout: &Path, manifests: &[Json]) {
    let mut manifests = manifests.to_vec();
    manifests[0]["annotations"] = json!({"org.opencontainers.image.ref.name": "image"});
    fs::write(layout.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).expect("a layout");
    fs::write(layout.join("index.json"), json!({"schemaVersion": 2, "manifests": manifests}).to_string())
        .expect("an index");
}

struct Blob {
    digest: String,
    size: usize,
}

fn blob(folder: &Path, content: &[u8]) -> Blob {
    let digest = sha256(content);
    fs::write(folder.join(digest.trim_start_matches("sha256:")), content).expect("a blob");
    Blob { digest, size: content.len() }
}

fn descriptor(media_type: &str, blob: &Blob) -> Json {
    json!({"mediaType": media_type, "digest": blob.digest, "size": blob.size})
}

fn header(kind: tar::EntryType, mode: u32, size: usize) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size as u64);
    header.set_mtime(1_714_564_800);
    header
}

fn append(tar: &mut tar::Builder<Vec<u8>>, path: &str, mode: u32, content: &[u8]) {
    let mut header = header(tar::EntryType::Regular, mode, content.len());
    tar.append_data(&mut header, path, content).expect("a file");
}

/// Adds what is below a folder, except for folders that are there: an archive with a path twice is refused as a layer.
fn append_tree(tar: &mut tar::Builder<Vec<u8>>, tree: &Path, below: &Path) {
    for entry in fs::read_dir(tree.join(below)).expect("a tree") {
        let path = below.join(entry.expect("a tree").file_name());
        let from = tree.join(&path);
        let is_folder = fs::symlink_metadata(&from).expect("a tree").is_dir();
        if !is_folder || !FOLDERS.iter().any(|known| path == Path::new(known)) {
            tar.append_path_with_name(&from, &path).expect("a tree");
        }
        if is_folder {
            append_tree(tar, tree, &path);
        }
    }
}

fn busybox() -> PathBuf {
    ["/bin/busybox", "/usr/bin/busybox", "/usr/sbin/busybox"]
        .iter()
        .map(PathBuf::from)
        .find(|path| path.exists())
        .expect("busybox")
}

/// A small tree with this machine's `rpm` in it, so that images made of it can install packages.
pub(crate) fn tree_with_rpm(to: &Path) {
    let script = r#"set -e
for f in $(command -v rpm) $(ldd "$(command -v rpm)" | grep -o '/[^ ]*'); do mkdir -p "$1$(dirname "$f")"; cp -L "$f" "$1$f"; done
mkdir -p "$1/usr/lib" "$1/var/lib/rpm"; cp -a /usr/lib/rpm "$1/usr/lib/"; if [ -d /lib64 ]; then mkdir -p "$1/lib64"; cp -L /lib64/ld-* "$1/lib64/"; fi"#;
    let status = Command::new("sh").args(["-c", script, "sh"]).arg(to).status().expect("sh");
    assert!(status.success());
}
