//! Real packages, as small as they get: made by rpmbuild, some of them signed by keys that are thrown away, and installed into
//! trees that images are made of.
//!
//! Making them takes a moment, so tests that run at once share them; they go with the last test that has them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tempfile::TempDir;

use super::peers;

/// The packages: name, `EPOCH:VERSION` or version, and by whom they are signed and how.
const PACKAGES: [(&str, &str, Signature); 5] = [
    ("foo", "1.2", Signature::Header(Signer::Ours)),
    ("bar", "2:2.0", Signature::Header(Signer::Ours)),
    ("baz", "0.1", Signature::None),
    ("foreign", "1.0", Signature::Header(Signer::Other)),
    ("whole", "1.0", Signature::HeaderAndPayload(Signer::Ours)),
];
/// The release of all of them.
const RELEASE: &str = "3.fc42";

static SHARED: Mutex<Weak<Rpms>> = Mutex::new(Weak::new());

#[derive(Clone, Copy)]
enum Signature {
    None,
    /// As today.
    Header(Signer),
    /// As rpm 4 had it besides (`rpmsign --rpmv3`).
    HeaderAndPayload(Signer),
}

#[derive(Clone, Copy)]
enum Signer {
    Ours,
    Other,
}

/// Packages, and whose keys they are signed with.
pub(crate) struct Rpms {
    folder: TempDir,
    /// The fingerprint of the key that most are signed with.
    pub key: String,
    /// The fingerprint of the key that `foreign` is signed with.
    pub other_key: String,
}

impl Rpms {
    /// The packages; `None` when this machine cannot make them, which is told.
    pub(crate) fn shared() -> Option<Arc<Rpms>> {
        if !["rpm", "rpmbuild", "rpmsign", "gpg", "gpgconf"].iter().all(|tool| peers::program(tool).is_some()) {
            return None;
        }
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        Some(shared.upgrade().unwrap_or_else(|| {
            let made = Arc::new(Rpms::make());
            *shared = Arc::downgrade(&made);
            made
        }))
    }

    fn make() -> Rpms {
        let folder = tempfile::Builder::new().prefix("fcb-rpms-").tempdir().expect("a folder");
        let keys = Keyring::new(folder.path());
        let rpms = Rpms { key: keys.generate("Ours"), other_key: keys.generate("Other"), folder };
        for (name, version, signature) in PACKAGES {
            rpms.build(name, version);
            let (signer, more) = match signature {
                Signature::None => continue,
                Signature::Header(signer) => (signer, None),
                Signature::HeaderAndPayload(signer) => (signer, Some("--rpmv3")),
            };
            let key = match signer {
                Signer::Ours => &rpms.key,
                Signer::Other => &rpms.other_key,
            };
            keys.sign(&rpms.path(name), key, more);
        }
        rpms
    }

    fn build(&self, name: &str, version: &str) {
        let (epoch, version) = version.split_once(':').map_or(("0", version), |(epoch, version)| (epoch, version));
        let epoch = if epoch == "0" { String::new() } else { format!("Epoch: {epoch}\n") };
        let spec = format!(
            "Name: {name}\n{epoch}Version: {version}\nRelease: {RELEASE}\nSummary: The package {name}\n\
             License: MIT AND (Apache-2.0 OR BSD)\nVendor: Example\nBuildArch: noarch\n%description\nNothing.\n%install\n\
             mkdir -p %{{buildroot}}/usr/share/{name}\necho {name} > %{{buildroot}}/usr/share/{name}/file\n\
             %files\n/usr/share/{name}\n"
        );
        let path = self.folder.path().join(format!("{name}.spec"));
        fs::write(&path, spec).expect("a spec file");
        let mut rpmbuild = Command::new("rpmbuild");
        rpmbuild.args(["-bb", "--quiet", "--define"]).arg(format!("_topdir {}", self.folder.path().display()));
        succeed(rpmbuild.arg("--nodeps").arg(path));
    }

    /// The file of a package.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        let (_, version, _) = PACKAGES.iter().find(|(known, _, _)| *known == name).expect("a package");
        let version = version.split_once(':').map_or(*version, |(_, version)| version);
        self.folder.path().join(format!("RPMS/noarch/{name}-{version}-{RELEASE}.noarch.rpm"))
    }

    /// Installs packages into a tree, with its database at `/var/lib/rpm`.
    pub(crate) fn install(&self, tree: &Path, names: &[&str]) {
        let mut rpm = Command::new("rpm");
        rpm.arg("--root").arg(tree).args(["--dbpath", "/var/lib/rpm", "-i", "--nodeps", "--nosignature"]);
        rpm.args(["--noscripts", "--ignoreos", "--ignorearch"]).args(names.iter().map(|name| self.path(name)));
        succeed(&mut rpm);
    }

    /// A tree with packages and nothing else.
    pub(crate) fn tree(&self, names: &[&str]) -> TempDir {
        let tree = tempfile::Builder::new().prefix("fcb-tree-").tempdir().expect("a folder");
        self.install(tree.path(), names);
        tree
    }

    /// A compressed archive of such a tree, for `ADD`.
    pub(crate) fn archive(&self, names: &[&str]) -> Vec<u8> {
        let tree = self.tree(names);
        succeed(Command::new("tar").arg("-cz").arg("-C").arg(tree.path()).args(["--owner=0", "--group=0", "."])).stdout
    }
}

/// The last digits of a fingerprint, as packages name a key.
pub(crate) fn key_id(fingerprint: &str) -> String {
    fingerprint[fingerprint.len() - 16..].to_ascii_lowercase()
}

/// Keys of no one; the agent that keeps them ends with it.
struct Keyring {
    home: PathBuf,
}

impl Keyring {
    fn new(folder: &Path) -> Keyring {
        use std::os::unix::fs::DirBuilderExt as _;
        let home = folder.join("gnupg");
        fs::DirBuilder::new().mode(0o700).create(&home).expect("a folder");
        Keyring { home }
    }

    fn gpg(&self) -> Command {
        let mut gpg = Command::new("gpg");
        gpg.arg("--homedir").arg(&self.home).args(["--batch", "--quiet", "--passphrase", ""]);
        gpg
    }

    /// Makes a key and gives its fingerprint.
    fn generate(&self, name: &str) -> String {
        let user = format!("{name} <{name}@example.com>");
        succeed(self.gpg().args(["--quick-gen-key", &user, "rsa2048", "sign", "never"]));
        let list = succeed(self.gpg().args(["--with-colons", "--list-keys", &user]));
        let list = String::from_utf8_lossy(&list.stdout).into_owned();
        let line = list.lines().find(|line| line.starts_with("fpr:")).expect("a fingerprint");
        line.split(':').nth(9).expect("a fingerprint").to_owned()
    }

    fn sign(&self, package: &Path, key: &str, more: Option<&str>) {
        let gpg = peers::program("gpg").expect("gpg");
        let macros = [
            format!("__gpg {}", gpg.display()),
            format!("_gpg_name {key}"),
            format!("_gpg_path {}", self.home.display()),
        ];
        let mut rpmsign = Command::new("rpmsign");
        rpmsign.arg("--addsign").args(more).args(macros.iter().flat_map(|line| ["--define", line]));
        succeed(rpmsign.arg(package));
    }
}

impl Drop for Keyring {
    fn drop(&mut self) {
        let _ = Command::new("gpgconf").arg("--homedir").arg(&self.home).args(["--kill", "gpg-agent"]).status();
    }
}

fn succeed(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}
