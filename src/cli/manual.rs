//! The man pages, made of the same definition as `--help`: one of the program and one of each sub-command; and one of the JSON that
//! they print, made of the table that it is held to.
//!
//! Reproducible: no date unless one is given.

mod json;

use std::io;

use clap::{Arg, Command};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, italic, roman};

use crate::config::local::LOCAL_BUILD_KEYS;
use crate::config::osbs::INSTANCE_KEYS;
use crate::exit_code::ExitCode;
use crate::plugin::{Identity, Style};

pub use json::{DRY_RUNS, EXAMPLES as JSON_EXAMPLES};

/// The name of the program that the pages are about.
const PROGRAM: &str = env!("CARGO_PKG_NAME");

/// Environment variables that count, with what each does.
const ENVIRONMENT: &[(&str, &str)] = &[
    (crate::credentials::PASSWORD_VARIABLE, "The Koji password, as --password, but out of the sight of other users."),
    ("OSBS_CONFIG, KUBECONFIG", "osbs.conf, and the kubeconfig."),
    ("KRB5CCNAME, KRB5_CONFIG", "The Kerberos credential cache and configuration, as for kinit(1)."),
    ("HTTPS_PROXY, NO_PROXY", "The proxy for connections to servers, and where not to use one."),
    ("NO_COLOR, TERM, CI", "Colours and moving bars are left out where these ask for it."),
    ("XDG_STATE_HOME, XDG_CACHE_HOME", "Where the files below are, if not in ~/.local/state and ~/.cache."),
    ("SOURCE_DATE_EPOCH", "Builds on this machine: the time that everything in the image has, in seconds since 1970."),
    ("COMPLETE", "Set by shell completion: print candidates, or the script that a shell needs."),
];

/// What is to be said of builds on a cluster besides the keys of osbs.conf.
const OSBS_BUILDS: &[&str] = &[
    "--build-with osbs creates a PipelineRun of Tekton on the cluster that a section of osbs.conf names, or that the kubeconfig's \
     current context is; where a cluster has no Tekton, a build of OpenShift's own. --log takes the name of a task, or TASK/STEP.",
    "Keys of an instance, which is a section of osbs.conf (default_binary, or --instance). Besides these, param.NAME and \
     workspace.NAME give values to parameters and workspaces of the pipeline where there is no template; a workspace is \
     secret:NAME, configMap:NAME, pvc:NAME, volumeClaimTemplate:SIZE or emptyDir.",
];

/// Files that are read or written, with what each is for.
const FILES: &[(&str, &str)] = &[
    ("~/.config/osbs.conf, /etc/osbs.conf", "The OSBS clusters; the first one counts."),
    ("~/.osbs/INSTANCE.token", "A token for an instance of osbs.conf."),
    (
        "/etc/rpkg/fedpkg.conf",
        "The tool's configuration; the tool is what the program's name begins with. Without it what Fedora's package has in it holds.",
    ),
    ("~/.config/rpkg/fedpkg.conf", "The user's own values, which win."),
    ("/etc/koji.conf, /etc/koji.conf.d, ~/.koji/config, ~/.koji/config.d", "Koji profiles, as for koji(1)."),
    (
        "~/.local/state/fedpkg-container-build/submissions.json",
        "What was submitted from here, for watch, status, cancel and --last. No secrets.",
    ),
    ("~/.local/state/fedpkg-container-build/builds", "Logs and results of the last builds on this machine."),
    ("~/.cache/fedpkg-container-build/targets.json", "Build targets seen before. May be deleted."),
    ("~/.cache/fedpkg-container-build/storage", "Images of builds on this machine."),
    ("~/.cache/fedpkg-container-build/artifacts", "Files that were fetched. May be deleted while nothing is built."),
];

/// What is to be known of builds on this machine besides their options.
const LOCAL_BUILDS: &[&str] = &[
    "--build-with local does what the build service would do, with buildah and skopeo: base images from allowed registries are \
     pinned by digest, the files of sources and of fetch-artifacts-url.yaml are fetched and verified, labels and yum \
     repositories are put in, one layer is built on top of the parent's, the packages are looked at, and the image is pushed, \
     exported and imported where that is asked for. What the service would have done and this build did not is said.",
    "With chroot isolation, RUN shares network, processes and users with this machine: as root, it can end any process. Build \
     what is not your own without root rights.",
    "Images and layers are in a storage of the program's own below the cache folder, which can be removed as a whole (without \
     root rights: buildah unshare rm -rf FOLDER). Logs, Dockerfiles, lists of packages and SBOMs of the last builds are in the \
     state folder, under builds/. With SOURCE_DATE_EPOCH set, two builds of one commit make the same image.",
    "These keys of the section [fedpkg.local-build] (or that of the tool in use) count; lists are separated by blanks, commas or \
     line ends.",
];

/// What is typed most.
const EXAMPLES: &[(&str, &str)] = &[
    ("See what the builder would refuse, without a login", "fedpkg-container-build check"),
    ("See what would be submitted", "fedpkg-container-build --scratch --dry-run"),
    ("Build, and show the logs of one architecture", "fedpkg-container-build --log x86_64"),
    ("Submit, and come back later", "fedpkg-container-build --nowait && fedpkg-container-build watch --last"),
    ("Try it on this machine", "fedpkg-container-build --build-with local"),
];

/// A page with more options shows `[OPTION]...` in its synopsis.
const FEW_OPTIONS: usize = 8;

/// One page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManPage {
    /// Its file's name, e.g. `fedpkg-container-build-watch.1`.
    pub file_name: String,
    /// Its roff source.
    pub text: String,
}

/// All pages, the program's own first. `date` is the day they show (`YYYY-MM-DD`), empty for none.
///
/// # Errors
/// None in practice: they are written into memory.
pub fn pages(date: &str) -> io::Result<Vec<ManPage>> {
    let identity = Identity { tool: "fedpkg".into(), program: PROGRAM.into(), style: Style::Own };
    let mut root = super::command(&identity).disable_help_subcommand(true);
    root.build();
    let mut names = Vec::new();
    page_names(&root, &mut names);
    let mut pages = Vec::new();
    write_pages(&root, date, &names, &mut pages)?;
    let mut text = Vec::new();
    json::page().to_writer(&mut text)?;
    pages.push(finished(json::NAME, 5, date, &text));
    Ok(pages)
}

fn shown(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|command| !command.is_hide_set())
}

fn page_name(command: &Command) -> &str {
    command.get_display_name().unwrap_or_else(|| command.get_name())
}

fn page_names(command: &Command, names: &mut Vec<String>) {
    names.push(page_name(command).to_owned());
    shown(command).for_each(|command| page_names(command, names));
}

fn write_pages(command: &Command, date: &str, names: &[String], pages: &mut Vec<ManPage>) -> io::Result<()> {
    pages.push(page(command, date, names)?);
    shown(command).try_for_each(|command| write_pages(command, date, names, pages))
}

fn page(command: &Command, date: &str, names: &[String]) -> io::Result<ManPage> {
    let name = page_name(command);
    let top = name == PROGRAM;
    // Global options are explained once, on the program's own page.
    let own = match top {
        true => command.clone(),
        false => command.clone().mut_args(|option| match option.is_global_set() {
            true => option.hide(true),
            false => option,
        }),
    };
    let own = own.subcommand_help_heading("COMMANDS");
    let man = Man::new(own.clone());
    let mut sections = Vec::new();
    man.render_name_section(&mut sections)?;
    if options(&own).count() > FEW_OPTIONS {
        short_synopsis(&own, name).to_writer(&mut sections)?;
    } else {
        man.render_synopsis_section(&mut sections)?;
    }
    man.render_description_section(&mut sections)?;
    man.render_options_section(&mut sections)?;
    if shown(command).next().is_some() {
        man.render_subcommands_section(&mut sections)?;
    }
    closing_sections(top, name, names).to_writer(&mut sections)?;
    Ok(finished(name, 1, date, &sections))
}

/// A page of these sections.
fn finished(name: &str, section: u8, date: &str, sections: &[u8]) -> ManPage {
    let sections = String::from_utf8_lossy(sections);
    // Every section comes with roff's definition of an apostrophe, which is needed once. What is before it is the page's
    // title: clap's would leave an empty date out, and the next field would take its place.
    let apostrophe = Roff::new().render();
    let manual = if section == 1 { "User Commands" } else { "File Formats" };
    let title =
        format!(".TH \"{name}\" \"{section}\" \"{date}\" \"{PROGRAM} {}\" \"{manual}\"\n", env!("CARGO_PKG_VERSION"));
    ManPage { file_name: format!("{name}.{section}"), text: title + &apostrophe + &sections.replace(&apostrophe, "") }
}

/// The options that a page explains.
fn options(command: &Command) -> impl Iterator<Item = &Arg> {
    command.get_opts().filter(|option| !option.is_hide_set())
}

/// How the command is called, where its options are too many to be listed twice.
fn short_synopsis(command: &Command, name: &str) -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["SYNOPSIS"]);
    let words = name.strip_prefix(PROGRAM).unwrap_or_default();
    let words = words.strip_prefix('-').map(|words| format!(" {words}")).unwrap_or_default();
    let mut line = vec![bold(format!("{PROGRAM}{words}")), roman(" ["), italic("OPTION"), roman("]...")];
    for value in command.get_positionals().filter(|value| !value.is_hide_set()) {
        let value = value.get_value_names().and_then(|names| names.first()).map_or("", |name| name.as_str());
        line.extend([roman(" ["), italic(value), roman("]")]);
    }
    roff.text(line);
    if shown(command).next().is_some() {
        roff.control("br", []);
        roff.text([bold(PROGRAM), roman(" "), italic("COMMAND"), roman(" ["), italic("OPTION"), roman("]...")]);
    }
    roff
}

/// Whether a page's command can end so.
fn can_end(name: &str, code: ExitCode) -> bool {
    let command = name.strip_prefix(PROGRAM).unwrap_or_default().trim_start_matches('-');
    match code {
        ExitCode::Refused => ["", "flatpak-build", "check"].contains(&command),
        ExitCode::Cancelled | ExitCode::Unseen => ["", "flatpak-build", "watch", "cancel"].contains(&command),
        ExitCode::Authentication | ExitCode::Network => {
            ["", "flatpak-build", "watch", "cancel", "check"].contains(&command)
        }
        _ => true,
    }
}

fn closing_sections(top: bool, name: &str, names: &[String]) -> Roff {
    let mut roff = Roff::new();
    if !top {
        roff.control("PP", []);
        let sentence = "(1) are accepted here too, and before the sub-command.";
        roff.text([roman("The global options of "), bold(PROGRAM), roman(sentence)]);
    }
    roff.control("SH", ["EXIT STATUS"]);
    for (code, meaning) in ExitCode::TABLE.iter().filter(|(code, _)| can_end(name, *code)) {
        entry(&mut roff, &(*code as u8).to_string(), meaning);
    }
    if top {
        grammar(&mut roff);
        roff.control("SH", ["BUILDS ON AN OSBS CLUSTER"]);
        for text in OSBS_BUILDS {
            roff.control("PP", []);
            roff.text([roman(*text)]);
        }
        INSTANCE_KEYS.iter().for_each(|(key, meaning)| entry(&mut roff, key, meaning));
        roff.control("SH", ["BUILDS ON THIS MACHINE"]);
        for text in LOCAL_BUILDS {
            roff.control("PP", []);
            roff.text([roman(*text)]);
        }
        LOCAL_BUILD_KEYS.iter().for_each(|(key, meaning)| entry(&mut roff, key, meaning));
    }
    roff.control("SH", ["ENVIRONMENT"]);
    ENVIRONMENT.iter().for_each(|(variable, meaning)| entry(&mut roff, variable, meaning));
    roff.control("SH", ["FILES"]);
    FILES.iter().for_each(|(path, meaning)| entry(&mut roff, path, meaning));
    if top {
        roff.control("SH", ["EXAMPLES"]);
        for (what, command) in EXAMPLES {
            roff.control("PP", []);
            roff.text([roman(format!("{what}:"))]);
            example(&mut roff, command);
        }
    }
    see_also(&mut roff, name, names);
    roff
}

/// Something to type, as it is typed.
fn example(roff: &mut Roff, command: &str) {
    for (control, arguments) in [("PP", None), ("RS", Some("4")), ("EX", None)] {
        roff.control(control, arguments);
    }
    roff.text([roman(command)]);
    roff.control("EE", []);
    roff.control("RE", []);
}

fn entry(roff: &mut Roff, term: &str, meaning: &str) {
    roff.control("TP", []);
    roff.text([bold(term)]);
    roff.text([roman(meaning)]);
}

/// How a command line is read, which the list of options does not say.
fn grammar(roff: &mut Roff) {
    let rules = [
        "Called by a name that ends in -container-build, the program is the container-build of the tool that the name begins \
         with. Called by a tool's own name (through a link fedpkg, for instance) it wants a sub-command, and hands those that \
         it does not have over to the program of the same name that follows on PATH.",
        "Options of a sub-command may be abbreviated as long as one name is meant; global options may not. Options that take \
         several values take all words up to the next option, and add up when they are repeated.",
        "In container-build, flatpak-build and container-build-setup, what follows a -- is ignored.",
    ];
    roff.control("SH", ["COMMAND LINE"]);
    for rule in rules {
        roff.control("PP", []);
        roff.text([roman(rule)]);
    }
}

fn see_also(roff: &mut Roff, name: &str, names: &[String]) {
    roff.control("SH", ["SEE ALSO"]);
    let others = names.iter().map(String::as_str).filter(|other| *other != name).chain(["fedpkg", "koji"]);
    let mut line = Vec::new();
    for other in others {
        line.push(roman(if line.is_empty() { "" } else { ", " }));
        line.push(bold(other));
        line.push(roman("(1)"));
    }
    line.extend([roman(", "), bold(json::NAME), roman("(5)")]);
    roff.text(line);
}
