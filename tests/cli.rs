//! The command line, from words to what is to be done: rpkg's grammar, our options, usage errors, help.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

use std::ffi::OsString;
use std::process::Stdio;
use std::time::Duration;

use fedpkg_container_build::cli::{
    self, BuildArgs, BuildRef, Cli, ColorWhen, Command, ConfigCommand, ConfigShowArgs, ContainerBuildArgs, Invocation,
    OutputFormat, Page, Switch,
};
use fedpkg_container_build::event::BuilderName;
use fedpkg_container_build::exit_code::ExitCode;
use fedpkg_container_build::plugin::{Identity, identify};
use serde_json::{Value, json};

use crate::support::peers;

/// Splits at blanks; `''` is an empty word.
fn words(line: &str) -> Vec<OsString> {
    line.split_whitespace().map(|word| if word == "''" { "".into() } else { word.into() }).collect()
}

fn identity(program: &str) -> Identity {
    identify(Some(program.as_ref()))
}

fn invoke(line: &str) -> Result<Invocation, cli::UsageError> {
    let argv = words(line);
    cli::parse(&identify(argv.first().map(OsString::as_os_str)), &argv)
}

fn run(line: &str) -> Cli {
    match invoke(line) {
        Ok(Invocation::Run(cli)) => *cli,
        other => panic!("{line}: {other:?}"),
    }
}

fn page(line: &str) -> Page {
    match invoke(line) {
        Ok(Invocation::Show(page)) => page,
        other => panic!("{line}: {other:?}"),
    }
}

fn refusal(line: &str) -> String {
    match invoke(line) {
        Err(error) => error.render(),
        other => panic!("{line}: {other:?}"),
    }
}

/// The container build that the options ask for, with rpkg's way of writing the line.
fn container(options: &str) -> ContainerBuildArgs {
    match run(&format!("fedpkg container-build {options}")).command {
        Command::ContainerBuild(args) => *args,
        other => panic!("{options}: {other:?}"),
    }
}

#[test]
fn every_option_of_container_build_reaches_its_field() {
    type Set = fn(&mut ContainerBuildArgs);
    let cases: &[(&str, Set)] = &[
        ("", |_| {}),
        ("--target t", |args| args.build.target = Some("t".into())),
        ("--target=t", |args| args.build.target = Some("t".into())),
        ("--nowait", |args| args.build.nowait = true),
        ("--background", |args| args.build.background = true),
        ("--build-release 1.2", |args| args.build.build_release = Some("1.2".into())),
        ("--isolated --build-release 1", |args| {
            args.build.isolated = true;
            args.build.build_release = Some("1".into());
        }),
        ("--koji-parent-build a-1-1", |args| args.build.koji_parent_build = Some("a-1-1".into())),
        ("--scratch", |args| args.build.scratch = true),
        ("--arches x86_64 s390x", |args| args.build.arches = vec!["x86_64".into(), "s390x".into()]),
        ("--repo-url a", |args| args.build.repo_urls = vec!["a".into()]),
        ("--signing-intent release", |args| args.build.signing_intent = Some("release".into())),
        ("--skip-remote-rules-validation", |args| args.build.skip_remote_rules_validation = true),
        ("--skip-build", |args| args.build.skip_build = true),
        ("--build-with koji", |args| args.build.build_with = Some(BuilderName::of("koji"))),
        ("--build-with osbs", |args| args.build.build_with = Some(BuilderName::of("osbs"))),
        ("--build-with local", |args| args.build.build_with = Some(BuilderName::of("local"))),
        (r#"--userdata {"a":1}"#, |args| {
            args.build.userdata = Some([("a".to_owned(), 1.into())].into_iter().collect());
        }),
        ("--channel-override c", |args| args.build.channel_override = Some("c".into())),
        ("--git-branch b", |args| args.build.git_branch = Some("b".into())),
        ("--force", |args| args.build.force = true),
        ("--no-logs", |args| args.build.follow.no_logs = true),
        ("--log a --log b", |args| args.build.follow.log = vec!["a".into(), "b".into()]),
        ("--heartbeat 0", |args| args.build.follow.heartbeat = Some(Duration::ZERO)),
        ("--heartbeat 90", |args| args.build.follow.heartbeat = Some(Duration::from_secs(90))),
        ("--compose-id 7", |args| args.compose_ids = vec![7]),
        ("--replace-dependency npm:a:1", |args| args.dependency_replacements = vec!["npm:a:1".into()]),
        ("--operator-csv-modifications-url u", |args| args.operator_csv_modifications_url = Some("u".into())),
    ];
    for (options, set) in cases {
        let mut expected = ContainerBuildArgs::default();
        set(&mut expected);
        assert_eq!(container(options), expected, "{options}");
        let direct = run(&format!("fedpkg-container-build {options}")).command;
        assert_eq!(direct, Command::ContainerBuild(Box::new(expected)), "given directly: {options}");
    }
}

#[test]
fn lists_end_at_the_next_option_and_add_up() {
    let lists: &[(&str, &[&str])] = &[
        ("--repo-url a b --repo-url c", &["a", "b", "c"]),
        ("--repo-url a --scratch --repo-url=b", &["a", "b"]),
        ("--repo-url a ''", &["a", ""]),
        ("--repo-url container-build watch", &["container-build", "watch"]),
        ("--repo-url - -5", &["-", "-5"]),
    ];
    for (options, urls) in lists {
        assert_eq!(container(options).build.repo_urls, *urls, "{options}");
    }
    let arches: &[(&str, &[&str])] = &[
        ("--scratch --arches a --arches b c", &["a", "b", "c"]),
        ("--arches", &[]),
        ("--arches --scratch", &[]),
        ("--arches --arches a", &["a"]),
    ];
    for (options, expected) in arches {
        assert_eq!(container(options).build.arches, *expected, "{options}");
    }
    assert_eq!(container("--compose-id 1 2 --compose-id 3").compose_ids, [1, 2, 3]);
    assert_eq!(container("--compose-id 1_0 -5 +7").compose_ids, [10, -5, 7]);
    let replacements =
        container("--replace-dependency a:b:1 a:c:2 --replace-dependency d:e:3:f").dependency_replacements;
    assert_eq!(replacements, ["a:b:1", "a:c:2", "d:e:3:f"]);
}

#[test]
fn the_last_of_single_valued_options_wins_and_flags_may_be_repeated() {
    let args = container("--target a --scratch --target b --scratch");
    assert_eq!((args.build.target.as_deref(), args.build.scratch), (Some("b"), true));
    assert_eq!(run("fedpkg -C a -C b status").globals.config, Some("b".into()));
}

#[test]
fn empty_texts_count_as_not_given() {
    let line = "fedpkg --release '' --name '' --user '' --runas '' --password '' container-build --target '' \
                --build-release '' --signing-intent '' --git-branch= --channel-override '' --operator-csv-modifications-url ''";
    let cli = run(line);
    assert_eq!(cli.globals, run("fedpkg status").globals);
    assert_eq!(cli.command, Command::ContainerBuild(Box::default()));
}

#[test]
fn two_dashes_cut_the_line_of_rpkgs_commands() {
    for line in ["fedpkg container-build -- junk --also", "fedpkg-container-build -- junk", "fedpkg-container-build --"]
    {
        assert_eq!(run(line).command, Command::ContainerBuild(Box::default()), "{line}");
    }
    assert_eq!(container("--scratch -- --nowait"), container("--scratch"));
    assert!(
        matches!(run("fedpkg watch -- 12").command, Command::Watch(args) if args.build == Some(BuildRef::Id("12".into())))
    );
}

#[test]
fn global_options_stand_before_and_after_the_sub_command() {
    let folder = tempfile::tempdir().unwrap();
    let options = format!(
        "-C c --user-config u --dry-run --release r --name n --namespace ns --user me --password tr0ub4dor --runas you --path {} \
         -v -v -d -q --output json --color never",
        folder.path().display()
    );
    let before = run(&format!("fedpkg {options} container-build")).globals;
    assert_eq!(before.config, Some("c".into()));
    assert_eq!(before.user_config, Some("u".into()));
    assert!(before.dry_run && before.debug && before.quiet);
    assert_eq!(before.verbose, 2);
    assert_eq!(before.release.as_deref(), Some("r"));
    assert_eq!(before.name.as_deref(), Some("n"));
    assert_eq!(before.namespace.as_deref(), Some("ns"));
    assert_eq!(before.user.as_deref(), Some("me"));
    assert_eq!(before.password.as_ref().map(fedpkg_container_build::credentials::Secret::expose), Some("tr0ub4dor"));
    assert_eq!(before.runas.as_deref(), Some("you"));
    assert_eq!(before.path.as_deref(), Some(folder.path()));
    assert_eq!((before.output, before.color), (OutputFormat::Json, ColorWhen::Never));
    assert_eq!(run(&format!("fedpkg container-build {options}")).globals, before);
    assert_eq!(run(&format!("fedpkg-container-build {options} --scratch")).globals, before);
    assert_eq!(run(&format!("fedpkg-container-build {options} status")).globals, before);
    assert!(!format!("{before:?}").contains("tr0ub4dor"), "the password must not be seen in debug output");
}

#[test]
fn abbreviations_work_inside_sub_commands_and_keep_rpkgs_meaning() {
    let cases = [
        ("--targe t", "--target t"),
        ("--t=t", "--target=t"),
        ("--scr", "--scratch"),
        ("--now", "--nowait"),
        ("--no", "--nowait"),
        ("--n", "--nowait"),
        ("--ba", "--background"),
        ("--build 1", "--build-release 1"),
        ("--arch a", "--arches a"),
        ("--repo a b", "--repo-url a b"),
        ("--c 1", "--compose-id 1"),
        ("--build-w koji", "--build-with koji"),
        ("--channel c", "--channel-override c"),
        ("--f", "--force"),
    ];
    for (short, long) in cases {
        assert_eq!(container(short), container(long), "{short}");
        assert_eq!(run(&format!("fedpkg-container-build {short}")).command, container_command(long), "{short}");
    }
    assert!(matches!(
        run("fedpkg container-build-setup --set true").command,
        Command::ContainerBuildSetup(args) if args.set_autorebuild == Some(Switch::True)
    ));
    assert!(page("fedpkg container-build --he").text.contains("--scratch"));
}

fn container_command(options: &str) -> Command {
    Command::ContainerBuild(Box::new(container(options)))
}

#[test]
fn usage_errors_have_argparses_words_and_name_the_program() {
    let cases = [
        ("fedpkg container-build --repo-url", "argument --repo-url: expected at least one argument"),
        ("fedpkg container-build --repo-url --scratch", "argument --repo-url: expected at least one argument"),
        ("fedpkg container-build --target", "argument --target: expected one argument"),
        ("fedpkg -C", "argument --config/-C: expected one argument"),
        (
            "fedpkg container-build --isolated",
            "missing --build-release: using --isolated requires --build-release option",
        ),
        ("fedpkg container-build --isolated --build-release ''", "missing --build-release: using --isolated requires"),
        (
            "fedpkg flatpak-build --isolated",
            "missing --build-release: using --isolated requires --build-release option",
        ),
        ("fedpkg container-build --compose-id abc", "argument --compose-id: invalid int value: 'abc'"),
        ("fedpkg container-build --compose-id 0x1", "argument --compose-id: invalid int value: '0x1'"),
        ("fedpkg container-build --re x", "ambiguous option: --re could match --repo-url, --replace-dependency"),
        ("fedpkg container-build --rep=x", "ambiguous option: --rep=x could match --repo-url, --replace-dependency"),
        ("fedpkg container-build --skip", "could match --skip-remote-rules-validation, --skip-build"),
        ("fedpkg container-build --relea f40", "unrecognized arguments: --relea f40"),
        ("fedpkg container-build -x", "unrecognized arguments: -x"),
        ("fedpkg container-build junk", "unrecognized arguments: junk"),
        ("fedpkg flatpak-build --compose-id 1", "unrecognized arguments: --compose-id 1"),
        ("fedpkg container-build --scratch=1", "argument --scratch: ignored explicit argument '1'"),
        ("fedpkg container-build --build-with mock", "invalid choice: 'mock' (choose from 'koji', 'osbs', 'local')"),
        ("fedpkg container-build --userdata []", "argument --userdata: not a JSON object"),
        ("fedpkg container-build --no-logs --log x", "argument --log: not allowed with argument --no-logs"),
        ("fedpkg container-build --log x --no-logs", "argument --no-logs: not allowed with argument --log"),
        ("fedpkg container-build --heartbeat -1", "argument --heartbeat: invalid number of seconds: '-1'"),
        ("fedpkg container-build-setup", "one of the arguments --get-autorebuild --set-autorebuild is required"),
        (
            "fedpkg container-build-setup --set-autorebuild maybe",
            "invalid choice: 'maybe' (choose from 'true', 'false')",
        ),
        (
            "fedpkg container-build-setup --get-autorebuild --set-autorebuild true",
            "argument --set-autorebuild: not allowed with argument --get-autorebuild",
        ),
        ("fedpkg watch 12 --last", "argument --last: not allowed with argument ID|URL"),
        ("fedpkg watch --tail x", "argument --tail: invalid"),
        ("fedpkg cancel", "one of the arguments ID|URL --last is required"),
        ("fedpkg config", "a sub-command is required: show"),
        ("fedpkg status --frobnicate", "unrecognized arguments: --frobnicate"),
    ];
    for (line, reason) in cases {
        let text = refusal(line);
        let program = line.split(" -").next().unwrap_or(line);
        let program = ["12", "junk"].iter().fold(program, |program, word| program.trim_end_matches(word).trim_end());
        assert!(text.starts_with(&format!("Usage: {program}")), "{line}: {text}");
        let error = text.lines().find(|line| line.contains(": error: ")).unwrap_or_default();
        assert!(error.starts_with(&format!("{program}: error: ")) && error.contains(reason), "{line}: {text}");
        assert_eq!(text.matches("error").count(), 1, "{line}: {text}");
    }
}

#[test]
fn faults_of_global_options_are_the_programs() {
    let cases = [
        ("fedpkg --namespace container container-build", "missing --name: using --namespace requires --name option"),
        ("fedpkg --namespace container --name '' status", "missing --name: using --namespace requires --name option"),
        ("fedpkg --path /nonexistent container-build", "argument --path: given path '/nonexistent' doesn't exist"),
        ("fedpkg --frob container-build", "unrecognized arguments: --frob"),
        ("fedpkg --output yaml status", "argument --output: invalid choice: 'yaml' (choose from 'text', 'json')"),
        ("fedpkg-container-build junk", "argument COMMAND: invalid choice: 'junk' (choose from"),
        ("fedpkg-container-build --dist f40", "unrecognized arguments: --dist f40"),
    ];
    for (line, reason) in cases {
        let text = refusal(line);
        assert!(text.contains(&format!("error: {reason}")), "{line}: {text}");
    }
    // Global options are not abbreviated, so the value of one is taken for a sub-command, as argparse takes it.
    assert_eq!(invoke("fedpkg --rel f40 container-build"), Ok(Invocation::HandOver { command: "f40".into() }));
    assert!(refusal("fedpkg-container-build --rel f40").contains("error: unrecognized arguments: --rel f40"));
}

fn foreign(line: &str) -> bool {
    matches!(invoke(line), Ok(Invocation::HandOver { .. }))
}

#[test]
fn a_similar_option_is_offered() {
    let Err(error) = invoke("fedpkg container-build --targte x") else { panic!("it was understood") };
    assert_eq!(error.tips(), ["a similar option exists: --target"]);
    let error = fedpkg_container_build::error::Error::from(error);
    assert_eq!(ExitCode::from(error.kind()), ExitCode::Usage);
    assert_eq!(error.hints().len(), 1);
}

#[test]
fn sub_commands_that_are_not_ours_are_handed_over_whatever_their_options() {
    let cases = [
        ("fedpkg clone -B foo", "clone"),
        ("fedpkg -q --release f40 push", "push"),
        ("fedpkg --dist f40 container-build", "f40"),
        ("rhpkg --user=me build --target=x -- --nodeps", "build"),
        ("fedpkg -C conf local", "local"),
        ("fedpkg -vC conf local", "local"),
    ];
    for (line, word) in cases {
        assert_eq!(invoke(line), Ok(Invocation::HandOver { command: word.into() }), "{line}");
    }
    assert!(!foreign("fedpkg --name clone container-build"), "the value of an option is no sub-command");
    assert!(!foreign("fedpkg container-build --repo-url clone"));
}

#[test]
fn our_own_name_is_container_build_and_still_has_the_other_sub_commands() {
    assert_eq!(run("fedpkg-container-build").command, Command::ContainerBuild(Box::default()));
    assert_eq!(run("fedpkg-container-build container-build --scratch").command, container_command("--scratch"));
    assert_eq!(run("fedpkg-container-build -q status").command, Command::Status);
    let text = refusal("fedpkg-container-build --scratch watch 12");
    assert!(text.contains("error: argument --scratch: not allowed before the sub-command watch"), "{text}");
}

#[test]
fn the_other_sub_commands_and_their_options() {
    let Command::Watch(watch) =
        run("fedpkg watch 12 --tail 5 --log a --arch s390x --arch x86_64 --heartbeat 3").command
    else {
        panic!("another command")
    };
    assert_eq!(watch.build, Some(BuildRef::Id("12".into())));
    assert_eq!((watch.tail, watch.arch.len(), watch.follow.log.len()), (Some(5), 2, 1));
    let Command::Watch(watch) = run("fedpkg watch --no-logs").command else { panic!("another command") };
    assert_eq!((watch.build, watch.last, watch.follow.no_logs), (None, false, true));
    assert!(matches!(run("fedpkg cancel --last").command, Command::Cancel(args) if args.last && args.build.is_none()));
    assert!(
        matches!(run("fedpkg cancel 7").command, Command::Cancel(args) if args.build == Some(BuildRef::Id("7".into())))
    );
    let show = |json| Command::Config(ConfigCommand::Show(ConfigShowArgs { json, ..ConfigShowArgs::default() }));
    assert_eq!(run("fedpkg config show").command, show(false));
    assert_eq!(run("fedpkg config show --json").command, show(true));
    let Command::Check(check) = run("fedpkg check --offline --scratch --arches a --compose-id 1").command else {
        panic!("another command")
    };
    assert!(check.offline);
    assert_eq!(check.container, container("--scratch --arches a --compose-id 1"));
    let Command::FlatpakBuild(flatpak) = run("fedpkg flatpak-build --target t --userdata {}").command else {
        panic!("another command")
    };
    let expected = BuildArgs { target: Some("t".into()), userdata: Some(Default::default()), ..Default::default() };
    assert_eq!(flatpak.build, expected);
    assert!(matches!(
        run("fedpkg container-build-setup --get-autorebuild").command,
        Command::ContainerBuildSetup(args) if args.get_autorebuild && args.set_autorebuild.is_none()
    ));
}

#[test]
fn help_and_version_are_pages_and_no_sub_command_is_a_failure() {
    let cases = [
        ("fedpkg", ExitCode::Failed, "Usage:"),
        ("fedpkg -q", ExitCode::Failed, "Usage:"),
        ("fedpkg -- container-build", ExitCode::Failed, "Usage:"),
        ("fedpkg help", ExitCode::Success, "Exit status:"),
        ("fedpkg help watch", ExitCode::Success, "--tail"),
        ("fedpkg --help", ExitCode::Success, "handed over to the fedpkg"),
        ("fedpkg container-build -h", ExitCode::Success, "--repo-url"),
        ("fedpkg-container-build --help", ExitCode::Success, "--repo-url"),
        ("fedpkg --version", ExitCode::Success, env!("CARGO_PKG_VERSION")),
        ("rhpkg-container-build -V", ExitCode::Success, "fedpkg-container-build"),
    ];
    for (line, exit, text) in cases {
        let page = page(line);
        assert_eq!(page.exit, exit, "{line}");
        assert!(page.text.contains(text), "{line}: {}", page.text);
    }
}

/// Every sub-command's words, the program itself first.
fn all_levels() -> Vec<String> {
    fn collect(command: &clap::Command, line: String, lines: &mut Vec<String>) {
        lines.push(line.clone());
        for next in command.get_subcommands().filter(|next| next.get_name() != "help") {
            collect(next, format!("{line} {}", next.get_name()), lines);
        }
    }
    let mut lines = Vec::new();
    collect(&cli::command(&identity("fedpkg-container-build")), "fedpkg-container-build".into(), &mut lines);
    lines
}

#[test]
fn help_fits_the_screen_and_has_the_exit_codes() {
    let levels = all_levels();
    assert!(levels.len() > 9, "{levels:?}");
    for level in levels {
        for option in ["-h", "--help"] {
            let text = page(&format!("{level} {option}")).text;
            let text = anstream::adapter::strip_str(&text).to_string();
            // clap does not wrap the usage line.
            for line in text.lines().filter(|line| !line.starts_with("Usage:")) {
                assert!(line.chars().count() <= 100, "{level} {option}: {line}");
            }
        }
    }
    let text = page("fedpkg-container-build --help").text;
    for (code, meaning) in ExitCode::TABLE {
        assert!(text.contains(&format!("{:>3}  {meaning}", *code as u8)), "{meaning}");
    }
}

#[test]
fn short_help_lines_are_short_imperative_and_without_full_stop() {
    fn check(command: &clap::Command) {
        for option in command.get_arguments() {
            let help = option.get_help().map(ToString::to_string).unwrap_or_default();
            let name = option.get_id();
            assert!(!help.is_empty() && help.len() <= 80, "{name}: {help:?}");
            assert!(!help.ends_with('.') && help.starts_with(|first: char| first.is_uppercase()), "{name}: {help:?}");
        }
        command.get_subcommands().for_each(check);
    }
    check(&cli::command(&identity("fedpkg-container-build")));
}

#[test]
fn the_definition_is_consistent() {
    for program in ["fedpkg-container-build", "fedpkg"] {
        cli::command(&identity(program)).debug_assert();
    }
}

/// Command lines that rpkg's own parser reads too: rpkg's options only, one fault at most.
const SHARED_LINES: &[&str] = &[
    "fedpkg container-build",
    "fedpkg -v -q --release f40 --name n --namespace ns --user u --password p --runas r --dry-run container-build --scratch",
    "fedpkg --path / -C /dev/null container-build --target t --nowait --background",
    "fedpkg container-build --isolated --build-release 1 --koji-parent-build a-1-1 --signing-intent s",
    "fedpkg container-build --skip-remote-rules-validation --skip-build",
    "fedpkg container-build --repo-url a b --repo-url c --repo-url=d",
    "fedpkg container-build --repo-url --scratch",
    "fedpkg container-build --repo-url",
    "fedpkg container-build --repo-url=",
    "fedpkg container-build --repo-url=a b",
    "fedpkg container-build --arches",
    "fedpkg container-build --arches a --arches --arches b c",
    "fedpkg container-build --arches= --scratch",
    "fedpkg container-build --arch x86_64",
    "fedpkg container-build --compose-id 1 2 --compose-id 3",
    "fedpkg container-build --compose-id -5 1_0 007 +3",
    "fedpkg container-build --compose-id 0x1",
    "fedpkg container-build --compose-id abc",
    "fedpkg container-build --compose-id=",
    "fedpkg container-build --compose-id",
    "fedpkg container-build --replace-dependency a:b:1 c:d:2 --replace-dependency=e:f:3:g",
    "fedpkg container-build --target -5",
    "fedpkg container-build --target -5.5",
    "fedpkg container-build --target -",
    "fedpkg container-build --target --scratch",
    "fedpkg container-build --target",
    "fedpkg container-build --target a --target b",
    "fedpkg container-build --target ''",
    "fedpkg container-build --target=a=b",
    "fedpkg container-build --scratch --scratch",
    "fedpkg container-build --scratch=1",
    "fedpkg container-build --t t --n --ba --build 1 --k p --i --sc --a x",
    "fedpkg container-build --si s --skip-r --skip-b --c 1 --rep a --rep",
    "fedpkg container-build --rep x",
    "fedpkg container-build --re=x",
    "fedpkg container-build --b",
    "fedpkg container-build --s",
    "fedpkg container-build --skip",
    "fedpkg container-build --",
    "fedpkg container-build -- --junk more",
    "fedpkg container-build --target -- x",
    "fedpkg container-build --repo-url a -- b",
    "fedpkg container-build --dist f40",
    "fedpkg container-build --frobnicate --scratch",
    "fedpkg container-build -x",
    "fedpkg container-build junk",
    "fedpkg container-build junk --scratch more",
    "fedpkg container-build --frob a b --scratch c",
    "fedpkg flatpak-build --target t --scratch --arches a",
    "fedpkg flatpak-build --compose-id 1",
    "fedpkg flatpak-build --replace-dependency a b",
    "fedpkg container-build-setup",
    "fedpkg container-build-setup --get-autorebuild",
    "fedpkg container-build-setup --get",
    "fedpkg container-build-setup --set-autorebuild false",
    "fedpkg container-build-setup --set-autorebuild True",
    "fedpkg container-build-setup --get-autorebuild --set-autorebuild true",
    "fedpkg container-build-setup --set-autorebuild true --get-autorebuild",
    "fedpkg --namespace ns container-build",
    "fedpkg --path /nonexistent container-build",
    "fedpkg --user",
    "fedpkg -C",
    "fedpkg -qv container-build",
    "fedpkg -vC /dev/null container-build",
    "fedpkg -C/dev/null container-build",
    "fedpkg --user=me container-build",
    "fedpkg --frob container-build",
];

/// Our reading of a line in the names and shapes of rpkg's: what both know, empty texts as none, lists flat.
fn in_rpkgs_shape(line: &str) -> Value {
    let cli = match invoke(line) {
        Ok(Invocation::Run(cli)) => *cli,
        Ok(other) => return json!({ "page": format!("{other:?}") }),
        Err(error) => return json!({ "error": error.to_string(), "exit": 2 }),
    };
    let globals = &cli.globals;
    let mut args = json!({
        "dry_run": globals.dry_run, "release": globals.release, "repo_name": globals.name,
        "repo_namespace": globals.namespace, "user": globals.user, "runas": globals.runas, "path": globals.path,
        "password": globals.password.as_ref().map(fedpkg_container_build::credentials::Secret::expose), "config": globals.config,
        "v": globals.verbose > 0, "debug": globals.debug, "q": globals.quiet,
    });
    let own = match &cli.command {
        Command::ContainerBuildSetup(setup) => json!({
            "get_autorebuild": setup.get_autorebuild,
            "set_autorebuild": setup.set_autorebuild.map(|switch| if switch == Switch::True { "true" } else { "false" }),
        }),
        Command::ContainerBuild(container) => {
            let mut own = in_rpkgs_names(&container.build);
            own["compose_ids"] = json!(container.compose_ids);
            own["replace_dependency"] = json!(container.dependency_replacements);
            own
        }
        command => in_rpkgs_names(command.build_args().unwrap()),
    };
    args.as_object_mut().unwrap().extend(own.as_object().unwrap().clone());
    json!({ "args": args })
}

fn in_rpkgs_names(build: &BuildArgs) -> Value {
    json!({
        "target": build.target, "nowait": build.nowait, "background": build.background,
        "build_release": build.build_release, "isolated": build.isolated, "koji_parent_build": build.koji_parent_build,
        "scratch": build.scratch, "arches": build.arches, "repo_url": build.repo_urls,
        "signing_intent": build.signing_intent, "skip_build": build.skip_build,
        "skip_remote_rules_validation": build.skip_remote_rules_validation,
    })
}

/// rpkg's reading with the differences that do not matter taken out.
fn flattened(mut reading: Value) -> Value {
    const LISTS: &[&str] = &["arches", "repo_url", "compose_ids", "replace_dependency"];
    const FLAGS: &[&str] = &["get_autorebuild"];
    for (name, value) in reading.get_mut("args").and_then(Value::as_object_mut).into_iter().flatten() {
        if LISTS.contains(&name.as_str()) {
            let lists = value.as_array().cloned().unwrap_or_default();
            *value = lists.iter().flat_map(|list| list.as_array().cloned().unwrap_or_default()).collect();
        } else if value == "" {
            *value = Value::Null;
        } else if value.is_null() && FLAGS.contains(&name.as_str()) {
            *value = json!(false);
        }
    }
    reading
}

#[test]
fn rpkgs_own_parser_reads_the_same() {
    let Some(python) = peers::python() else { return };
    let lines: Vec<Vec<String>> = SHARED_LINES
        .iter()
        .map(|line| words(line).into_iter().map(|word| word.into_string().unwrap()).collect())
        .collect();
    let parser = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/rpkg_parser.py");
    let mut child = std::process::Command::new(python)
        .arg(parser)
        .env("COLUMNS", "500")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    serde_json::to_writer(child.stdin.take().unwrap(), &lines).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let readings: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(readings.len(), SHARED_LINES.len());
    let differences: Vec<String> = SHARED_LINES
        .iter()
        .zip(readings)
        .filter_map(|(line, reading)| {
            let (ours, theirs) = (without_quotes(in_rpkgs_shape(line)), without_quotes(flattened(reading)));
            (ours != theirs).then(|| format!("{line}\n  ours   {ours}\n  theirs {theirs}"))
        })
        .collect();
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// Python puts the possible values of an option into quotes, and from 3.12 on does not.
fn without_quotes(mut reading: Value) -> Value {
    if let Some(Value::String(error)) = reading.get_mut("error") {
        error.retain(|character| character != '\'');
    }
    reading
}
