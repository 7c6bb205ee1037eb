#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

use super::*;
use crate::config::TemplateError;
use crate::error::{Error, ErrorKind};

fn config(text: &str) -> RpkgConfig {
    load(text).unwrap_or_else(|error| panic!("{text:?}: {error}"))
}

fn load(text: &str) -> Result<RpkgConfig, ConfigError> {
    let mut ini = Ini::new();
    ini.read_str(text, "fedpkg.conf")?;
    RpkgConfig::new("fedpkg", ini)
}

/// A configuration with these lines in `[fedpkg]`.
fn fedpkg(lines: &str) -> RpkgConfig {
    config(&format!("[fedpkg]\n{lines}\n"))
}

#[test]
fn the_files_of_a_tool_are_named_after_it() {
    let files = RpkgFiles::of_tool("fedpkg-stage", Some(Path::new("/home/joe")));
    assert_eq!(files.system, Path::new("/etc/rpkg/fedpkg-stage.conf"));
    assert_eq!(files.user.as_deref(), Some(Path::new("/home/joe/.config/rpkg/fedpkg-stage.conf")));
    assert_eq!(RpkgFiles::of_tool("rhpkg", None).user, None);
}

#[test]
fn the_users_file_overrides_key_by_key() {
    let folder = tempfile::tempdir().unwrap();
    let mut files = RpkgFiles::only(folder.path().join("fedpkg.conf"));
    files.user = Some(folder.path().join("user.conf"));
    std::fs::write(&files.system, "[fedpkg]\nkojiprofile = koji\nanongiturl = https://h/%(repo)s\n").unwrap();
    assert_eq!(RpkgConfig::load("fedpkg", &files).unwrap().koji_profile_name().unwrap().value, "koji");
    std::fs::write(folder.path().join("user.conf"), "# mine\n[fedpkg]\nkojiprofile = stg\n").unwrap();
    let config = RpkgConfig::load("fedpkg", &files).unwrap();
    let profile = config.koji_profile_name().unwrap();
    assert_eq!((profile.value.as_str(), profile.section.as_str()), ("stg", "fedpkg"));
    assert_eq!(profile.origin.to_string(), format!("{}:3", folder.path().join("user.conf").display()));
    assert_eq!(config.anongiturl("a/b").unwrap(), "https://h/a/b");
}

#[test]
fn a_missing_file_that_was_named_is_an_invalid_config_file() {
    let folder = tempfile::tempdir().unwrap();
    let user = folder.path().join("user.conf");
    std::fs::write(&user, "[fedpkg]").unwrap();
    let missing = RpkgFiles { user: Some(user), ..RpkgFiles::only(folder.path().join("missing.conf")) };
    let error = Error::from(RpkgConfig::load("fedpkg", &missing).unwrap_err());
    assert_eq!(error.to_string(), format!("Invalid config file {}", missing.system.display()));
    assert_eq!((error.kind(), error.hints().len(), error.causes().len()), (ErrorKind::Config, 1, 0));

    let unreadable = RpkgFiles { is_named: false, ..RpkgFiles::only(folder.path().to_owned()) };
    let error = Error::from(RpkgConfig::load("fedpkg", &unreadable).unwrap_err());
    assert_eq!(error.to_string(), format!("Invalid config file {}", folder.path().display()));
    assert_eq!(error.causes().len(), 1, "the system's reason is told");
}

/// The configuration of a machine without a file for the tool, and with this text in the user's.
fn of_user(tool: &str, text: &str) -> Result<RpkgConfig, ConfigError> {
    let folder = tempfile::tempdir().unwrap();
    let user = folder.path().join("user.conf");
    std::fs::write(&user, text).unwrap();
    RpkgConfig::load(tool, &RpkgFiles { system: folder.path().join("no.conf"), is_named: false, user: Some(user) })
}

#[test]
fn where_the_system_has_no_file_fedoras_values_hold_below_the_users() {
    let config = of_user("fedpkg", "[DEFAULT]\nkojiprofile = mine\n[fedpkg.local-build]\npush = yes\n").unwrap();
    assert_eq!(config.koji_profile_name().unwrap().value, "mine", "an inherited value is the user's, too");
    assert_eq!(config.anongiturl("container/foo").unwrap(), "https://src.fedoraproject.org/container/foo.git");
    let namespaces = config.ini().get("fedpkg", "distgit_namespaces").unwrap().unwrap();
    assert_eq!(namespaces.origin.to_string(), "built in");
    assert!(config.distgit_namespaced() && config.lookaside_namespaced().unwrap());

    let stage = of_user("fedpkg-stage", "[fedpkg-stage]\nbuild_client = k\n").unwrap();
    assert_eq!(stage.koji_profile_name().unwrap().value, "stg");
    assert_eq!((stage.build_client().unwrap().unwrap().value, stage.greenwave_url().unwrap()), ("k".into(), None));
}

#[test]
fn nothing_is_built_in_where_the_system_or_the_command_line_has_the_tools_section() {
    let folder = tempfile::tempdir().unwrap();
    let files = RpkgFiles::only(folder.path().join("fedpkg.conf"));
    std::fs::write(&files.system, "[fedpkg]\n").unwrap();
    let config = RpkgConfig::load("fedpkg", &files).unwrap();
    assert!(matches!(config.anongiturl("foo"), Err(ConfigError::MissingKey { .. })));
    assert!(config.koji_profile_name().is_err() && config.greenwave_url().unwrap().is_none());

    std::fs::write(&files.system, "[fedpkg.local-build]\nregistry = r\n").unwrap();
    let config = RpkgConfig::load("fedpkg", &files).unwrap();
    assert_eq!(config.koji_profile_name().unwrap().origin.to_string(), "built in");
    std::fs::write(&files.system, "[fedpkgs.local-build]\n").unwrap();
    assert!(matches!(RpkgConfig::load("fedpkg", &files), Err(ConfigError::NoSection { .. })));
}

#[test]
fn for_other_tools_the_users_file_alone_is_enough() {
    let config = of_user("rhpkg", "[rhpkg]\nkojiprofile = brew\n").unwrap();
    assert_eq!(config.koji_profile_name().unwrap().value, "brew");
    assert!(matches!(config.anongiturl("foo"), Err(ConfigError::MissingKey { .. })));

    let error = Error::from(of_user("rhpkg", "[rhpkg.local-build]\n").unwrap_err());
    assert!(error.to_string().starts_with("Invalid config file "), "{error}");
    let hints = error.hints().join("\n");
    for part in ["install the package of rhpkg", "section [rhpkg] to ", "/user.conf", "--config"] {
        assert!(hints.contains(part), "{hints}");
    }
}

#[test]
fn an_unreadable_users_file_is_skipped_with_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    let mut files = RpkgFiles::only(folder.path().join("fedpkg.conf"));
    files.user = Some(folder.path().to_owned());
    std::fs::write(&files.system, "[fedpkg]\n").unwrap();
    let config = RpkgConfig::load("fedpkg", &files).unwrap();
    assert!(matches!(config.warnings(), [ConfigWarning::Unreadable { path, .. }] if path == folder.path()));
}

#[test]
fn a_tool_without_a_section_is_told_which_files_were_read() {
    let error = Error::from(load("[fedpkg-stage]\n[fedpkgs]\n").unwrap_err());
    assert_eq!(error.to_string(), "No section: 'fedpkg'");
    let hint = "the name the program is called by is the section's name; there is no [fedpkg] in fedpkg.conf, \
                which have [fedpkgs]";
    assert_eq!(error.hints(), [hint]);
}

#[test]
fn namespaces_are_off_unless_turned_on() {
    for (line, expected) in [
        ("", false),
        ("distgit_namespaced = True", true),
        ("distgit_namespaced = off", false),
        ("Distgit_Namespaced: 1", true),
    ] {
        assert_eq!(fedpkg(line).distgit_namespaced(), expected, "{line}");
    }
    let error = Error::from(load("[fedpkg]\ndistgit_namespaced = maybe").unwrap_err());
    assert_eq!(error.to_string(), "distgit_namespaced option must be a boolean");
    assert_eq!(error.causes(), ["Not a boolean: maybe (fedpkg.conf:2, `distgit_namespaced` of [fedpkg])"]);
    assert_eq!(error.hints(), ["set `distgit_namespaced` to true or false at fedpkg.conf:2"]);
}

#[test]
fn lists_are_split_as_rpkg_splits_them() {
    let config = fedpkg("distgit_namespaces =\n  rpms container\n  modules\nkerberos_realms = A.ORG,,B.ORG, C.ORG");
    assert_eq!(config.distgit_namespaces().unwrap().unwrap(), ["rpms", "container", "modules"]);
    assert_eq!(config.kerberos_realms(), ["A.ORG", "B.ORG", " C.ORG"]);
    let empty = fedpkg("");
    assert_eq!(empty.distgit_namespaces().unwrap(), None);
    assert!(empty.kerberos_realms().is_empty());
}

#[test]
fn the_koji_profile_of_container_builds_comes_first() {
    let cases = [
        ("[fedpkg]\nkojiprofile = a", "a", "fedpkg", 2),
        ("[fedpkg]\nkojiprofile = a\n[fedpkg.container-build]\nkojiprofile = b", "b", "fedpkg.container-build", 4),
        ("[fedpkg]\nkojiprofile = a\n[fedpkg.container-build]\nkojiprofile =", "a", "fedpkg", 2),
        ("[fedpkg]\nkojiprofile = a\n[fedpkg.container-build]", "a", "fedpkg", 2),
        ("[DEFAULT]\nkojiprofile = d\n[fedpkg]\n[fedpkg.container-build]", "d", "fedpkg.container-build", 2),
        ("[fedpkg]\nkojiprofile = %(env)s-x\nenv = stg", "stg-x", "fedpkg", 2),
    ];
    for (text, value, section, line) in cases {
        let profile = config(text).koji_profile_name().unwrap();
        assert_eq!(
            (profile.value.as_str(), profile.section.as_str(), profile.origin.line()),
            (value, section, Some(line)),
            "{text}"
        );
    }
}

#[test]
fn a_missing_or_empty_koji_profile_is_an_error_with_a_hint() {
    for (line, hint) in
        [("", "set `kojiprofile` in section [fedpkg]"), ("kojiprofile =", "`kojiprofile` is empty at fedpkg.conf:2")]
    {
        let error = Error::from(fedpkg(line).koji_profile_name().unwrap_err());
        assert_eq!(error.to_string(), "Missing kojiprofile to load Koji session.");
        assert!(error.hints()[0].starts_with(hint), "{:?}", error.hints());
    }
    let error = Error::from(fedpkg("kojiprofile = 5%").koji_profile_name().unwrap_err());
    assert_eq!(error.hints(), ["write %% for a percent sign"]);
}

#[test]
fn build_client_falls_back_and_may_be_missing() {
    assert_eq!(fedpkg("").build_client().unwrap(), None);
    assert_eq!(fedpkg("build_client = koji").build_client().unwrap().unwrap().value, "koji");
    let config = fedpkg("build_client = koji\n[fedpkg.container-build]\nbuild_client = brew");
    assert_eq!(config.build_client().unwrap().unwrap().value, "brew");
}

#[test]
fn build_with_is_a_word_of_container_builds_alone() {
    let config = fedpkg("[fedpkg.container-build]\nbuild_with = osbs");
    assert_eq!(config.build_with().unwrap().unwrap().value, "osbs");
    assert_eq!(fedpkg("build_with = osbs").build_with().unwrap(), None, "only in [fedpkg.container-build]");
}

#[test]
fn unknown_keys_of_container_builds_warn() {
    let config = config(
        "[DEFAULT]\nshared = 1\n[fedpkg]\n[fedpkg.container-build]\nkoji_profile = x\nzzz = 1\nBuild_With = koji",
    );
    let warnings: Vec<String> = config.warnings().iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        [
            "`koji_profile` in [fedpkg.container-build] means nothing (fedpkg.conf:5); did you mean `kojiprofile`?",
            "`zzz` in [fedpkg.container-build] means nothing (fedpkg.conf:6)",
        ]
    );
}

#[test]
fn greenwave_is_asked_where_its_url_is_set() {
    assert_eq!(fedpkg("").greenwave_url().unwrap(), None);
    let config = fedpkg("[fedpkg.greenwave]\nurl = https://greenwave.example.com/");
    assert_eq!(config.greenwave_url().unwrap().unwrap().value, "https://greenwave.example.com/");
}

#[test]
fn source_urls_are_filled_in() {
    let cases = [
        ("https://h/%(repo)s.git", true, "container/foo", "https://h/container/foo.git"),
        ("https://h/%(module)s.git", true, "container/foo", "https://h/container/foo.git"),
        ("https://h/%(repo)s.git", true, "foo", "https://h/rpms/foo.git"),
        ("https://h/%(repo)s.git", false, "foo", "https://h/foo.git"),
        ("https://h/%%20%(repo)s", false, "foo", "https://h/%20foo"),
    ];
    for (template, namespaced, repo, url) in cases {
        let config = fedpkg(&format!("anongiturl = {template}\ndistgit_namespaced = {namespaced}"));
        assert_eq!(config.anongiturl(repo).unwrap(), url, "{template}");
    }
    let config = fedpkg("gitbaseurl = ssh://%(user)s@h/%(repo)s\ndistgit_namespaced = yes");
    assert_eq!(config.gitbaseurl("joe", "container/foo").unwrap(), "ssh://joe@h/container/foo");
    assert_eq!(config.gitbaseurl("joe", "foo").unwrap(), "ssh://joe@h/rpms/foo");
}

#[test]
fn source_urls_that_cannot_be_filled_in_are_told_with_their_place() {
    let error = Error::from(fedpkg("anongiturl = https://h/%(nope)s").anongiturl("foo").unwrap_err());
    assert_eq!(error.to_string(), "anongiturl cannot be filled in (fedpkg.conf:2)");
    assert_eq!(error.causes(), ["`%(nope)s` is unknown; known are %(repo)s, %(module)s"]);
    let error = fedpkg("anongiturl = https://h/%").anongiturl("foo").unwrap_err();
    assert!(matches!(error, ConfigError::UrlTemplate { source: TemplateError::Malformed { .. }, .. }));
    let error = Error::from(fedpkg("").anongiturl("foo").unwrap_err());
    assert_eq!(error.to_string(), "no `anongiturl` in section [fedpkg]");
    assert_eq!(error.hints(), ["set `anongiturl` there; read: fedpkg.conf"]);
}
