//! Architectures: Koji's and RPM's names of them, and those of registries and of Go.

/// Koji's names of the architectures that logs, tasks and images are told apart by, the usual ones first.
pub(crate) const KNOWN: [&str; 10] =
    ["x86_64", "aarch64", "ppc64le", "s390x", "riscv64", "i686", "armv7hl", "armhfp", "ppc64", "loongarch64"];
/// Those that Fedora builds containers for, the usual one first.
pub(crate) const OFFERED: [&str; 4] = ["x86_64", "aarch64", "ppc64le", "s390x"];

/// Koji's names and Go's, where they differ. Of two names for one of Go's, the first is the one that Koji gives images.
const NAMES: [(&str, &str); 6] = [
    ("x86_64", "amd64"),
    ("aarch64", "arm64"),
    ("i686", "386"),
    ("armhfp", "arm"),
    ("armv7hl", "arm"),
    ("loongarch64", "loong64"),
];

/// Go's name of an architecture that Koji calls `arch`.
pub(crate) fn to_go(arch: &str) -> &str {
    NAMES.iter().find(|(koji, _)| *koji == arch).map_or(arch, |(_, go)| go)
}

/// Koji's name of an architecture that Go calls `goarch`.
pub(crate) fn from_go(goarch: &str) -> &str {
    NAMES.iter().find(|(_, go)| *go == goarch).map_or(goarch, |(koji, _)| koji)
}

/// The known architecture that a text is the name of.
pub(crate) fn named(text: &str) -> Option<&'static str> {
    KNOWN.into_iter().find(|known| *known == text)
}

/// The known architecture at the end of a name whose parts are joined by `-`, as in `binary-container-build-x86-64`: there an
/// underscore, which such names cannot have, is a `-` too.
pub(crate) fn at_end_of(name: &str) -> Option<&'static str> {
    let is_end = |arch: &str| name.strip_suffix(arch).is_some_and(|before| before.ends_with('-'));
    KNOWN.into_iter().find(|arch| is_end(&arch.replace('_', "-")))
}

/// Koji's name of this machine's architecture.
pub(crate) fn host() -> &'static str {
    match std::env::consts::ARCH {
        "powerpc64" if cfg!(target_endian = "little") => "ppc64le",
        "powerpc64" => "ppc64",
        "x86" => "i686",
        "arm" => "armhfp",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_there_and_back() {
        for (koji, go) in [("x86_64", "amd64"), ("aarch64", "arm64"), ("armhfp", "arm"), ("s390x", "s390x")] {
            assert_eq!((to_go(koji), from_go(go)), (go, koji));
        }
        assert_eq!(to_go("armv7hl"), "arm");
    }

    #[test]
    fn the_end_of_a_name_is_an_architecture_only_as_a_whole_part() {
        let cases = [
            ("binary-container-build-x86-64", Some("x86_64")),
            ("binary-container-build-ppc64le", Some("ppc64le")),
            ("x86-64", None),
            ("build-xppc64", None),
            ("binary-container-prebuild", None),
        ];
        for (name, arch) in cases {
            assert_eq!(at_end_of(name), arch, "{name}");
        }
    }
}
