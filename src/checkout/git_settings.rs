//! Git's settings as git itself would see them: libgit2's view of the files, and what the environment adds.
//!
//! libgit2 reads the system, user, repository and work tree files, follows `include` and `includeIf`, and heeds
//! `GIT_CONFIG_GLOBAL`, `GIT_CONFIG_SYSTEM` and `GIT_CONFIG_NOSYSTEM`. It does not know the settings that come in
//! `GIT_CONFIG_COUNT`, `GIT_CONFIG_KEY_<n>` and `GIT_CONFIG_VALUE_<n>`; those are laid over it here. What libgit2 reads
//! for its own use (`core.*`, `safe.directory`) still comes from files only, and `git -c` (`GIT_CONFIG_PARAMETERS`) is not
//! looked at: it reaches only programs that git starts.

use std::env;

use git2::{Config, ErrorCode};

use super::CheckoutError;

/// Settings for git that the environment carries, in git's order: later ones win.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GitEnvironment {
    settings: Vec<(String, String)>,
}

impl GitEnvironment {
    /// Reads `GIT_CONFIG_COUNT` and what it announces from the environment of this process.
    ///
    /// # Errors
    /// When what it announces is not there.
    pub fn of_this_process() -> Result<Self, CheckoutError> {
        Self::from_variables(|name| env::var_os(name).map(|value| value.to_string_lossy().into_owned()))
    }

    /// Reads `GIT_CONFIG_COUNT` and what it announces through `variable`. As for git, an empty count is none, and a
    /// missing or malformed variable is an error.
    ///
    /// # Errors
    /// When a variable is missing or malformed.
    pub fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Self, CheckoutError> {
        let Some(count) = variable("GIT_CONFIG_COUNT").filter(|count| !count.is_empty()) else {
            return Ok(Self::default());
        };
        let malformed =
            |variable: String, value: &str| CheckoutError::Environment { variable, value: value.to_owned() };
        let count: u16 = count.parse().map_err(|_| malformed("GIT_CONFIG_COUNT".to_owned(), &count))?;
        let settings = (0..count).map(|index| {
            let (key_name, value_name) = (format!("GIT_CONFIG_KEY_{index}"), format!("GIT_CONFIG_VALUE_{index}"));
            let key = variable(&key_name).unwrap_or_default();
            let key = canonical_key(&key).ok_or_else(|| malformed(key_name, &key))?;
            let value = variable(&value_name).ok_or_else(|| malformed(value_name, ""))?;
            Ok((key, value))
        });
        Ok(GitEnvironment { settings: settings.collect::<Result<_, _>>()? })
    }
}

/// Folds the case of a key's section and variable, which git ignores, and keeps that of its subsection. `None` when it
/// does not have at least a section and a variable.
fn canonical_key(key: &str) -> Option<String> {
    let (section, rest) = key.split_once('.')?;
    let (subsection, variable) = match rest.rsplit_once('.') {
        Some((subsection, variable)) => (Some(subsection), variable),
        None => (None, rest),
    };
    if section.is_empty() || variable.is_empty() {
        return None;
    }
    let (section, variable) = (section.to_lowercase(), variable.to_lowercase());
    Some(match subsection {
        Some(subsection) => format!("{section}.{subsection}.{variable}"),
        None => format!("{section}.{variable}"),
    })
}

/// A `url.<base>.insteadOf` or `url.<base>.pushInsteadOf` setting.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Rewrite {
    base: String,
    prefix: String,
}

/// The settings of one repository.
pub(super) struct GitSettings<'a> {
    files: Config,
    environment: &'a GitEnvironment,
}

impl<'a> GitSettings<'a> {
    pub(super) fn new(files: Config, environment: &'a GitEnvironment) -> Self {
        GitSettings { files, environment }
    }

    /// The value of a single-valued setting, like `git config --get`.
    pub(super) fn get(&self, key: &str) -> Result<Option<String>, git2::Error> {
        if let Some(value) = self.in_environment(key).last() {
            return Ok(Some(value));
        }
        match self.files.get_string(key) {
            Ok(value) => Ok(Some(value)),
            Err(error) if error.code() == ErrorCode::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// `branch.<branch>.<variable>`.
    pub(super) fn of_branch(&self, branch: &str, variable: &str) -> Result<Option<String>, git2::Error> {
        self.get(&format!("branch.{branch}.{variable}"))
    }

    /// The first URL that git would push to: `git remote get-url --push` in git's own order of rules. An explicit
    /// `pushurl` is only rewritten by `insteadOf`; without one, `pushInsteadOf` is tried on the plain URL first.
    /// A remote without settings may be a URL itself.
    pub(super) fn push_url(&self, remote: &str) -> Result<Option<String>, git2::Error> {
        let instead_of = self.rewrites("insteadof")?;
        let push_urls = self.list(&format!("remote.{remote}.pushurl"))?;
        if let Some(url) = push_urls.first() {
            return Ok(Some(rewritten(&instead_of, url).unwrap_or_else(|| url.clone())));
        }
        let mut urls = self.list(&format!("remote.{remote}.url"))?;
        if urls.is_empty() && remote.contains([':', '/']) {
            urls.push(remote.to_owned());
        }
        let push_instead_of = self.rewrites("pushinsteadof")?;
        if let Some(url) = urls.iter().find_map(|url| rewritten(&push_instead_of, url)) {
            return Ok(Some(url));
        }
        Ok(urls.first().map(|url| rewritten(&instead_of, url).unwrap_or_else(|| url.clone())))
    }

    /// All values of a list-like setting; an empty value forgets those before it.
    fn list(&self, key: &str) -> Result<Vec<String>, git2::Error> {
        let mut values = Vec::new();
        let mut entries = self.files.multivar(key, None)?;
        while let Some(entry) = entries.next() {
            values.extend(entry?.value().ok().map(str::to_owned));
        }
        values.extend(self.in_environment(key));
        let start = values.iter().rposition(String::is_empty).map_or(0, |empty| empty + 1);
        Ok(values.split_off(start))
    }

    fn rewrites(&self, variable: &str) -> Result<Vec<Rewrite>, git2::Error> {
        let suffix = format!(".{variable}");
        let rewrite = |key: &str, value: &str| {
            let base = key.strip_prefix("url.")?.strip_suffix(&suffix)?;
            Some(Rewrite { base: base.to_owned(), prefix: value.to_owned() })
        };
        let mut rewrites = Vec::new();
        let mut entries = self.files.entries(Some(&format!("^url\\..*\\.{variable}$")))?;
        while let Some(entry) = entries.next() {
            let entry = entry?;
            if let (Ok(key), Ok(value)) = (entry.name(), entry.value()) {
                rewrites.extend(rewrite(key, value));
            }
        }
        rewrites.extend(self.environment.settings.iter().filter_map(|(key, value)| rewrite(key, value)));
        Ok(rewrites)
    }

    fn in_environment(&self, key: &str) -> impl Iterator<Item = String> {
        let key = canonical_key(key);
        let settings = self.environment.settings.iter();
        settings.filter(move |(name, _)| Some(name) == key.as_ref()).map(|(_, value)| value.clone())
    }
}

/// `url` by the rule with the longest prefix that fits it, the first of several as long; `None` when none fits.
fn rewritten(rules: &[Rewrite], url: &str) -> Option<String> {
    let fitting = rules.iter().filter(|rule| url.starts_with(&rule.prefix));
    let best = fitting.reduce(|best, rule| if rule.prefix.len() > best.prefix.len() { rule } else { best })?;
    Some(format!("{}{}", best.base, &url[best.prefix.len()..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(variables: &[(&str, &str)]) -> Result<GitEnvironment, CheckoutError> {
        GitEnvironment::from_variables(|name| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn settings_of_the_environment_are_read_in_order_and_with_their_keys_case_folded() {
        let read = environment(&[
            ("GIT_CONFIG_COUNT", "2"),
            ("GIT_CONFIG_KEY_0", "Branch.Rhaos/4.1.MERGE"),
            ("GIT_CONFIG_VALUE_0", "refs/heads/f40"),
            ("GIT_CONFIG_KEY_1", "core.Bare"),
            ("GIT_CONFIG_VALUE_1", ""),
        ]);
        let expected = [("branch.Rhaos/4.1.merge", "refs/heads/f40"), ("core.bare", "")];
        assert_eq!(
            read.expect("well formed").settings,
            expected.map(|(key, value)| (key.to_owned(), value.to_owned()))
        );
    }

    #[test]
    fn malformed_variables_are_named() {
        let key = ("GIT_CONFIG_KEY_0", "a.b");
        let cases: &[(&[(&str, &str)], &str)] = &[
            (&[("GIT_CONFIG_COUNT", "x")], "GIT_CONFIG_COUNT"),
            (&[("GIT_CONFIG_COUNT", "1")], "GIT_CONFIG_KEY_0"),
            (&[("GIT_CONFIG_COUNT", "1"), ("GIT_CONFIG_KEY_0", "nodot")], "GIT_CONFIG_KEY_0"),
            (&[("GIT_CONFIG_COUNT", "1"), key], "GIT_CONFIG_VALUE_0"),
        ];
        for (variables, blamed) in cases {
            match environment(variables) {
                Err(CheckoutError::Environment { variable, .. }) => assert_eq!(variable, *blamed),
                other => panic!("{variables:?} gave {other:?}"),
            }
        }
        assert_eq!(environment(&[("GIT_CONFIG_COUNT", "")]).expect("none"), GitEnvironment::default());
    }

    #[test]
    fn the_longest_prefix_rewrites_and_the_first_of_equals() {
        let rule = |base: &str, prefix: &str| Rewrite { base: base.to_owned(), prefix: prefix.to_owned() };
        let rules =
            [rule("ssh://a/", "https://x/"), rule("ssh://b/", "https://x/rpms/"), rule("ssh://c/", "https://x/")];
        assert_eq!(rewritten(&rules, "https://x/container/foo").as_deref(), Some("ssh://a/container/foo"));
        assert_eq!(rewritten(&rules, "https://x/rpms/foo").as_deref(), Some("ssh://b/foo"));
        assert_eq!(rewritten(&rules, "https://y/rpms/foo"), None);
    }
}
