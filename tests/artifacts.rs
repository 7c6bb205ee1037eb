//! Files from a lookaside cache and from the web: asked for, verified, cached, and put into the build context.

mod context;
mod many;
mod peer;
mod resume;
mod trouble;

use std::cell::RefCell;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use fedpkg_container_build::checkout::sources::{self, Algorithm, Checksum};
use fedpkg_container_build::fetch::{
    AllowedDomains, ArtifactsError, Cache, Download, FetchEvent, FetchStep, Fetched, Fetcher, Provenance,
    lookaside_downloads, url_list,
};
use fedpkg_container_build::http::{self, ClientOptions};
use openssl::hash::MessageDigest;
use reqwest::Client;
use tempfile::TempDir;
use url::Url;

use crate::support::digests;
use crate::support::lookaside::{LAST_MODIFIED_SECONDS, Lookaside};

/// A server, a cache and a build context.
struct World {
    server: Lookaside,
    client: Client,
    folder: TempDir,
}

type Events = Vec<(PathBuf, FetchStep)>;

impl World {
    fn new() -> World {
        World::with(Lookaside::start(), &ClientOptions::default())
    }

    fn with(server: Lookaside, options: &ClientOptions) -> World {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("context")).unwrap();
        World { server, client: http::client(options).unwrap(), folder }
    }

    fn context(&self) -> PathBuf {
        self.folder.path().join("context")
    }

    fn cache(&self) -> Cache {
        Cache::new(self.folder.path().join("cache"))
    }

    /// Serves a file and says how it is fetched.
    fn serve(&self, name: &str, content: &[u8]) -> Download {
        self.server.file(&format!("/{name}"), content);
        self.download(name, vec![checksum(Algorithm::Sha512, content)])
    }

    fn download(&self, name: &str, checksums: Vec<Checksum>) -> Download {
        let url = Url::parse(&format!("{}/{name}", self.server.url())).unwrap();
        Download { url, target: name.into(), checksums, allowed: AllowedDomains::any() }
    }

    async fn fetch(&self, downloads: &[Download]) -> Result<Vec<Fetched>, ArtifactsError> {
        self.fetch_and_tell(downloads).await.0
    }

    async fn fetch_and_tell(&self, downloads: &[Download]) -> (Result<Vec<Fetched>, ArtifactsError>, Events) {
        let events = RefCell::new(Vec::new());
        let tell = |event: FetchEvent<'_>| events.borrow_mut().push((event.download.target.clone(), event.step));
        let cache = self.cache();
        let fetcher = Fetcher::new(&self.client, &cache).first_delay(Duration::from_millis(5));
        let fetched = fetcher.fetch(downloads, &self.context(), tell).await;
        (fetched, events.into_inner())
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.context().join(name)).unwrap()
    }

    /// The files in the cache, by path.
    fn cached(&self) -> Vec<PathBuf> {
        files(&self.folder.path().join("cache"))
    }

    /// The files in the context, by path.
    fn placed(&self) -> Vec<PathBuf> {
        files(&self.context())
    }

    /// The cache's file of a download, `.partial` for what has arrived of it.
    fn cache_path(&self, download: &Download) -> (PathBuf, PathBuf) {
        let path = self.cache().path(&download.checksums[0]);
        (path.clone(), path.with_extension("partial"))
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.symlink_metadata().unwrap().is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    found
}

fn checksum(algorithm: Algorithm, content: &[u8]) -> Checksum {
    Checksum::new(algorithm, &digest(algorithm, content)).unwrap()
}

fn digest(algorithm: Algorithm, content: &[u8]) -> String {
    digests::digest(MessageDigest::from_name(algorithm.name()).unwrap(), content)
}

/// Bytes that differ from place to place, so that a part in the wrong place is noticed.
fn varied(size: usize, seed: u32) -> Vec<u8> {
    (0..u32::try_from(size).unwrap())
        .map(|at| (at.wrapping_mul(2_654_435_761).wrapping_add(seed) >> 13) as u8)
        .collect()
}

fn retries(events: &Events) -> Vec<(u32, String)> {
    let reason = |step: &FetchStep| match step {
        FetchStep::Retrying { attempt, reason, .. } => Some((*attempt, reason.clone())),
        _ => None,
    };
    events.iter().filter_map(|(_, step)| reason(step)).collect()
}

#[tokio::test]
async fn sources_of_every_form_are_asked_for_where_rpkg_asks() {
    let world = World::new();
    let content = b"content".as_slice();
    let names = ["new.tar.gz", "old.tar.gz", "centos.tar.gz", "a+b %c\u{e9}.tgz", "~tilde_-.x"];
    let [md5, sha512] = [Algorithm::Md5, Algorithm::Sha512].map(|algorithm| digest(algorithm, content));
    let list = format!(
        "SHA512 ({}) = {sha512}\n{md5}  {}\n{sha512} SOURCES/{}\n{md5}  {}\nSHA512 ({}) = {sha512}\n",
        names[0], names[1], names[2], names[3], names[4]
    );
    let paths = [
        format!("/repo/pkgs/container/app/new.tar.gz/sha512/{sha512}/new.tar.gz"),
        format!("/repo/pkgs/container/app/old.tar.gz/md5/{md5}/old.tar.gz"),
        format!("/repo/pkgs/container/app/centos.tar.gz/sha512/{sha512}/centos.tar.gz"),
        format!("/repo/pkgs/container/app/a%2Bb%20%25c%C3%A9.tgz/md5/{md5}/a%2Bb%20%25c%C3%A9.tgz"),
        format!("/repo/pkgs/container/app/~tilde_-.x/sha512/{sha512}/~tilde_-.x"),
    ];
    for path in &paths {
        world.server.file(path, content);
    }
    let sources = sources::parse(list.as_bytes()).unwrap();
    for base in ["/repo/pkgs", "/repo/pkgs/"] {
        let downloads =
            lookaside_downloads(&format!("{}{base}", world.server.url()), "container/app", &sources).unwrap();
        let asked: Vec<&str> = downloads.iter().map(|download| download.url.path()).collect();
        assert_eq!(asked, paths);
        let fetched = world.fetch(&downloads).await.unwrap();
        assert_eq!(fetched.iter().map(|fetched| fetched.target.to_str().unwrap()).collect::<Vec<_>>(), names);
    }
    // Two checksums, so two files, however many names they have.
    let mut asked = world.server.paths();
    asked.sort();
    assert_eq!(asked.len(), 2, "{asked:?}");
    assert!(names.iter().all(|name| world.read(name) == content));
}

#[test]
fn a_lookaside_cache_has_to_be_on_the_web() {
    let sources = sources::parse(b"d41d8cd98f00b204e9800998ecf8427e  a").unwrap();
    for base in ["", "example.com/repo", "ftp://example.com", "file:///repo", "https://", "https://h/?a="] {
        let error = lookaside_downloads(base, "app", &sources).unwrap_err();
        assert_eq!(error.base, base);
    }
}

#[tokio::test]
async fn a_fetched_file_has_the_servers_age_and_may_be_read_by_all() {
    let world = World::new();
    let download = world.serve("app.tar.gz", b"content");
    for from in [Provenance::Server, Provenance::Cache] {
        let fetched = world.fetch(std::slice::from_ref(&download)).await.unwrap();
        assert_eq!(fetched, [Fetched { target: "app.tar.gz".into(), size: 7, from }]);
        let metadata = fs::metadata(world.context().join("app.tar.gz")).unwrap();
        assert_eq!((metadata.permissions().mode() & 0o7777, metadata.nlink()), (0o644, 1));
        assert_eq!(metadata.mtime().cast_unsigned(), LAST_MODIFIED_SECONDS);
        fs::remove_file(world.context().join("app.tar.gz")).unwrap();
    }
    let [request] = world.server.requests().try_into().unwrap();
    assert_eq!(request.header("accept-encoding"), Some("identity"));
    assert_eq!(fs::metadata(world.folder.path().join("cache")).unwrap().permissions().mode() & 0o7777, 0o700);
}

#[tokio::test]
async fn what_is_there_and_right_is_not_asked_for() {
    let world = World::new();
    let download = world.serve("app.tar.gz", b"content");
    fs::write(world.context().join("app.tar.gz"), "content").unwrap();
    let (fetched, events) = world.fetch_and_tell(std::slice::from_ref(&download)).await;
    assert_eq!(fetched.unwrap(), [Fetched { target: "app.tar.gz".into(), size: 7, from: Provenance::Context }]);
    assert_eq!(events, [("app.tar.gz".into(), FetchStep::Done { size: 7, from: Provenance::Context })]);
    assert!(world.server.requests().is_empty());
    assert!(world.cached().is_empty());
}

#[tokio::test]
async fn artifacts_are_put_beneath_their_folder() {
    let world = World::new();
    world.server.file("/get?file=b.jar", b"b");
    let md5 = digest(Algorithm::Md5, b"b");
    let text = format!(
        "- url: {0}/get?file=b.jar\n  md5: {md5}\n- url: {0}/get?file=b.jar\n  md5: {md5}\n  target: x/y/c.jar\n",
        world.server.url()
    );
    let list = url_list::parse(text.as_bytes(), &AllowedDomains::any()).unwrap();
    assert!(list.iter().all(|artifact| artifact.source.is_none()));
    let downloads: Vec<Download> = list.iter().map(|artifact| artifact.download(&AllowedDomains::any())).collect();
    world.fetch(&downloads).await.unwrap();
    assert_eq!((world.read("artifacts/get?file=b.jar"), world.read("artifacts/x/y/c.jar")), (b"b".into(), b"b".into()));
    assert_eq!(world.server.paths(), ["/get?file=b.jar"]);
    let mode = |name: &str| fs::metadata(world.context().join(name)).unwrap().permissions().mode() & 0o7777;
    assert_eq!((mode("artifacts"), mode("artifacts/x/y")), (0o755, 0o755));
}

#[tokio::test]
async fn every_checksum_counts() {
    let world = World::new();
    let content = b"content".as_slice();
    world.server.file("/a", content);
    let good = [Algorithm::Md5, Algorithm::Sha1, Algorithm::Sha256].map(|algorithm| checksum(algorithm, content));
    let wrong = checksum(Algorithm::Md5, b"other");
    world.fetch(&[world.download("a", good.to_vec())]).await.unwrap();
    // In the context and in the cache there is a file of the right SHA-256 and the wrong MD5.
    let error = world.fetch(&[world.download("a", vec![wrong, good[2].clone()])]).await.unwrap_err();
    assert!(error.to_string().contains("wrong md5 checksum"), "{error}");
    let none = world.fetch(&[world.download("a", Vec::new())]).await.unwrap_err();
    assert!(none.to_string().ends_with("it has no checksum"), "{none}");
}
