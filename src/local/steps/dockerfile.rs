//! Changes to the author's Dockerfile: bases pinned, repositories added and removed, the release and labels
//! set, and what is stored inside the image copied there.
//!
//! Two texts come out: the one that is stored in the image, which has the labels but neither pins nor repositories, and the one
//! that is built. That is what atomic-reactor stores since `change_from_in_dockerfile` runs after `add_dockerfile`. The lines
//! are put at the end of the file, behind the last instruction whatever its form (there they go before its last *line*).

use std::fmt::Write as _;

use super::base_image::{BaseImages, Parent};
use super::edits::{self, BadEdit, Edit};
use super::labels;
use super::yum_repos::YUM_REPOS_DIR;
use crate::checkout::dockerfile::{BuildFile, Dockerfile, Stage};
use crate::request::nvr::{Nvr, RELEASE};

/// Where an image keeps what it was built from.
pub const BUILDINFO: &str = "/root/buildinfo";
/// The folder of the context that repository files are copied from.
pub const REPOS_FOLDER: &str = "atomic-reactor-repos";

/// The author's file, in both readings.
#[derive(Debug, Clone, Copy)]
pub struct Author<'a> {
    /// The text.
    pub text: &'a str,
    /// As the engine reads it.
    pub file: &'a BuildFile,
    /// As the build service reads it.
    pub service: &'a Dockerfile,
}

/// What is changed.
#[derive(Debug, Clone)]
pub struct Changes<'a> {
    /// What stages begin with.
    pub bases: &'a BaseImages,
    /// The build's release.
    pub release: &'a str,
    /// The variable that every stage gets the release in (`set_release_env`).
    pub release_env: Option<&'a str>,
    /// Labels to add.
    pub labels: &'a [(String, String)],
    /// Names of the files to be stored.
    pub stored: &'a StoredNames,
    /// Names of repository files, where they are copied; none where the engine mounts them.
    pub repos: &'a [String],
    /// The name of a bundle of certificates that yum shall trust.
    pub ca_bundle: Option<&'a str>,
    /// The user that the last stage's base image has.
    pub base_user: &'a str,
}

/// Names of the files that are stored inside the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredNames {
    /// The Dockerfile, such as `Dockerfile-demo-app-1.0-3`.
    pub dockerfile: String,
    /// The content manifest, such as `demo-container-1.0-3.json`.
    pub content_manifest: String,
    /// The manual page, where the checkout has a `help.md`.
    pub help: Option<&'static str>,
}

impl StoredNames {
    /// The names for a build. `repository` is the `name` label.
    pub fn of(nvr: &Nvr, repository: &str, help: bool) -> StoredNames {
        let Nvr { name, version, release } = nvr;
        StoredNames {
            dockerfile: format!("Dockerfile-{}-{version}-{release}", repository.replace('/', "-")),
            content_manifest: format!("{name}-{version}-{release}.json"),
            help: help.then_some("help.1"),
        }
    }

    /// The `COPY` lines.
    fn instructions(&self) -> String {
        let StoredNames { dockerfile, content_manifest, help } = self;
        let mut lines = String::new();
        if let Some(help) = help {
            let _ = writeln!(lines, "COPY {help} /{help}");
        }
        let _ = writeln!(lines, "COPY {content_manifest} {BUILDINFO}/content_manifests/{content_manifest}");
        let _ = writeln!(lines, "COPY {dockerfile} {BUILDINFO}/{dockerfile}");
        lines
    }
}

/// The two texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// What is stored inside the image.
    pub stored: String,
    /// What is built.
    pub built: String,
}

/// Why the Dockerfile cannot be changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// Two readings of it disagree.
    #[error(transparent)]
    Edit(#[from] BadEdit),
    /// What is added would be read as a part of what the author wrote.
    #[error("line {line}: what is written there would take in the lines that the build adds behind it")]
    GoesOn {
        /// The line on which the last instruction begins, from 1.
        line: usize,
    },
}

/// Makes the changes.
///
/// # Errors
/// When the two readings of the file disagree on where something is, or what is written would not be read as it is meant.
pub fn write(author: Author<'_>, changes: &Changes<'_>) -> Result<Written, WriteError> {
    let end = author.text.len();
    let labels =
        if changes.labels.is_empty() { String::new() } else { labels::instruction(changes.labels, author.file.escape) };
    // What is inserted at the end comes behind a line end, in this order.
    let line_end = (!author.text.ends_with('\n')).then(|| Edit::insert(end, "\n"));
    let mut kept = release_env_lines(author.file, changes);
    kept.extend(release_label(author, changes.release));
    kept.push(Edit::insert(end, format!("\n{}{labels}", changes.stored.instructions())));
    let mut passing = pins(author.file, changes.bases);
    passing.extend(repository_lines(author.file, changes));
    let removal = removal(author.file, changes).map(|lines| Edit::insert(end, lines));
    let stored: Vec<Edit> = line_end.iter().chain(&kept).cloned().collect();
    let built: Vec<Edit> = line_end.iter().chain(&passing).chain(&kept).chain(&removal).cloned().collect();
    Ok(Written { stored: written(author, &stored)?, built: written(author, &built)? })
}

/// The changed text, read again: what is well-formed at the end of a file may take in lines that come behind it.
fn written(author: Author<'_>, edits: &[Edit]) -> Result<String, WriteError> {
    let text = edits::apply(author.text, edits)?;
    let stages = BuildFile::parse(&text).map(|file| file.stages).unwrap_or_default();
    let is_meant = stages.len() == author.file.stages.len()
        && author.file.stages.iter().zip(&stages).all(|(stage, read)| {
            let keywords = read.instructions.iter().map(|instruction| instruction.keyword.as_str());
            keywords.eq(meant(author, stage, edits).iter().map(String::as_str))
        });
    if is_meant {
        return Ok(text);
    }
    let last = author.file.stages.last();
    let line = last.and_then(|stage| stage.instructions.last().map(|last| last.line).or(Some(stage.line)));
    Err(WriteError::GoesOn { line: line.unwrap_or_default() })
}

/// The instructions that a stage has when the edits are made. What is inserted has one on each line.
fn meant(author: Author<'_>, stage: &Stage, edits: &[Edit]) -> Vec<String> {
    let inserted = |at: usize| {
        let texts = edits.iter().filter(move |edit| edit.range == (at..at)).map(|edit| edit.text.as_str());
        texts.flat_map(str::lines).filter_map(|line| line.split(' ').next()).filter(|word| !word.is_empty())
    };
    let mut keywords: Vec<String> = inserted(stage.body).map(str::to_owned).collect();
    keywords.extend(stage.instructions.iter().map(|instruction| instruction.keyword.clone()));
    let end = author.text.len();
    if author.file.stages.last() == Some(stage) && stage.body != end {
        keywords.extend(inserted(end).map(str::to_owned));
    }
    keywords
}

/// Each `FROM` of an image by its digest.
fn pins(file: &BuildFile, bases: &BaseImages) -> Vec<Edit> {
    let pin = |(stage, parent): (&Stage, &Parent)| match parent {
        Parent::Image(at) => {
            let image = bases.images.get(*at)?;
            Some(Edit::replace(stage.image_span.clone(), image.pinned().to_string()))
        }
        Parent::Scratch | Parent::Stage(_) => None,
    };
    file.stages.iter().zip(&bases.parents).filter_map(pin).collect()
}

fn release_env_lines(file: &BuildFile, changes: &Changes<'_>) -> Vec<Edit> {
    let Some(variable) = changes.release_env else { return Vec::new() };
    file.stages.iter().map(|stage| Edit::insert(stage.body, format!("ENV {variable}={}\n", changes.release))).collect()
}

/// The release label where there is one with another value, else a new one.
fn release_label(author: Author<'_>, release: &str) -> Option<Edit> {
    let existing = author.service.label(RELEASE.name).or_else(|| author.service.label(RELEASE.old));
    match existing {
        Some(label) if label.value == release => None,
        Some(label) => Some(Edit::replace(label.span.clone(), format!("{}={release}", label.name))),
        None => Some(Edit::insert(author.text.len(), format!("LABEL {}={release}\n", RELEASE.name))),
    }
}

/// The lines that put repositories into every stage that has a file system to begin with.
fn repository_lines(file: &BuildFile, changes: &Changes<'_>) -> Vec<Edit> {
    if changes.repos.is_empty() {
        return Vec::new();
    }
    let mut lines = String::new();
    if let Some(bundle) = changes.ca_bundle {
        let _ = writeln!(lines, "COPY {bundle} /tmp/{bundle}");
    }
    let _ = writeln!(lines, "COPY {REPOS_FOLDER}/* {YUM_REPOS_DIR}/");
    let with_files = file.stages.iter().enumerate().filter(|(at, _)| changes.bases.image_of(*at).is_some());
    with_files.map(|(_, stage)| Edit::insert(stage.body, lines.clone())).collect()
}

/// The lines that remove repositories from the last stage, as root, and give the user back.
fn removal(file: &BuildFile, changes: &Changes<'_>) -> Option<String> {
    changes.bases.last()?;
    if changes.repos.is_empty() {
        return None;
    }
    let mut files: Vec<String> = changes.repos.iter().map(|name| format!("'{YUM_REPOS_DIR}/{name}'")).collect();
    files.extend(changes.ca_bundle.map(|bundle| format!("'/tmp/{bundle}'")));
    let remove = format!("RUN rm -f {}\n", files.join(" "));
    let user = user_line(file, changes.bases, file.stages.len().checked_sub(1)?)
        .or_else(|| (!changes.base_user.is_empty()).then(|| format!("USER {}", changes.base_user)));
    Some(match user {
        Some(user) => format!("USER root\n{remove}{user}\n"),
        None => remove,
    })
}

/// The last `USER` of a stage, or of the earlier stage that it comes from, as it is written.
fn user_line(file: &BuildFile, bases: &BaseImages, stage: usize) -> Option<String> {
    let own = file.stages.get(stage)?.instructions.iter().rev().find(|instruction| instruction.keyword == "USER");
    match (own, bases.parents.get(stage)?) {
        (Some(user), _) => Some(user.text.clone()),
        (None, Parent::Stage(earlier)) => user_line(file, bases, *earlier),
        (None, _) => None,
    }
}

/// Files of the context that the build makes itself, which must not be there already.
pub fn injected_names(names: &StoredNames, ca_bundle: Option<&str>) -> Vec<String> {
    let mut injected = vec![names.dockerfile.clone(), names.content_manifest.clone(), REPOS_FOLDER.to_owned()];
    injected.extend(names.help.map(str::to_owned));
    injected.extend(ca_bundle.map(str::to_owned));
    injected
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

    use std::collections::BTreeMap;
    use std::path::Path;

    use super::*;
    use crate::local::image::name::ImageName;
    use crate::local::steps::base_image::BaseImage;

    fn base(name: &str) -> BaseImage {
        BaseImage {
            written: name.to_owned(),
            name: ImageName::parse(&format!("r.example.com/{name}")).unwrap(),
            digest: format!("sha256:{}", "a".repeat(64)),
            media_type: String::new(),
            variants: BTreeMap::new(),
        }
    }

    fn try_written(text: &str, parents: Vec<Parent>, base_user: &str, release: &str) -> Result<Written, WriteError> {
        let file = BuildFile::parse(text).unwrap();
        let service = Dockerfile::parse(text.as_bytes(), Path::new("Dockerfile")).unwrap();
        let bases = BaseImages { parents, images: vec![base("fedora:42")] };
        let nvr = Nvr { name: "demo-container".into(), version: "1.0".into(), release: release.into() };
        let names = StoredNames::of(&nvr, "demo/app", false);
        let changes = Changes {
            bases: &bases,
            release,
            release_env: None,
            labels: &[("vcs-type".to_owned(), "git".to_owned())],
            stored: &names,
            repos: &["extra-25fcb.repo".to_owned()],
            ca_bundle: None,
            base_user,
        };
        write(Author { text, file: &file, service: &service }, &changes)
    }

    fn written(text: &str, parents: Vec<Parent>, base_user: &str, release: &str) -> Written {
        try_written(text, parents, base_user, release).unwrap()
    }

    const PIN: &str = "r.example.com/fedora@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

    #[test]
    fn the_file_that_is_built_has_everything_and_the_stored_one_no_pins_and_repositories() {
        let text = "# Two stages.\nFROM fedora:42 AS build\nRUN make  # here\nFROM fedora:42\nLABEL version=1.0 \\\n      name=demo/app\nUSER root\nUSER 48\nCMD [\"a\", \\\n  \"b\"]";
        let found = written(text, vec![Parent::Image(0), Parent::Image(0)], "", "3");
        let tail = "LABEL release=3\n\nCOPY demo-container-1.0-3.json /root/buildinfo/content_manifests/demo-container-1.0-3.json\n\
                    COPY Dockerfile-demo-app-1.0-3 /root/buildinfo/Dockerfile-demo-app-1.0-3\nLABEL \"vcs-type\"=\"git\"\n";
        assert_eq!(found.stored, format!("{text}\n{tail}"));
        assert_eq!(
            found.built,
            format!(
                "# Two stages.\nFROM {PIN} AS build\nCOPY atomic-reactor-repos/* /etc/yum.repos.d/\nRUN make  # here\nFROM {PIN}\n\
                 COPY atomic-reactor-repos/* /etc/yum.repos.d/\nLABEL version=1.0 \\\n      name=demo/app\nUSER root\nUSER 48\n\
                 CMD [\"a\", \\\n  \"b\"]\n{tail}USER root\nRUN rm -f '/etc/yum.repos.d/extra-25fcb.repo'\nUSER 48\n"
            )
        );
    }

    #[test]
    fn scratch_stages_get_no_repositories() {
        let text = "FROM fedora:42 AS a\nFROM scratch AS s\nFROM a\n";
        let found = written(text, vec![Parent::Image(0), Parent::Scratch, Parent::Stage(0)], "1001", "3");
        assert_eq!(found.built.matches("COPY atomic-reactor-repos/*").count(), 2);
        assert!(found.built.contains("FROM scratch AS s\nFROM a\nCOPY atomic"), "{}", found.built);
        assert!(found.built.ends_with("USER root\nRUN rm -f '/etc/yum.repos.d/extra-25fcb.repo'\nUSER 1001\n"));
        let last = written("FROM fedora:42 AS a\nFROM scratch\n", vec![Parent::Image(0), Parent::Scratch], "", "3");
        assert!(!last.built.contains("rm -f"), "{}", last.built);
    }

    #[test]
    fn only_the_value_of_a_release_is_changed() {
        let text = "FROM fedora:42\nLABEL a=b \\\n  release=\"\" \\\n  c=d\n";
        let found = written(text, vec![Parent::Image(0)], "", "7");
        assert!(
            found.stored.starts_with("FROM fedora:42\nLABEL a=b \\\n  release=7 \\\n  c=d\n\nCOPY"),
            "{}",
            found.stored
        );
        let same = written("FROM fedora:42\nLABEL release=\"7\"\n", vec![Parent::Image(0)], "", "7");
        assert_eq!(same.stored.matches("release=").count(), 1);
    }

    #[test]
    fn lines_that_would_be_taken_in_by_the_authors_last_one_are_not_added() {
        let found = try_written("FROM fedora:42\n# more\nRUN <<<", vec![Parent::Image(0)], "", "3");
        assert_eq!(found, Err(WriteError::GoesOn { line: 3 }));
        for last in ["RUN cat <<< word", "RUN echo '<<'", "CMD [\"a\"] # <<X"] {
            let text = format!("FROM fedora:42\n{last}");
            let found = try_written(&text, vec![Parent::Image(0)], "1001", "3").expect(last);
            assert!(found.built.contains(&format!("\n{last}\nLABEL release=3\n")), "{}", found.built);
        }
    }

    #[test]
    fn a_from_at_the_end_of_the_file_is_a_line_of_its_own() {
        let found = written("FROM fedora:42", vec![Parent::Image(0)], "", "3");
        assert!(found.built.starts_with(&format!("FROM {PIN}\nCOPY atomic-reactor-repos/*")), "{}", found.built);
        let crlf = written("FROM fedora:42\r\nUSER 48\r\n", vec![Parent::Image(0)], "", "3");
        assert!(crlf.built.ends_with("USER 48\n"), "{:?}", crlf.built);
    }
}
