#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fedpkg_container_build_fuzz::targets::dockerfile(input));
