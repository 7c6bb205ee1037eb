//! A world of its own for one test: a home, a dist-git server with a clone of `container/foo`, configuration files, and the
//! real program run in it with nothing of the developer's environment.
//!
//! The git program makes the repositories. Everything is below one temporary folder, which outputs call `$ROOT`.

use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use tempfile::TempDir;

use super::json;

/// How long a program may run before the sandbox ends it and the test fails.
const TIME_LIMIT: Duration = Duration::from_secs(60);

/// The signal that ends a program whatever it does.
const KILL: i32 = 9;

/// The URL that clones push to as far as their settings say: what the repository's name and namespace come from.
pub(crate) const PUSH_URL: &str = "ssh://u@pkgs.example.com/container/foo";

/// A Dockerfile that every check lets pass.
pub(crate) const DOCKERFILE: &str = "\
FROM registry.example.com/fedora:40
LABEL com.redhat.component=\"foo-container\" \\
      name=\"foo\" \\
      version=\"1.0\"
CMD [\"/bin/true\"]
";

/// A temporary world with a home folder.
pub(crate) struct Sandbox {
    // Removes the folder when the sandbox is dropped.
    _folder: TempDir,
    root: PathBuf,
    variables: Vec<(String, String)>,
}

impl Sandbox {
    /// Makes an empty world: nothing but a home.
    pub(crate) fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("fcb-").tempdir().expect("a temporary folder");
        let root = folder.path().canonicalize().expect("the folder's real path");
        fs::create_dir(root.join("home")).expect("a home");
        fs::create_dir(root.join("run")).expect("a folder for the session");
        Sandbox { _folder: folder, root, variables: Vec::new() }
    }

    /// The folder that everything is in.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// `$HOME`.
    pub(crate) fn home(&self) -> PathBuf {
        self.root.join("home")
    }

    /// Sets a variable for every program that is run from now on.
    pub(crate) fn set_variable(&mut self, name: &str, value: &str) {
        self.variables.push((name.to_owned(), value.to_owned()));
    }

    /// Writes a file below the root, with the folders it needs.
    pub(crate) fn write(&self, path: impl AsRef<Path>, text: &str) -> PathBuf {
        let path = self.root.join(path);
        fs::create_dir_all(path.parent().expect("a file has a folder")).expect("the file's folder");
        fs::write(&path, text).expect("writing a file of the sandbox");
        path
    }

    /// Writes a tool's configuration as its user has it (`~/.config/rpkg/TOOL.conf`): [`rpkg_config`] and `more`.
    pub(crate) fn write_user_config(&self, tool: &str, more: &str) -> PathBuf {
        self.write(format!("home/.config/rpkg/{tool}.conf"), &(rpkg_config(tool) + more))
    }

    /// Writes a tool's configuration to `etc/TOOL.conf`, for `-C`: [`rpkg_config`] and `more`.
    pub(crate) fn write_config(&self, tool: &str, more: &str) -> PathBuf {
        self.write(format!("etc/{tool}.conf"), &(rpkg_config(tool) + more))
    }

    /// Writes `~/.koji/config` with one profile for the hub at `server`; `more` is added to the profile.
    pub(crate) fn write_koji_profile(&self, profile: &str, server: &str, authtype: &str, more: &str) -> PathBuf {
        let text = format!(
            "[{profile}]\nserver = {server}\nweburl = https://koji.example.com/koji\n\
             topurl = https://kojipkgs.example.com\nauthtype = {authtype}\n{more}"
        );
        self.write("home/.koji/config", &text)
    }

    /// Makes the server's repository `container/foo` and a clone of it: see [`Repository`].
    pub(crate) fn container(&self) -> Repository<'_> {
        let server = self.server("container/foo", "f40");
        let clone = self.clone_of(&server, "foo", &[]);
        clone.git(&["config", "remote.origin.pushurl", PUSH_URL]);
        clone
    }

    /// Makes a bare repository as the dist-git server has it, with one commit on `branch`: a Dockerfile.
    pub(crate) fn server(&self, path: &str, branch: &str) -> PathBuf {
        let server = self.root.join("srv").join(format!("{path}.git"));
        self.git(&self.root, &["init", "-q", "--bare", "-b", branch, &text(&server)]);
        let seed = Repository { sandbox: self, path: self.root.join("seed") };
        self.git(&self.root, &["init", "-q", "-b", branch, &text(&seed.path)]);
        seed.write("Dockerfile", DOCKERFILE);
        seed.commit("Add a Dockerfile");
        seed.git(&["push", "-q", &text(&server), branch]);
        fs::remove_dir_all(&seed.path).expect("removing the seed");
        server
    }

    /// Clones the bare repository `server` to `name` below the root, with `options` for `git clone`.
    pub(crate) fn clone_of(&self, server: &Path, name: &str, options: &[&str]) -> Repository<'_> {
        let path = self.root.join(name);
        // As a URL, so that `--depth` is not ignored.
        let (url, target) = (format!("file://{}", server.display()), text(&path));
        let arguments = [&["clone", "-q"], options, &[url.as_str(), target.as_str()]].concat();
        self.git(&self.root, &arguments);
        Repository { sandbox: self, path }
    }

    /// A clone that was made earlier.
    pub(crate) fn repository(&self, name: &str) -> Repository<'_> {
        Repository { sandbox: self, path: self.root.join(name) }
    }

    /// Runs git in `folder` and returns what it printed, trimmed. Fails the test when git fails.
    pub(crate) fn git(&self, folder: &Path, arguments: &[&str]) -> String {
        let mut git = Command::new("git");
        self.isolate(&mut git);
        git.current_dir(folder).args(arguments);
        let output = run_to_end(git);
        let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "git {arguments:?} in {}:\n{stdout}{stderr}", folder.display());
        stdout.trim().to_owned()
    }

    /// Our program, to be run in `folder`, in an environment of this sandbox's making.
    pub(crate) fn command(&self, folder: &Path) -> Command {
        let mut command = Command::new(program());
        self.isolate(&mut command);
        command.current_dir(folder);
        command
    }

    /// Our program in the clone `foo`, with the options that builds on servers need before `arguments`.
    pub(crate) fn command_in_clone(&self, arguments: &[&str]) -> Command {
        let mut command = self.command(&self.root.join("foo"));
        command.arg("-C").arg(self.root.join("etc/fedpkg.conf")).args(["--user", "packager"]).args(arguments);
        command
    }

    /// Runs our program at the root and waits for its end.
    pub(crate) fn run<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Finished {
        self.run_in(&self.root, arguments)
    }

    /// Runs our program in `folder` and waits for its end.
    pub(crate) fn run_in<A: AsRef<OsStr>>(&self, folder: &Path, arguments: impl IntoIterator<Item = A>) -> Finished {
        let mut command = self.command(folder);
        command.args(arguments);
        self.finish(command)
    }

    /// Runs a command to its end, at most for [`TIME_LIMIT`]; then it is killed and the test fails. What it prints as JSON is held to
    /// the schema.
    pub(crate) fn finish(&self, command: Command) -> Finished {
        let is_json = json::is_asked(&command);
        let output = run_to_end(command);
        let finished = Finished {
            status: output.status.code(),
            stdout: self.normalised(&output.stdout),
            stderr: self.normalised(&output.stderr),
        };
        if is_json {
            json::hold(&finished.stdout, finished.status);
        }
        finished
    }

    /// Output as text, with the sandbox's folder as `$ROOT`.
    pub(crate) fn normalised(&self, output: &[u8]) -> String {
        String::from_utf8_lossy(output).replace(&*self.root.to_string_lossy(), "$ROOT")
    }

    fn isolate(&self, command: &mut Command) {
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.home())
            .env("XDG_RUNTIME_DIR", self.root.join("run"))
            .env("LC_ALL", "C.UTF-8")
            .env("TZ", "UTC")
            .env("COLUMNS", "100")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_AUTHOR_NAME", "Packager")
            .env("GIT_AUTHOR_EMAIL", "packager@example.com")
            .env("GIT_AUTHOR_DATE", "2024-05-01T12:00:00Z")
            .env("GIT_COMMITTER_NAME", "Packager")
            .env("GIT_COMMITTER_EMAIL", "packager@example.com")
            .env("GIT_COMMITTER_DATE", "2024-05-01T12:00:00Z")
            .envs(self.variables.iter().map(|(name, value)| (name, value)));
    }
}

/// The same command on a terminal, with more words for the shell after it (`| cat`); what the terminal shows is in `stdout`. Needs
/// the program `script`.
pub(crate) fn on_terminal(command: &Command, more: &str) -> Command {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words: Vec<String> = words.map(|word| format!("'{}'", word.to_string_lossy())).collect();
    let mut script = Command::new("script");
    script.args(["--quiet", "--return", "--command", &format!("{} {more}", words.join(" ")), "/dev/null"]);
    script.env_clear().env("TERM", "xterm");
    script.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    if let Some(folder) = command.get_current_dir() {
        script.current_dir(folder);
    }
    script
}

fn run_to_end(command: Command) -> Output {
    let mut command = assert_cmd::Command::from_std(command);
    let output = command.timeout(TIME_LIMIT).output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert_ne!(output.status.signal(), Some(KILL), "{command:?} did not end in {TIME_LIMIT:?}");
    output
}

/// The program under test: the one that `FEDPKG_CONTAINER_BUILD` names, else the one that cargo has built with the tests.
pub(crate) fn program() -> PathBuf {
    std::env::var_os("FEDPKG_CONTAINER_BUILD")
        .map(PathBuf::from)
        .or_else(|| option_env!("CARGO_BIN_EXE_fedpkg-container-build").map(PathBuf::from))
        .expect("FEDPKG_CONTAINER_BUILD names the program to run")
}

/// A tool's configuration: namespaces on, the sources on `src.example.com`, Koji profile `koji`.
pub(crate) fn rpkg_config(tool: &str) -> String {
    format!(
        "[{tool}]
lookaside = https://src.example.com/repo/pkgs
lookasidehash = sha512
lookaside_cgi = https://src.example.com/repo/pkgs/upload.cgi
gitbaseurl = ssh://%(user)s@pkgs.example.com/%(repo)s
anongiturl = https://src.example.com/%(repo)s.git
branchre = f\\d$|f\\d\\d$|el\\d$|master$
kojiprofile = koji
build_client = koji
kerberos_realms = EXAMPLE.COM
distgit_namespaced = True
distgit_namespaces = rpms container modules flatpaks
"
    )
}

fn text(path: &Path) -> String {
    path.to_str().expect("paths of a sandbox are UTF-8").to_owned()
}

/// A clone in a sandbox. That of [`Sandbox::container`] is at `$ROOT/foo`, on branch `f40` that tracks `origin/f40`, clean
/// and pushed; it fetches from `$ROOT/srv/container/foo.git`, and says that it pushes to [`PUSH_URL`].
pub(crate) struct Repository<'a> {
    sandbox: &'a Sandbox,
    /// The top of its work tree.
    pub path: PathBuf,
}

impl Repository<'_> {
    /// Runs git in the clone and returns what it printed, trimmed.
    pub(crate) fn git(&self, arguments: &[&str]) -> String {
        self.sandbox.git(&self.path, arguments)
    }

    /// Writes a file of the work tree, with the folders it needs.
    pub(crate) fn write(&self, path: &str, text: &str) -> PathBuf {
        self.sandbox.write(self.path.join(path), text)
    }

    /// Commits everything there is, changed or not, and returns the commit's hash.
    pub(crate) fn commit(&self, message: &str) -> String {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "--allow-empty", "-m", message]);
        self.head()
    }

    /// Pushes the current branch to its upstream on the server, whatever the push URL says.
    pub(crate) fn push(&self) {
        let branch = self.git(&["rev-parse", "--abbrev-ref", "HEAD"]);
        let upstream = self.git(&["config", "--get", &format!("branch.{branch}.merge")]);
        let server = self.git(&["config", "--get", "remote.origin.url"]);
        self.git(&["push", "-q", &server, &format!("HEAD:{upstream}")]);
        self.git(&["fetch", "-q", "origin"]);
    }

    /// The full hash of the commit at HEAD.
    pub(crate) fn head(&self) -> String {
        self.git(&["rev-parse", "HEAD"])
    }

    /// Runs our program in the clone and waits for its end.
    pub(crate) fn run<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Finished {
        self.sandbox.run_in(&self.path, arguments)
    }
}

/// What is left of a program that ended. As text: standard output, standard error and the status, for one snapshot.
#[must_use]
#[derive(Debug)]
pub(crate) struct Finished {
    /// Exit code; `None` when a signal ended it.
    pub status: Option<i32>,
    /// Standard output, with `$ROOT`.
    pub stdout: String,
    /// Standard error, with `$ROOT`.
    pub stderr: String,
}

impl Finished {
    /// Whether the exit code is 0.
    pub(crate) fn succeeded(&self) -> bool {
        self.status == Some(0)
    }
}

impl fmt::Display for Finished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, stream) in [("stdout", &self.stdout), ("stderr", &self.stderr)] {
            if !stream.is_empty() {
                writeln!(f, "--- {name}\n{}", stream.trim_end_matches('\n'))?;
            }
        }
        match self.status {
            Some(code) => write!(f, "--- exit code {code}"),
            None => f.write_str("--- ended by a signal"),
        }
    }
}
