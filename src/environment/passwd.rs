//! The login name of whoever runs the program, where no variable says it (containers, cron): the passwd entry, as Python's `getpass` has it.

use std::path::Path;
use std::time::Duration;

use crate::child;
use crate::file;

/// The most bytes of /etc/passwd that are looked at.
const MOST_BYTES: u64 = 1 << 20;
/// How long a directory service may take to say who a number is.
const SERVICE_WITHIN: Duration = Duration::from_secs(2);

/// The name of the process's user: of /etc/passwd, else of whatever else the system asks for users.
pub(super) fn name() -> Option<String> {
    let uid = rustix::process::getuid().as_raw();
    in_file(uid).or_else(|| {
        let entry = child::answer("getent", &["passwd", &uid.to_string()], SERVICE_WITHIN)?;
        name_of(&entry, uid)
    })
}

/// The name of a user whom /etc/passwd has.
pub(crate) fn in_file(uid: u32) -> Option<String> {
    let bytes = file::beginning(&file::open(Path::new("/etc/passwd")).ok()?, MOST_BYTES).ok()?;
    name_of(&String::from_utf8_lossy(&bytes), uid)
}

/// The first entry of a number, as for `getpwuid`.
fn name_of(passwd: &str, uid: u32) -> Option<String> {
    let entry = |line: &str| {
        let mut fields = line.split(':');
        let (name, number) = (fields.next()?, fields.nth(1)?);
        (number.parse() == Ok(uid) && !name.is_empty() && !name.starts_with('#')).then(|| name.to_owned())
    };
    passwd.lines().find_map(entry)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_entry_of_a_number_names_its_user() {
        let passwd =
            "root:x:0:0:root:/root:/bin/sh\n\n# a:x:7:\nbroken\n+::::::\n:x:7:7::/:\njoe:x:7:7::/:\njim:x:7:7::/:\n";
        assert_eq!(name_of(passwd, 0).as_deref(), Some("root"));
        assert_eq!(name_of(passwd, 7).as_deref(), Some("joe"));
        assert_eq!(name_of(passwd, 8), None);
        assert_eq!(name_of("", 0), None);
    }
}
