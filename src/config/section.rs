//! One section of a file, with typed lookups in which empty values count as not set.

use std::path::PathBuf;

use super::ini::{Ini, IniError, Sourced};
use super::nearest::nearest;
use super::{ConfigError, ConfigWarning};

/// The words of a list: blanks, commas and line ends separate them.
pub(super) fn words(text: &str) -> Vec<String> {
    text.split([' ', '\t', '\n', ',']).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// One section, with typed lookups. Empty values count as not set.
pub(super) struct Section<'a> {
    pub ini: &'a Ini,
    pub name: &'a str,
}

impl Section<'_> {
    pub(super) fn value(&self, key: &str) -> Result<Option<Sourced<String>>, IniError> {
        Ok(self.ini.get(self.name, key)?.filter(|value| !value.value.trim().is_empty()))
    }

    pub(super) fn text(&self, key: &str) -> Result<Option<String>, IniError> {
        Ok(self.value(key)?.map(|value| value.value.trim().to_owned()))
    }

    pub(super) fn path(&self, key: &str) -> Result<Option<PathBuf>, IniError> {
        Ok(self.text(key)?.map(PathBuf::from))
    }

    pub(super) fn list(&self, key: &str) -> Result<Vec<String>, IniError> {
        Ok(self.text(key)?.map(|text| words(&text)).unwrap_or_default())
    }

    pub(super) fn lines(&self, key: &str) -> Result<Vec<String>, IniError> {
        let text = self.text(key)?.unwrap_or_default();
        Ok(text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect())
    }

    pub(super) fn flag(&self, key: &str) -> Result<Option<bool>, IniError> {
        if self.value(key)?.is_none() {
            return Ok(None);
        }
        Ok(self.ini.boolean(self.name, key)?.map(|value| value.value))
    }

    pub(super) fn number(&self, key: &'static str, most: i64) -> Result<Option<u64>, ConfigError> {
        if self.value(key)?.is_none() {
            return Ok(None);
        }
        let Some(number) = self.ini.int(self.name, key)? else { return Ok(None) };
        match u64::try_from(number.value) {
            Ok(value) if number.value <= most => Ok(Some(value)),
            _ => Err(ConfigError::OutOfRange { key, value: number.value, most, origin: number.origin }),
        }
    }

    pub(super) fn pairs(&self, key: &'static str, form: &'static str) -> Result<Vec<(String, String)>, ConfigError> {
        let Some(value) = self.value(key)? else { return Ok(Vec::new()) };
        let lines = value.value.lines().map(str::trim).filter(|line| !line.is_empty());
        let pair = |line: &str| {
            let (name, text) = line.split_once('=')?;
            let name = name.trim();
            (!name.is_empty()).then(|| (name.to_owned(), text.trim().to_owned()))
        };
        lines
            .map(|line| {
                pair(line).ok_or_else(|| ConfigError::NotOfForm {
                    key,
                    value: line.to_owned(),
                    form,
                    origin: value.origin.clone(),
                })
            })
            .collect()
    }

    pub(super) fn choice(
        &self,
        key: &'static str,
        words: &'static [&'static str],
    ) -> Result<Option<String>, ConfigError> {
        let Some(value) = self.value(key)? else { return Ok(None) };
        let word = value.value.trim();
        if word == "auto" {
            return Ok(None);
        }
        if words.contains(&word) {
            return Ok(Some(word.to_owned()));
        }
        Err(ConfigError::NoneOf { key, value: word.to_owned(), words, origin: value.origin })
    }

    /// A warning for each key that the section itself has and that is not known.
    pub(super) fn unknown(&self, known: &[(&'static str, &str)]) -> Vec<ConfigWarning> {
        let keys = self.ini.keys(self.name).unwrap_or_default();
        keys.into_iter()
            .filter(|key| known.iter().all(|(known, _)| known != key))
            .filter_map(|key| Some((key, self.ini.own(self.name, key)?)))
            .map(|(key, value)| ConfigWarning::UnknownKey {
                section: self.name.to_owned(),
                key: key.to_owned(),
                origin: value.origin.clone(),
                nearest: nearest(key, known.iter().map(|(known, _)| *known)),
            })
            .collect()
    }
}
