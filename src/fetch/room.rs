//! Bounds of the cache of fetched files: the room that is left on its disk, its size, and the age of what was never finished.

use std::fs::{self, DirEntry, File};
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// So much stays free for others on the disk, in bytes: a server that never stops sending fills no disk.
const LEFT_FREE: u64 = 128 * 1024 * 1024;
/// How many bytes are written before the room is looked at again.
pub(super) const LOOK_AGAIN: u64 = 32 * 1024 * 1024;
/// What is left of a download that nobody has come back to for so long is removed.
const PARTIAL_AGE: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// The size that the cache is brought back to, in bytes: what was used longest ago goes first.
const LARGEST: u64 = 20 * 1024 * 1024 * 1024;
/// The suffix of what was never finished.
const PARTIAL: &str = "partial";

/// Whether so many bytes more leave enough room on a file's disk for others.
///
/// # Errors
/// When the system does not tell.
pub(super) fn is_enough(file: &File, bytes: u64) -> io::Result<bool> {
    let disk = rustix::fs::fstatvfs(file)?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize) >= bytes.saturating_add(LEFT_FREE))
}

/// A file of the cache.
struct Kept {
    entry: DirEntry,
    size: u64,
    used: SystemTime,
}

/// Brings the cache back within its bounds. What cannot be looked at or removed stays: it is only a cache.
pub(super) fn tidy(root: &Path) {
    tidy_to(root, LARGEST, PARTIAL_AGE);
}

fn tidy_to(root: &Path, largest: u64, age: Duration) {
    let folders = fs::read_dir(root).into_iter().flatten().flatten();
    let files = folders.filter_map(|folder| fs::read_dir(folder.path()).ok()).flatten().flatten();
    let mut whole: Vec<Kept> = Vec::new();
    for entry in files {
        let Ok(metadata) = entry.metadata() else { continue };
        if !metadata.is_file() {
            continue;
        }
        if entry.path().extension().is_some_and(|extension| extension == PARTIAL) {
            let is_old = metadata.modified().is_ok_and(|modified| is_before(modified, age));
            if is_old {
                remove_unless_locked(&entry.path());
            }
            continue;
        }
        let used = metadata.accessed().or_else(|_| metadata.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
        whole.push(Kept { entry, size: metadata.len(), used });
    }
    let mut size: u64 = whole.iter().map(|kept| kept.size).sum();
    whole.sort_by_key(|kept| kept.used);
    for kept in whole {
        if size <= largest {
            break;
        }
        if fs::remove_file(kept.entry.path()).is_ok() {
            size -= kept.size;
        }
    }
}

fn is_before(time: SystemTime, age: Duration) -> bool {
    SystemTime::now().duration_since(time).is_ok_and(|passed| passed >= age)
}

/// Somebody who fetches the file holds a lock on it.
fn remove_unless_locked(path: &Path) {
    if let Ok(file) = File::open(path)
        && file.try_lock().is_ok()
    {
        let _ = fs::remove_file(path);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

    use std::fs::FileTimes;

    use super::*;
    use crate::blocking::Stop;
    use crate::checkout::sources::{Algorithm, Checksum};
    use crate::fetch::cache::{Cache, Claim};
    use crate::fetch::error::FetchProblem;

    #[test]
    fn what_was_used_longest_ago_and_what_nobody_finishes_goes() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("sha512");
        fs::create_dir(&folder).unwrap();
        let now = SystemTime::now();
        let write = |name: &str, days: u64| {
            let path = folder.join(name);
            fs::write(&path, [0; 100]).unwrap();
            let then = now - Duration::from_secs(days * 24 * 60 * 60);
            File::options()
                .write(true)
                .open(&path)
                .unwrap()
                .set_times(FileTimes::new().set_accessed(then).set_modified(then))
                .unwrap();
            path
        };
        let [old, newer, newest] = [("a", 30), ("b", 20), ("c", 1)].map(|(name, days)| write(name, days));
        let [stale, fresh, locked] =
            [("d.partial", 8), ("e.partial", 6), ("f.partial", 9)].map(|(name, days)| write(name, days));
        let lock = File::open(&locked).unwrap();
        lock.lock().unwrap();
        tidy_to(root.path(), 250, PARTIAL_AGE);
        let there = [&old, &newer, &newest, &stale, &fresh, &locked].map(|path| path.exists());
        assert_eq!(there, [false, true, true, false, true, true]);
    }

    #[test]
    fn more_than_there_is_leaves_no_room() {
        let file = tempfile::tempfile().unwrap();
        assert!(!is_enough(&file, u64::MAX / 2).unwrap());
        let disk = rustix::fs::fstatvfs(&file).unwrap();
        assert!(!is_enough(&file, disk.f_bavail * disk.f_frsize).unwrap(), "others need some of it");
    }

    #[test]
    fn a_download_that_would_fill_the_disk_is_given_up_and_leaves_nothing() {
        let root = tempfile::tempdir().unwrap();
        let cache = Cache::new(root.path());
        let checksum = Checksum::new(Algorithm::Sha512, &"0".repeat(128)).unwrap();
        let claimed = cache.claim(std::slice::from_ref(&checksum), &Stop::default()).unwrap();
        let Claim::Mine(mut partial) = claimed else { panic!("nobody else fetches it") };
        partial.write(b"the beginning").unwrap();
        let left = cache.path(&checksum).with_extension(PARTIAL);
        assert!(left.exists());
        let problem = partial.has_room(u64::MAX / 2).unwrap_err();
        assert!(matches!(problem, FetchProblem::NoRoom { received: 13, .. }), "{problem}");
        drop(partial);
        assert!(!left.exists(), "others need the room");
    }
}
