//! The build targets seen so far, kept between runs: for guessing a target's tags before the hub has said them (so that one
//! request asks everything), and for completing `--target` without a network.
//!
//! A cache and nothing more: unreadable means empty, and what is guessed from it is checked against the hub's answer.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::request::check::answers::TargetTags;

/// What the tags of an unknown target most likely are, by Fedora's habits of naming.
fn guess(target: &str) -> TargetTags {
    let stem = target.strip_suffix("-candidate").unwrap_or(target);
    TargetTags { build_tag: format!("{stem}-build"), dest_tag: target.to_owned() }
}

/// The file that remembers targets, by hub.
#[derive(Debug, Clone)]
pub struct TargetCache {
    path: Option<PathBuf>,
}

type Hubs = BTreeMap<String, BTreeMap<String, TargetTags>>;

impl TargetCache {
    /// The cache of the user whose `XDG_CACHE_HOME` or `HOME` these are; without either nothing is remembered.
    pub fn locate(cache_home: Option<&Path>, home: Option<&Path>) -> TargetCache {
        let folder = cache_home
            .filter(|path| path.is_absolute())
            .map(Path::to_owned)
            .or_else(|| home.filter(|path| path.is_absolute()).map(|home| home.join(".cache")));
        TargetCache { path: folder.map(|folder| folder.join("fedpkg-container-build").join("targets.json")) }
    }

    /// The tags of a target as they were last time, else a guess.
    pub fn tags(&self, hub: &str, target: &str) -> TargetTags {
        let known = self.read().remove(hub).and_then(|mut targets| targets.remove(target));
        known.unwrap_or_else(|| guess(target))
    }

    /// The names of all targets seen, of any hub.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.read().into_values().flat_map(BTreeMap::into_keys).collect();
        names.sort();
        names.dedup();
        names
    }

    /// Remembers what the hub said. Failing to is no reason to stop.
    pub fn remember(&self, hub: &str, target: &str, tags: &TargetTags) {
        let mut hubs = self.read();
        if hubs.get(hub).and_then(|targets| targets.get(target)) == Some(tags) {
            return;
        }
        hubs.entry(hub.to_owned()).or_default().insert(target.to_owned(), tags.clone());
        if let Err(reason) = self.write(&hubs) {
            tracing::debug!(%reason, "the target was not remembered");
        }
    }

    fn read(&self) -> Hubs {
        let text = self.path.as_ref().and_then(|path| std::fs::read(path).ok());
        text.and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default()
    }

    fn write(&self, hubs: &Hubs) -> std::io::Result<()> {
        let Some(path) = &self.path else { return Ok(()) };
        let folder = path.parent().unwrap_or(Path::new("/"));
        std::fs::create_dir_all(folder)?;
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(&serde_json::to_vec(hubs)?)?;
        file.persist(path)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remembers_by_hub_and_guesses_the_rest() {
        let home = tempfile::tempdir().unwrap();
        let cache = TargetCache::locate(None, Some(home.path()));
        let guess = TargetTags { build_tag: "f42-container-build".into(), dest_tag: "f42-container-candidate".into() };
        assert_eq!(cache.tags("hub", "f42-container-candidate"), guess);
        let real = TargetTags { dest_tag: "f42-container-updates-candidate".into(), ..guess.clone() };
        cache.remember("hub", "f42-container-candidate", &real);
        assert_eq!(cache.tags("hub", "f42-container-candidate"), real);
        assert_eq!(cache.tags("other", "f42-container-candidate"), guess);
        assert_eq!(cache.names(), ["f42-container-candidate"]);
    }

    #[test]
    fn a_damaged_cache_is_an_empty_one() {
        let home = tempfile::tempdir().unwrap();
        let cache = TargetCache::locate(Some(home.path()), None);
        cache.remember("hub", "t", &guess("t"));
        std::fs::write(cache.path.as_ref().unwrap(), "garbage").unwrap();
        assert_eq!(cache.names(), [""; 0]);
        assert_eq!(TargetCache::locate(None, None).tags("hub", "t"), guess("t"));
    }
}
