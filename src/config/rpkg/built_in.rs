//! What holds where the system has no file of the tool: what fedpkg's own files say in Fedora, as far as container builds use it.

use crate::config::ini::Ini;

/// A key of `[<tool>]`, or with a dot before it of `[<tool>.SECTION]`, and its value.
type Value = (&'static str, &'static str, &'static str);

const FEDPKG: &[Value] = &[
    ("", "lookaside", "https://src.fedoraproject.org/repo/pkgs"),
    ("", "gitbaseurl", "ssh://%(user)s@pkgs.fedoraproject.org/%(repo)s"),
    ("", "anongiturl", "https://src.fedoraproject.org/%(repo)s.git"),
    ("", "kojiprofile", "koji"),
    ("", "kerberos_realms", "FEDORAPROJECT.ORG"),
    (".greenwave", "url", "https://greenwave.fedoraproject.org/"),
];

const STAGE: &[Value] = &[
    ("", "lookaside", "https://src.stg.fedoraproject.org/repo/pkgs"),
    ("", "gitbaseurl", "ssh://%(user)s@pkgs.stg.fedoraproject.org/%(repo)s"),
    ("", "anongiturl", "https://src.stg.fedoraproject.org/%(repo)s.git"),
    ("", "kojiprofile", "stg"),
    ("", "kerberos_realms", "STG.FEDORAPROJECT.ORG"),
];

/// What Fedora and its staging area have in common.
const FEDORA: &[Value] = &[
    ("", "build_client", "koji"),
    ("", "distgit_namespaced", "True"),
    ("", "distgit_namespaces", "rpms container modules flatpaks"),
    ("", "lookaside_namespaced", "True"),
];

/// Sets what the files do not; nothing for tools whose values are not published.
pub(super) fn fill(ini: &mut Ini, tool: &str) {
    let own = match tool {
        "fedpkg" => FEDPKG,
        "fedpkg-stage" => STAGE,
        _ => return,
    };
    for (section, key, value) in own.iter().chain(FEDORA) {
        ini.set_built_in(&format!("{tool}{section}"), key, value);
    }
}
