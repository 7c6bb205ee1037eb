//! Build container images from a dist-git checkout: on Koji, on OpenShift, or on this machine.
//!
//! # The flow, one way
//!
//! ```text
//! argv ───────┐
//! rpkg, koji, │                        ┌─ koji  ─ XML-RPC task on a hub ────────┐
//! osbs, local ├─▶ plan ─▶ BuildRequest ┼─ osbs  ─ PipelineRun on OpenShift ─────┼─▶ BuildEvents ─▶ report ─▶ exit code
//! config      │   (pure)      │        └─ local ─ the OSBS workflow on buildah ─┘   (channel)      bars | plain | json
//! checkout ───┘               └─▶ check (what the builder would refuse, asked before it is submitted)
//! ```
//!
//! * [`request::plan`] is a pure function: the same command line, configuration and checkout give the same
//!   [`request::BuildRequest`], or the same problem. Everything before it only reads; everything after it only executes.
//! * A **builder** ([`builder`]) turns a request into events and knows nothing of terminals.
//! * [`event`]s are facts in the past tense with ids and bytes, never sentences. [`report`] is the only code that writes to
//!   a terminal or to stdout, and the only place with words for people (besides errors and their hints).
//!
//! # The rooms
//!
//! | Room | What it is for |
//! | --- | --- |
//! | `main.rs` | process set-up: the program's name, signals, runtime, exit code |
//! | [`cli`] | clap definitions, no logic; completion, man pages |
//! | [`plugin`] | which tool's name the program was called by, and handing over to the real one |
//! | [`commands`] | one file a sub-command: reads, plans, executes, in that order |
//! | [`config`] | Python's ConfigParser dialect, the rpkg configuration, Koji profiles, osbs.conf; every value with its origin |
//! | [`checkout`] | the dist-git checkout: git, remote, Dockerfile, container.yaml |
//! | [`request`] | the build request, its plan, its checks, names and releases |
//! | [`gating`] | asking Greenwave about `gating.yaml` |
//! | [`builder`] | what builders share: the user's wish to stop |
//! | [`koji`] | the hub: XML-RPC, sessions, typed calls, submitting once, watching, logs, uploads and imports |
//! | [`osbs`] | OSBS on OpenShift: the API server, logins, PipelineRuns, watches, logs of containers, results |
//! | [`local`] | the OSBS workflow on this machine: [`local::steps`], [`local::registry`], [`local::image`], [`local::engine`] |
//! | [`fetch`] | files that git does not hold: lookaside, URLs; verified while they arrive, cached, resumed |
//! | [`event`], [`log_lines`] | what builders tell, and bytes to lines |
//! | [`report`] | bars, plain lines or JSON Lines out of events; everything else that is printed |
//! | [`submissions`] | what was submitted from here and not yet seen to its end |
//! | [`credentials`] | secrets and where they are kept |
//! | [`address`] | addresses that never tell who uses them |
//! | [`http`] | the only place that makes an HTTP client |
//! | [`child`] | the only place that makes child processes |
//! | [`arch`], [`backoff`], [`digest`] | names of architectures, waits between attempts, SHA-256: each once |
//! | [`error`], [`exit_code`] | kinds, sources, hints; the whole table of exit codes |
//!
//! Arrows: `commands -> {cli, config, checkout, request, koji, osbs, local, report, submissions}`, `request -> {checkout, koji}` (a
//! check asks the hub's questions), `koji -> {http, credentials, request}`, `osbs -> {config, credentials, http, request}`, `local -> {checkout, config, http, koji, request}`
//! (releases and imports are the hub's affair); `error`, `event` and `exit_code` are leaves that
//! everyone may use; `report` depends on `event` and `log_lines` alone; nothing but `main` calls `commands`. A test holds
//! every `use crate::` against the list of arrows.
//!
//! # Decisions
//!
//! * One thread does the waiting (tokio `current_thread`); the reporter has a thread of its own, because a terminal may
//!   block. GSSAPI and the keyring are asked where blocking is allowed.
//! * OpenSSL is the one TLS stack: the system's trust store and crypto-policies hold.
//! * XML-RPC is decoded here, on `quick-xml`: see [`koji::xmlrpc`] for what a client of many hubs has to accept and refuse.
//! * INI files are read here: see [`config::ini`] for what Python's dialect asks that INI libraries do not give.
//! * Dockerfiles are read here: see [`checkout::dockerfile`]; what counts is what Python's dockerfile-parse sees.
//! * buildah and skopeo do the image work, as child processes in process groups of their own, guarded by this program
//!   ([`local::engine`]); images are in a storage of ours, so that nothing of the user's is touched ([`local::engine::store`]).
//! * Tekton's objects are JSON of which a few fields are read ([`osbs::tekton`]): sites have versions of their own. A log is at its end
//!   only when a connection that was begun after its container had ended has ended ([`osbs::watch::logs`]).
//! * A build on this machine is not watched but done: Ctrl-C cancels it, and what it began is removed.
//! * The author's Dockerfile is never written to: what is built is the same text with byte ranges changed ([`local::steps::edits`]).
//! * What is not known is never made up: a fraction is shown only when both of its numbers were read, and a build whose
//!   submission got no answer is looked for, not submitted again.

pub mod address;
pub mod arch;
pub mod backoff;
pub mod builder;
pub mod builders;
pub mod checkout;
pub mod child;
pub mod cli;
pub mod commands;
pub mod config;
pub mod credentials;
pub mod digest;
pub mod environment;
pub mod error;
pub mod event;
pub mod exit_code;
pub mod fetch;
pub mod gating;
pub mod http;
pub mod koji;
pub mod local;
pub mod log_lines;
pub mod osbs;
pub mod plugin;
pub mod report;
pub mod request;
pub mod submissions;
