//! Which logs of a build are shown.

use crate::event::ShownLog;

/// Which logs to show; the builder asks for no others, but for those it needs to tell how the build goes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogChoice {
    /// None at all.
    pub none: bool,
    /// Only these: a file's name with or without `.log`, a task of a pipeline, a task and a step (`TASK/STEP`).
    pub names: Vec<String>,
    /// Only those of these architectures.
    pub arches: Vec<String>,
    /// Show only so many lines of what logs hold when they are first seen.
    pub tail: Option<u64>,
}

impl LogChoice {
    /// No logs.
    pub fn nothing() -> LogChoice {
        LogChoice { none: true, ..LogChoice::default() }
    }

    /// The words of the choice that none of these logs answers to, by their names and architectures: most likely misspelt.
    pub fn unanswered(&self, logs: &[ShownLog]) -> Vec<String> {
        let has = |choice: &LogChoice| {
            logs.iter().any(|(name, arch)| {
                let parts = std::iter::once(&**name).chain(name.split('/')).chain(arch.as_deref());
                choice.wants(parts.clone(), arch.as_deref())
            })
        };
        let of_name = |name: &String| LogChoice { names: vec![name.clone()], ..LogChoice::default() };
        let of_arch = |arch: &String| LogChoice { arches: vec![arch.clone()], ..LogChoice::default() };
        let names = self.names.iter().filter(|name| !has(&of_name(name))).map(|name| format!("--log {name}"));
        let arches = self.arches.iter().filter(|arch| !has(&of_arch(arch))).map(|arch| format!("--arch {arch}"));
        names.chain(arches).collect()
    }

    /// Whether a log is shown that goes by these names and is of this architecture (of none: by its name alone). Architectures are
    /// the same in all spellings (`x86-64`, `x86_64`).
    pub fn wants<'a>(&self, names: impl IntoIterator<Item = &'a str>, arch: Option<&str>) -> bool {
        if self.none {
            return false;
        }
        let mut names = names.into_iter();
        let stem = |name: &'a str| name.strip_suffix(".log").unwrap_or(name);
        let is_named =
            |name: &'a str| self.names.iter().any(|wanted| wanted.strip_suffix(".log").unwrap_or(wanted) == stem(name));
        let by_name = self.names.is_empty() || names.any(is_named);
        let same = |wanted: &String| arch.is_some_and(|arch| wanted.replace('-', "_") == arch.replace('-', "_"));
        by_name && (self.arches.is_empty() || self.arches.iter().any(same))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_no_log_answers_to_are_found() {
        let logs = [("x86_64.log".into(), Some("x86_64".into())), ("clone/step".into(), None)];
        let choice = LogChoice {
            names: ["x86_64", "clone", "nosuch"].map(str::to_owned).to_vec(),
            arches: ["x86-64", "x8664"].map(str::to_owned).to_vec(),
            ..LogChoice::default()
        };
        assert_eq!(choice.unanswered(&logs), ["--log nosuch", "--arch x8664"]);
    }

    #[test]
    fn names_with_and_without_their_suffix_and_architectures_in_every_spelling() {
        let choice = |names: &[&str], arches: &[&str]| LogChoice {
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            arches: arches.iter().map(|arch| (*arch).to_owned()).collect(),
            ..LogChoice::default()
        };
        assert!(choice(&[], &[]).wants(["x86_64.log"], Some("x86_64")));
        assert!(choice(&["x86_64"], &[]).wants(["x86_64.log"], None));
        assert!(choice(&["x86_64.log"], &[]).wants(["x86_64"], None));
        assert!(!choice(&["build"], &[]).wants(["x86_64.log"], None));
        assert!(choice(&[], &["x86_64"]).wants(["a"], Some("x86-64")));
        assert!(!choice(&[], &["x86_64"]).wants(["a"], None));
        assert!(!LogChoice::nothing().wants(["a"], None));
    }
}
