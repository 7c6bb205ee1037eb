//! A real registry on a loopback port, for one test: the program of the distribution, its data in a temporary folder. It ends
//! with the test, also when the test is killed.

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value as Json;
use tempfile::TempDir;

use super::digests::sha256;
use super::koji_hub::tls;
use super::peers;

/// How a registry is started.
#[derive(Default)]
pub(crate) struct RegistryOptions {
    /// Speak https, with a certificate that nobody trusts yet.
    pub tls: bool,
    /// Let nobody in but this user with this password.
    pub user: Option<(&'static str, &'static str)>,
}

/// A registry that runs.
pub(crate) struct Registry {
    folder: TempDir,
    port: u16,
    options: RegistryOptions,
    child: Option<Child>,
}

/// Programs that tests with images need besides the registry; `false` when one is missing, which is told.
pub(crate) fn image_tools() -> bool {
    ["buildah", "skopeo", "docker-registry", "setpriv", "busybox"].iter().all(|tool| peers::program(tool).is_some())
}

impl Registry {
    /// Starts one without any fuss: plain http, everybody may do everything.
    pub(crate) fn start() -> Registry {
        Registry::with(RegistryOptions::default())
    }

    /// Starts one.
    pub(crate) fn with(options: RegistryOptions) -> Registry {
        let folder = tempfile::Builder::new().prefix("fcb-registry-").tempdir().expect("a folder");
        let port = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port();
        if options.tls {
            let _ = tls::set_up(folder.path());
        }
        let mut registry = Registry { folder, port, options, child: None };
        registry.write_config();
        registry.start_again();
        registry
    }

    fn write_config(&self) {
        let root = self.folder.path();
        let mut text = format!(
            "version: 0.1\nlog: {{level: error, accesslog: {{disabled: false}}}}\n\
             storage: {{filesystem: {{rootdirectory: {}/data}}, delete: {{enabled: true}}}}\nhttp:\n  addr: 127.0.0.1:{}\n",
            root.display(),
            self.port
        );
        if self.options.tls {
            text.push_str(&format!("  tls: {{certificate: {0}/server.crt, key: {0}/server.key}}\n", root.display()));
        }
        if let Some((user, password)) = self.options.user {
            let hash = bcrypt::hash(password, 4).expect("a hash");
            fs::write(root.join("htpasswd"), format!("{user}:{hash}\n")).expect("writing htpasswd");
            text.push_str(&format!("auth: {{htpasswd: {{realm: test, path: {}/htpasswd}}}}\n", root.display()));
        }
        fs::write(root.join("config.yml"), text).expect("writing the configuration");
    }

    /// Starts it on the same port with the same data.
    pub(crate) fn start_again(&mut self) {
        let root = self.folder.path();
        let log = File::options().create(true).append(true).open(root.join("log")).expect("a log");
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "docker-registry", "serve"])
            .arg(root.join("config.yml"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a log"))
            .stderr(log)
            .spawn()
            .expect("the registry starts");
        self.child = Some(child);
        let deadline = Instant::now() + Duration::from_secs(20);
        while std::net::TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(Instant::now() < deadline, "the registry did not begin: {}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Ends it; what it has is kept.
    pub(crate) fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// `127.0.0.1:PORT`.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The certificate to trust it by.
    pub(crate) fn ca_file(&self) -> PathBuf {
        self.folder.path().join("ca.crt")
    }

    /// A file with the credentials of its user.
    pub(crate) fn authfile(&self) -> PathBuf {
        use base64::Engine as _;
        let (user, password) = self.options.user.expect("a registry with a user");
        let auth = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
        let path = self.folder.path().join("auth.json");
        let text = serde_json::json!({"auths": {self.address(): {"auth": auth}}}).to_string();
        fs::write(&path, text).expect("writing credentials");
        path
    }

    /// skopeo with what it needs to reach this registry.
    pub(crate) fn skopeo(&self, arguments: &[&str]) -> std::process::Output {
        let mut command = Command::new("skopeo");
        let (first, rest) = arguments.split_first().expect("a sub-command");
        command.arg(first);
        let names: &[&str] = if *first == "copy" {
            &["--src-tls-verify=false", "--dest-tls-verify=false"]
        } else {
            &["--tls-verify=false"]
        };
        command.args(names);
        if self.options.user.is_some() {
            command.arg("--authfile").arg(self.authfile());
        }
        command.args(rest).output().expect("skopeo")
    }

    /// The manifest of an image, as it is; `None` when there is none.
    pub(crate) fn raw_manifest(&self, reference: &str) -> Option<Vec<u8>> {
        let output = self.skopeo(&["inspect", "--raw", &self.reference(reference)]);
        output.status.success().then_some(output.stdout)
    }

    /// The manifest of `REPOSITORY:TAG` or `REPOSITORY@DIGEST`.
    pub(crate) fn manifest(&self, reference: &str) -> Json {
        serde_json::from_slice(&self.raw_manifest(reference).expect("the image is there")).expect("a manifest")
    }

    /// The digest that a tag stands for.
    pub(crate) fn digest(&self, reference: &str) -> Option<String> {
        self.raw_manifest(reference).map(|bytes| sha256(&bytes))
    }

    /// The configuration of an image.
    pub(crate) fn config(&self, reference: &str) -> Json {
        let output = self.skopeo(&["inspect", "--config", &self.reference(reference)]);
        serde_json::from_slice(&output.stdout).expect("a configuration")
    }

    /// The tags of a repository, sorted; none when there is no such repository.
    pub(crate) fn tags(&self, repository: &str) -> Vec<String> {
        let output = self.skopeo(&["list-tags", &format!("docker://{}/{repository}", self.address())]);
        let list: Json = serde_json::from_slice(&output.stdout).unwrap_or_default();
        let tags = list["Tags"].as_array().cloned().unwrap_or_default();
        let mut tags: Vec<String> = tags.iter().filter_map(|tag| tag.as_str().map(str::to_owned)).collect();
        tags.sort();
        tags
    }

    fn reference(&self, reference: &str) -> String {
        format!("docker://{}/{reference}", self.address())
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// What it was asked, such as `GET /v2/fedora/manifests/42`, in order.
    pub(crate) fn requests(&self) -> Vec<String> {
        let log = self.log();
        let lines = log.lines().filter_map(|line| line.split('"').nth(1).filter(|_| !line.starts_with("time=")));
        lines.filter_map(|request| request.strip_suffix(" HTTP/1.1")).map(str::to_owned).collect()
    }

    /// The files of an image as a container would see them, below `to`; `.wh.` files are left where layers have them.
    pub(crate) fn unpack(&self, reference: &str, to: &Path) -> Vec<Vec<String>> {
        let folder = to.join("image");
        let output =
            self.skopeo(&["copy", "--quiet", &self.reference(reference), &format!("dir:{}", folder.display())]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let manifest: Json = serde_json::from_slice(&fs::read(folder.join("manifest.json")).unwrap()).unwrap();
        let files = to.join("files");
        fs::create_dir_all(&files).unwrap();
        let mut layers = Vec::new();
        for layer in manifest["layers"].as_array().unwrap() {
            let blob = folder.join(layer["digest"].as_str().unwrap().trim_start_matches("sha256:"));
            let status = Command::new("tar").arg("-xf").arg(&blob).arg("-C").arg(&files).status().unwrap();
            assert!(status.success());
            let list = Command::new("tar").arg("-tf").arg(&blob).output().unwrap();
            layers.push(String::from_utf8_lossy(&list.stdout).lines().map(str::to_owned).collect());
        }
        layers
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.stop();
    }
}
