//! Build container images from a dist-git checkout: on Koji, on OpenShift, or on this machine.
//!
//! # The flow, one way
//!
//! ```text
//! argv ───────┐                                   ┌─ koji  ─ XML-RPC task on a hub
//! rpkg, koji, ├─▶ plan ─▶ BuildRequest ─▶ builder ┼─ osbs  ─ PipelineRun on OpenShift ─▶ events ─▶ report ─▶ exit code
//! osbs, local │   (pure)      │          (one     └─ local ─ the OSBS workflow here       (one    bars | plain | json
//! checkout ───┘               ▼        interface)                                        stream)
//!                           check ◀─ answers (asked by the builder, judged by request)
//! ```
//!
//! * [`request::plan`] is a pure function: the same command line, configuration and checkout give the same
//!   [`request::BuildRequest`], or the same problem. Everything before it only reads; everything after it only executes.
//! * [`request::check`] judges the request, the files of the checkout and *answers*: what tags, packages and names there are. The words of
//!   questions and answers are `request`'s; a builder fills the answers.
//! * A **builder** is behind one interface ([`builder`]): *ask · preview · submit · watch · cancel · state*. [`commands`] uses it and never
//!   asks which builder it has; a new builder is its own room, its part of `config` and `cli`, and one line in [`builders`].
//! * [`event`]s are facts with ids and bytes. Everything a person or a program is told is one, also notes, findings, a dry run and the
//!   error that ends it all. [`report`] is the one mouth: no other code writes to standard output or standard error.
//!
//! # Four rules that hold in every room
//!
//! 1. **The wish to stop counts from the first await** ([`builder::interrupt`]). Before a build exists a signal ends the program, and nothing
//!    is created afterwards. While the request that creates it is under way, it is waited for, briefly, and the truth is said. Afterwards
//!    a signal stops the watching; a build on this machine is cancelled. The thread that waits for signals does nothing else.
//! 2. **"Has it happened?"** ([`builder::Change`]). What changes something elsewhere ends as done, not done or not known. A lost or odd answer
//!    is followed by a look, never by a repetition that could do it twice. What was created is remembered before it is told, and told
//!    even where it cannot be remembered.
//! 3. **One fact, one exit code.** What kind of error a room's error is stands beside its type, once; what code a kind has, in [`exit_code`].
//! 4. **Everything has a bound**, and what takes longer than ten seconds says what it waits for.
//!
//! A build is named by **(builder, server, id)** everywhere: [`event::BuildId`].
//!
//! # The rooms
//!
//! | Room | What it is for |
//! | --- | --- |
//! | `main.rs` | process set-up: the program's name, signals, threads, exit code |
//! | [`cli`] | clap definitions, no logic; completion, man pages |
//! | [`plugin`] | which tool's name the program was called by, and handing over to the real one |
//! | [`commands`] | one file a sub-command: read, plan, use a builder, say; no word of koji, osbs or local |
//! | [`config`] | Python's ConfigParser dialect, the rpkg configuration, Koji profiles, osbs.conf, what is built in; every value with its origin |
//! | [`checkout`] | the dist-git checkout: git, remote, Dockerfile, container.yaml, and every other file that the build service reads |
//! | [`request`] | the build request, its plan, its checks, questions and answers, names and releases |
//! | [`gating`] | asking Greenwave about `gating.yaml` |
//! | [`builder`] | the interface, the interrupt, the choice of logs, "has it happened?" |
//! | [`builders`] | which builders there are, and which one a build goes to |
//! | [`koji`] | the hub: XML-RPC, sessions, typed calls, submitting once, watching, logs, uploads and imports |
//! | [`osbs`] | OSBS on OpenShift: logins, runs, watches |
//! | [`local`] | the OSBS workflow on this machine: [`local::steps`], [`local::registry`], [`local::image`], [`local::engine`] |
//! | [`fetch`] | files that git does not hold: lookaside, URLs; verified while they arrive, cached, resumed |
//! | [`event`] | what is told |
//! | [`report`] | the one mouth: bars, plain lines or JSON Lines out of events |
//! | [`submissions`] | what was submitted from here |
//! | [`environment`] | folders and names of the process's surroundings |
//! | [`credentials`] | secrets and where they are kept |
//! | [`address`] | addresses that never tell who uses them |
//! | [`http`] | the only place that makes an HTTP client |
//! | [`child`] | the only place that makes child processes |
//! | [`arch`], [`backoff`], [`digest`], [`mod@file`], [`lock`], [`log_lines`] | names of architectures, waits between attempts, SHA-256, files that somebody named, locks on files, bytes to lines: each once |
//! | [`blocking`], [`wait`] | work on files, git and hashes beside the thread that waits; waits that are said, and have an end |
//! | [`error`], [`exit_code`] | kinds, sources, hints; the whole table of exit codes |
//!
//! Arrows: `commands -> {cli, config, checkout, request, builder, builders, report, submissions}`, `builders -> {builder, koji, osbs, local}`,
//! `{koji, osbs, local} -> {builder, request, checkout, config, http, credentials}`, `{osbs, local} -> koji` (builds in Koji have names, releases and
//! imports), `local -> fetch`, `request -> checkout`; the ground floor is everybody's. There is no circle, of rooms or of modules within one:
//! `tests/arrows.rs` holds every path in the source against the list.
//!
//! # Decisions
//!
//! * The work is done on one thread (tokio `current_thread`), signals are waited for on another, and the reporter has a third, because a
//!   terminal may block. Files, git, GSSAPI and the keyring are asked where blocking is allowed.
//! * OpenSSL is the one TLS stack: the system's trust store and crypto-policies hold.
//! * XML-RPC is decoded here, on `quick-xml`: see [`koji::xmlrpc`] for what a client of many hubs has to accept and refuse.
//! * INI files are read here: see [`config::ini`] for what Python's dialect asks that INI libraries do not give.
//! * Dockerfiles are read here: see [`checkout::dockerfile`]; what counts is what Python's dockerfile-parse sees.
//! * buildah and skopeo do the image work, as child processes in process groups of their own, guarded by this program
//!   ([`local::engine`]); images are in a storage of ours, so that nothing of the user's is touched ([`local::engine::store`]).
//! * Tekton's objects are JSON of which a few fields are read ([`osbs::tekton`]): sites have versions of their own. A log is at its end
//!   only when a connection that was begun after its container had ended has ended ([`osbs::watch::logs`]).
//! * A build on this machine is not watched but done: a signal cancels it, and what it began is removed.
//! * The author's Dockerfile is never written to: what is built is the same text with byte ranges changed ([`local::steps::edits`]).
//! * What is not known is never made up: a fraction is shown only when both of its numbers were read, and a build whose
//!   submission got no answer is looked for, not submitted again.

#![cfg_attr(test, allow(clippy::pedantic, reason = "tests are held to the ordinary lints"))]

pub(crate) mod address;
pub(crate) mod arch;
pub mod backoff;
pub(crate) mod blocking;
pub mod builder;
pub(crate) mod builders;
pub mod checkout;
pub(crate) mod child;
pub mod cli;
pub mod commands;
pub mod config;
pub mod credentials;
pub(crate) mod digest;
pub mod environment;
pub mod error;
pub mod event;
pub mod exit_code;
pub mod fetch;
pub(crate) mod file;
pub(crate) mod gating;
pub mod http;
pub mod koji;
pub mod local;
pub(crate) mod lock;
pub mod log_lines;
pub mod osbs;
pub mod plugin;
pub mod report;
pub mod request;
pub mod submissions;
pub(crate) mod wait;
