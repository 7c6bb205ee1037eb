//! Which tool's name the program was called by, and handing over to the real one.
//!
//! rpkg takes the tool's name from the base name of `argv[0]`; it names the configuration (`/etc/rpkg/<tool>.conf`) and the
//! section in it. So do we, in two styles: called `<tool>-container-build` the program *is* `<tool> container-build`; called
//! by any other name (a symlink `fedpkg`, `rhpkg`, `fedpkg-stage`) it is that tool, and what we do not know goes to the
//! program of the same name that follows on `PATH`. Which sub-commands are ours is [`crate::cli`]'s business.

use std::env;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::error::{Error as AppError, ErrorKind};

/// What follows the tool's name in the name of a program that is `<tool> container-build`.
const SUFFIX: &str = "-container-build";
/// The tool assumed when the name says nothing (an empty `argv`).
const DEFAULT_TOOL: &str = "fedpkg";
/// Set for the program that takes over: `PID DEPTH PATH:…`, who handed over how often and what was tried by that process.
const HANDOVER: &str = "FEDPKG_CONTAINER_BUILD_HANDOVER";
/// After so many hand-overs from one to the next they are taken for a circle. A tool that calls itself (rpkg's `pre-push`
/// hook does) makes two or three.
const MAX_DEPTH: usize = 12;

/// How the program's name is to be understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// `<tool>-container-build`: options of `container-build` may be given directly, and nothing is handed over.
    Own,
    /// A tool's own name: a sub-command is required, and those that are not ours are handed over.
    Tool,
}

/// The name the program was called by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The tool whose configuration and section count: `fedpkg`, `rhpkg`, `fedpkg-stage`.
    pub tool: String,
    /// The base name of `argv[0]`, for usage and error lines.
    pub program: String,
    /// How it is to be understood.
    pub style: Style,
}

/// Reads the tool's name out of `argv[0]`.
pub fn identify(argv0: Option<&OsStr>) -> Identity {
    let base = argv0.and_then(|name| Path::new(name).file_name()).map(OsStr::to_string_lossy);
    let program = match base {
        Some(name) if !name.is_empty() => name.into_owned(),
        _ => format!("{DEFAULT_TOOL}{SUFFIX}"),
    };
    match program.strip_suffix(SUFFIX) {
        Some(tool) if !tool.is_empty() => Identity { tool: tool.to_owned(), style: Style::Own, program },
        _ => Identity { tool: program.clone(), style: Style::Tool, program },
    }
}

/// Why a sub-command could not be handed over.
#[derive(Debug, Error)]
pub enum PluginError {
    /// Nothing else of that name is on `PATH`. The beginning is argparse's text for a sub-command nobody knows.
    #[error("invalid choice: '{}' is no sub-command of ours, and no other program named {tool} is on PATH", command.display())]
    NoRealProgram {
        /// The name looked for.
        tool: String,
        /// The sub-command that should be handed over.
        command: OsString,
    },
    /// A program on `PATH` calls us again and again.
    #[error("'{tool}' was handed over {depth} times and always came back")]
    Circle {
        /// The name looked for.
        tool: String,
        /// How many times.
        depth: usize,
    },
    /// The system would not start it.
    #[error("cannot run {}", program.display())]
    Exec {
        /// The program.
        program: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

impl From<PluginError> for AppError {
    fn from(error: PluginError) -> Self {
        match &error {
            PluginError::NoRealProgram { tool, .. } => {
                let hint = format!("install {tool}, or see `{tool} --help` for the sub-commands known here");
                AppError::new(ErrorKind::Usage, error).hint(hint)
            }
            PluginError::Circle { tool, .. } => {
                let hint = format!("look at every program that `type -a {tool}` lists; one of them calls this one");
                AppError::new(ErrorKind::Io, error).hint(hint)
            }
            PluginError::Exec { .. } => AppError::new(ErrorKind::Io, error),
        }
    }
}

/// Becomes the real program of the tool's name, with the same arguments and environment. Returns only when that fails.
///
/// `argv` is the whole command line, the program's name first; `command` is the word that is not ours.
pub fn delegate(identity: &Identity, argv: &[OsString], command: &OsStr) -> PluginError {
    let trail = Trail::read(env::var_os(HANDOVER).as_deref(), std::process::id());
    if trail.depth >= MAX_DEPTH {
        return PluginError::Circle { tool: identity.tool.clone(), depth: trail.depth };
    }
    let ourselves: Vec<FileId> = env::current_exe().ok().iter().filter_map(|path| FileId::of(path)).collect();
    let path = env::var_os("PATH").unwrap_or_default();
    let Some(program) = real_program(&identity.tool, &path, &ourselves, &trail.tried) else {
        return PluginError::NoRealProgram { tool: identity.tool.clone(), command: command.to_owned() };
    };
    let source = std::process::Command::new(&program)
        .arg0(argv.first().map_or(OsStr::new(&identity.program), OsString::as_os_str))
        .args(argv.iter().skip(1))
        .env(HANDOVER, trail.with(&program).write(std::process::id()))
        .exec();
    PluginError::Exec { program, source }
}

/// Whether Python's argcomplete asks for candidates: the shell's completion of the tool was made for the real program,
/// which is the one to answer. (Candidates of ours are asked for by another variable, see [`crate::cli::completion`].)
pub fn asked_by_argcomplete() -> bool {
    env::var_os("_ARGCOMPLETE").is_some_and(|value| !value.is_empty())
}

/// A file's identity, whatever symbolic or hard link leads to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    fn of(path: &Path) -> Option<FileId> {
        let metadata = path.metadata().ok()?;
        Some(FileId { device: metadata.dev(), inode: metadata.ino() })
    }
}

/// The first executable file named `tool` on `path` that is neither of `ourselves` nor was tried before.
fn real_program(tool: &str, path: &OsStr, ourselves: &[FileId], tried: &[PathBuf]) -> Option<PathBuf> {
    env::split_paths(path).filter(|folder| folder.is_absolute()).map(|folder| folder.join(tool)).find(|candidate| {
        let executable =
            candidate.metadata().is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0);
        executable
            && FileId::of(candidate).is_some_and(|id| !ourselves.contains(&id))
            && !tried.iter().any(|before| before == candidate)
    })
}

/// What earlier hand-overs leave in the environment. A copy of this program, or a wrapper script that runs it, would
/// otherwise be taken for the real one for ever.
#[derive(Debug, Default, PartialEq, Eq)]
struct Trail {
    depth: usize,
    /// What this very process became before: `exec` keeps the process id. A child of the real program may well call the
    /// tool anew, and for it nothing has been tried.
    tried: Vec<PathBuf>,
}

impl Trail {
    fn read(value: Option<&OsStr>, pid: u32) -> Trail {
        let mut parts = value.unwrap_or_default().as_bytes().splitn(3, |byte| *byte == b' ');
        let mut number = || parts.next().and_then(|part| std::str::from_utf8(part).ok()?.parse::<usize>().ok());
        let (Some(by), Some(depth)) = (number(), number()) else { return Trail::default() };
        let same_process = u32::try_from(by) == Ok(pid);
        let tried = parts.next().filter(|_| same_process).map(OsStr::from_bytes);
        Trail { depth, tried: tried.map(|paths| env::split_paths(paths).collect()).unwrap_or_default() }
    }

    fn with(mut self, program: &Path) -> Trail {
        self.tried.push(program.to_owned());
        Trail { depth: self.depth + 1, tried: self.tried }
    }

    fn write(&self, pid: u32) -> OsString {
        let mut value = OsString::from(format!("{pid} {} ", self.depth));
        // All of them come from splitting PATH, so none has a colon that could not be joined.
        value.push(env::join_paths(&self.tried).unwrap_or_default());
        value
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn the_name_says_which_tool_it_is() {
        let cases = [
            ("fedpkg-container-build", "fedpkg", Style::Own),
            ("/usr/bin/rhpkg-container-build", "rhpkg", Style::Own),
            ("./fedpkg-stage-container-build", "fedpkg-stage", Style::Own),
            ("/opt/bin/fedpkg", "fedpkg", Style::Tool),
            ("fedpkg-stage", "fedpkg-stage", Style::Tool),
            ("-container-build", "-container-build", Style::Tool),
            ("", "fedpkg", Style::Own),
        ];
        for (argv0, tool, style) in cases {
            let identity = identify(Some(OsStr::new(argv0)));
            assert_eq!((identity.tool.as_str(), identity.style), (tool, style), "{argv0}");
        }
        assert_eq!(identify(None).program, "fedpkg-container-build");
    }

    /// Puts an executable file, or one without the right to be run, into a new folder and returns its path.
    fn program(root: &Path, folder: &str, mode: u32) -> PathBuf {
        let path = root.join(folder).join("fedpkg");
        fs::create_dir_all(root.join(folder)).unwrap();
        fs::write(&path, "#!/bin/sh\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    #[test]
    fn the_real_program_is_the_first_other_one_that_can_be_run() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        let ours = program(root, "ours", 0o755);
        for (folder, link) in [("soft", true), ("hard", false)] {
            fs::create_dir(root.join(folder)).unwrap();
            let name = root.join(folder).join("fedpkg");
            if link { symlink(&ours, name).unwrap() } else { fs::hard_link(&ours, name).unwrap() }
        }
        program(root, "plain", 0o644);
        fs::create_dir_all(root.join("folder/fedpkg")).unwrap();
        let real = program(root, "real", 0o755);
        let last = program(root, "last", 0o755);
        let folders = ["soft", "hard", "ours", "none", "plain", "folder", "real", "last"];
        let path = env::join_paths(folders.iter().map(|folder| root.join(folder))).unwrap();
        let ourselves = [FileId::of(&ours).unwrap()];

        assert_eq!(real_program("fedpkg", &path, &ourselves, &[]), Some(real.clone()));
        assert_eq!(real_program("fedpkg", &path, &ourselves, std::slice::from_ref(&real)), Some(last.clone()));
        assert_eq!(real_program("fedpkg", &path, &ourselves, &[real, last]), None);
        assert_eq!(real_program("rhpkg", &path, &ourselves, &[]), None);
    }

    #[test]
    fn what_was_tried_counts_for_the_same_process_only() {
        let trail = Trail::read(None, 7).with(Path::new("/usr/bin/fedpkg")).with(Path::new("/home/me/bin/fedpkg"));
        let value = trail.write(7);
        assert_eq!(Trail::read(Some(&value), 7), trail);
        assert_eq!(Trail::read(Some(&value), 8), Trail { depth: 2, tried: Vec::new() });
        for nonsense in ["", "x", "7", "7 x /a", "-1 2 /a"] {
            assert_eq!(Trail::read(Some(OsStr::new(nonsense)), 7), Trail::default(), "{nonsense:?}");
        }
    }
}
