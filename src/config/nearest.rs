//! The known name that a misspelt one resembles most.

/// The candidate with the fewest edits to `name`, if they are at most a third of its letters (and at least one is allowed).
pub(crate) fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (name.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| (strsim::levenshtein(name, candidate), candidate))
        .filter(|(edits, _)| *edits <= limit)
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_near_name_is_offered() {
        let known = ["kojiprofile", "build_client", "build_with"];
        for (name, expected) in [
            ("koji_profile", Some("kojiprofile")),
            ("buildwith", Some("build_with")),
            ("build-client", Some("build_client")),
            ("profile", None),
            ("x", None),
        ] {
            assert_eq!(nearest(name, known), expected, "{name}");
        }
    }
}
