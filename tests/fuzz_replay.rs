//! Every input that a search with coverage began with, or found, in a fraction of a second: see `tests/fuzz/run.sh`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::support::fuzz::TARGETS;

#[test]
fn inputs_that_were_found_before_keep_every_promise() {
    for (name, target) in TARGETS {
        let inputs = files(&Path::new("tests/data/fuzz").join(name));
        assert!(!inputs.is_empty(), "{name} has no input to begin with");
        for input in inputs {
            // Where the target fails, this says on which file.
            eprintln!("{}", input.display());
            target(&std::fs::read(&input).unwrap());
        }
    }
}

#[test]
fn every_target_has_its_program_and_every_folder_its_target() {
    let names: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    let stems = |folder: &str| -> BTreeSet<String> {
        files(Path::new(folder)).iter().map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect()
    };
    assert_eq!(stems("tests/data/fuzz"), names);
    assert_eq!(stems("tests/fuzz/targets"), names);
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}
