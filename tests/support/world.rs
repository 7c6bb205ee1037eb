//! A sandbox with a clone, a hub, and configuration that leads from one to the other: what tests of builds begin with.

use std::io::Read as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::json;
use super::koji_hub::{Hub, HubOptions};
use super::sandbox::{Finished, Repository, Sandbox};

/// How long a test waits for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// The password of the hub's user `packager`.
pub(crate) const PASSWORD: &str = "secret";

/// A sandbox and a hub.
pub(crate) struct World {
    /// Folders, git, the program.
    pub sandbox: Sandbox,
    /// The hub that the program's configuration names.
    pub hub: Hub,
}

impl World {
    /// A hub as of today.
    pub(crate) fn new() -> World {
        World::with(HubOptions::default(), "")
    }

    /// A hub with `options`, and more lines for the Koji profile.
    pub(crate) fn with(options: HubOptions, profile: &str) -> World {
        let hub = Hub::start(options);
        let mut sandbox = Sandbox::new();
        write_profile(&sandbox, &hub, profile);
        sandbox.write_user_config("fedpkg", "");
        sandbox.write_config("fedpkg", "");
        sandbox.set_variable("FEDPKG_CONTAINER_BUILD_PASSWORD", PASSWORD);
        World { sandbox, hub }
    }

    /// A clone of `container/foo` on branch f40.
    pub(crate) fn clone(&self) -> Repository<'_> {
        self.sandbox.container()
    }

    /// Our program in the clone's folder `foo`, with the options that every test needs before `arguments`.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        self.sandbox.command_in_clone(arguments)
    }

    /// Runs our program to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Finished {
        self.sandbox.finish(self.command(arguments))
    }

    /// Starts our program and leaves it running, in a process group of its own.
    pub(crate) fn start(&self, arguments: &[&str]) -> Running<'_> {
        Running::start(self.command(arguments), &self.sandbox)
    }
}

/// Writes the Koji profile `koji` that leads to a hub, with more lines.
pub(crate) fn write_profile(sandbox: &Sandbox, hub: &Hub, more: &str) {
    let (url, weburl, topurl) = (hub.url(), hub.weburl(), hub.topurl());
    sandbox.write(
        "home/.koji/config",
        &format!(
            "[koji]\nserver = {url}\nweburl = {weburl}\ntopurl = {topurl}\nauthtype = password\npoll_interval = 1\n\
             retry_interval = 1\n{more}"
        ),
    );
}

/// A program that runs.
pub(crate) struct Running<'a> {
    child: Child,
    sandbox: &'a Sandbox,
    /// What was read of standard output, where it is JSON.
    seen: Option<Vec<u8>>,
    /// What was read of standard error before the end.
    error: Vec<u8>,
    /// While it is there, somebody waits for the program.
    _waited_for: Arc<()>,
}

impl<'a> Running<'a> {
    /// Starts a program in a process group of its own.
    pub(crate) fn start(mut command: Command, sandbox: &'a Sandbox) -> Running<'a> {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        let seen = json::is_asked(&command).then(Vec::new);
        Running { seen, ..Running::new(command.spawn().expect("the program starts"), sandbox) }
    }

    /// A child whose streams are pipes.
    pub(crate) fn new(child: Child, sandbox: &'a Sandbox) -> Running<'a> {
        let waited_for = Arc::new(());
        let (id, wanted) = (child.id(), Arc::downgrade(&waited_for));
        // A test that waits for words that never come fails, because the program ends.
        std::thread::spawn(move || {
            let deadline = Instant::now() + 2 * PATIENCE;
            while wanted.strong_count() > 0 && Instant::now() < deadline {
                std::thread::sleep(Duration::from_millis(100));
            }
            if wanted.strong_count() > 0 {
                let _ = Command::new("kill").arg("-KILL").arg(id.to_string()).status();
            }
        });
        Running { child, sandbox, seen: None, error: Vec::new(), _waited_for: waited_for }
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal by its name (`INT`).
    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill").arg(format!("-{name}")).arg(self.child.id().to_string()).status();
        assert!(status.expect("kill").success());
    }

    /// Waits for the end; the test fails when that takes too long.
    pub(crate) fn finish(mut self) -> Finished {
        let (stdout, stderr) = (self.child.stdout.take(), self.child.stderr.take());
        let is_read = stdout.is_some();
        let mut error = std::mem::take(&mut self.error);
        let (stdout, stderr, status) = std::thread::scope(|scope| {
            let stdout = scope.spawn(move || stdout.map(read_to_end).unwrap_or_default());
            let stderr = scope.spawn(move || stderr.map(read_to_end).unwrap_or_default());
            let status = self.wait();
            (stdout.join().unwrap(), stderr.join().unwrap(), status)
        });
        if let (Some(seen), true) = (self.seen, is_read) {
            json::hold(&String::from_utf8_lossy(&[seen, stdout.clone()].concat()), status);
        }
        error.extend(stderr);
        Finished { status, stdout: self.sandbox.normalised(&stdout), stderr: self.sandbox.normalised(&error) }
    }

    /// Reads standard output slowly, so many bytes a second, as over a bad line; then waits for the end.
    pub(crate) fn finish_slowly(mut self, bytes_per_second: usize) -> Finished {
        let mut stdout = self.child.stdout.take().expect("a pipe");
        let mut piece = vec![0; bytes_per_second / 20];
        let mut seen = Vec::new();
        while let count @ 1.. = stdout.read(&mut piece).expect("reading the program's words") {
            seen.extend_from_slice(&piece[..count]);
            std::thread::sleep(Duration::from_secs_f64(count as f64 / bytes_per_second as f64));
        }
        let rest = self.finish();
        Finished { stdout: String::from_utf8_lossy(&seen).into_owned(), ..rest }
    }

    fn wait(&mut self) -> Option<i32> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            if Instant::now() > deadline {
                let _ = self.child.kill();
                panic!("the program did not end");
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Whether it has ended.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Closes the reading end of standard output, as `head` does.
    pub(crate) fn close_stdout(&mut self) {
        drop(self.child.stdout.take());
    }

    /// Reads standard output until a line holds `text`; the lines read so far come back.
    pub(crate) fn read_until(&mut self, text: &str) -> String {
        let mut seen = Vec::new();
        read_until(self.child.stdout.as_mut().unwrap(), &mut seen, text);
        self.seen.iter_mut().for_each(|earlier| earlier.extend_from_slice(&seen));
        String::from_utf8_lossy(&seen).into_owned()
    }

    /// Reads standard error until a line holds `text`; [`Running::finish`] gives these lines, too.
    pub(crate) fn read_error_until(&mut self, text: &str) {
        read_until(self.child.stderr.as_mut().unwrap(), &mut self.error, text);
    }
}

/// Reads until a line is there that holds a text.
fn read_until(stream: &mut impl std::io::Read, seen: &mut Vec<u8>, text: &str) {
    let mut byte = [0];
    while stream.read(&mut byte).unwrap() == 1 {
        seen.push(byte[0]);
        if byte[0] == b'\n' && String::from_utf8_lossy(seen).lines().last().is_some_and(|line| line.contains(text)) {
            return;
        }
    }
    panic!("{text:?} did not come: {}", String::from_utf8_lossy(seen));
}

fn read_to_end(mut stream: impl std::io::Read) -> Vec<u8> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).expect("reading a stream of the program");
    bytes
}
