//! Which architectures this machine can run programs of.

/// Whether programs of a foreign architecture run here: the kernel hands them to an emulator.
pub(crate) fn is_emulated(arch: &str) -> bool {
    let name = match arch {
        "armhfp" | "armv7hl" => "arm",
        "i686" => "i386",
        other => other,
    };
    std::fs::read_to_string(format!("/proc/sys/fs/binfmt_misc/qemu-{name}"))
        .is_ok_and(|text| text.lines().next() == Some("enabled"))
}
