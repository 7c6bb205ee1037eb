//! Architectures: Koji's and RPM's names of them, and those of registries and of Go.

/// Koji's names and Go's, where they differ.
const NAMES: &[(&str, &str)] =
    &[("x86_64", "amd64"), ("aarch64", "arm64"), ("i686", "386"), ("armhfp", "arm"), ("armv7hl", "arm")];

/// Go's name of an architecture that Koji calls `arch`.
pub fn goarch(arch: &str) -> &str {
    NAMES.iter().find(|(koji, _)| *koji == arch).map_or(arch, |(_, go)| go)
}

/// Koji's name of an architecture that Go calls `goarch`.
pub fn arch(goarch: &str) -> &str {
    NAMES.iter().find(|(_, go)| *go == goarch).map_or(goarch, |(koji, _)| koji)
}

/// Koji's name of this machine's architecture.
pub fn host() -> &'static str {
    match std::env::consts::ARCH {
        "powerpc64" => "ppc64le",
        "x86" => "i686",
        "arm" => "armhfp",
        other => other,
    }
}

/// Whether programs of a foreign architecture run here: the kernel hands them to an emulator.
pub fn is_emulated(arch: &str) -> bool {
    let name = match arch {
        "armhfp" | "armv7hl" => "arm",
        "i686" => "i386",
        other => other,
    };
    std::fs::read_to_string(format!("/proc/sys/fs/binfmt_misc/qemu-{name}"))
        .is_ok_and(|text| text.lines().next() == Some("enabled"))
}
