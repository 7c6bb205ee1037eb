//! Where the program that makes the image reads a Dockerfile otherwise than the build service does.
//!
//! The service takes labels and parents from dockerfile-parse, and then has buildah or BuildKit build the file, which know
//! here-documents, pass over empty lines within an instruction and refuse what is no instruction. The crate
//! parse-dockerfile stands for them here. Told is only what bears on labels and parents, and what would not be built.

use std::collections::BTreeMap;

use parse_dockerfile::{Instruction as Parsed, Keyword};

use super::Instruction;

/// A place where the two readings differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Divergence {
    /// The line, from 1.
    pub line: usize,
    /// How they differ.
    pub kind: DivergenceKind,
}

/// How two readings differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DivergenceKind {
    /// A byte order mark, which is a part of the first instruction's name for the service.
    ByteOrderMark,
    /// An instruction for the service only; for the engine it belongs to another one, such as a here-document's.
    OnlyForService {
        /// The instruction's name.
        keyword: String,
        /// The line of the engine's instruction.
        within: usize,
    },
    /// An instruction for the engine only: the service stopped reading it at an empty line, or never saw its end.
    OnlyForEngine {
        /// The instruction's name.
        keyword: String,
    },
    /// The engine goes on where the service has ended the instruction.
    Continued {
        /// The name of the instruction.
        keyword: String,
        /// Its line.
        within: usize,
    },
    /// The engine would refuse the file.
    Refused {
        /// What parse-dockerfile says.
        reason: String,
    },
}

/// Instructions that say something of labels or parents.
const TELLING: [&str; 4] = ["FROM", "ARG", "ENV", "LABEL"];
const BYTE_ORDER_MARK: &str = "\u{feff}";

/// Compares the service's reading of a file with the engine's.
pub(super) fn divergences(content: &str, service: &[Instruction]) -> Vec<Divergence> {
    let mut found = Vec::new();
    if content.starts_with(BYTE_ORDER_MARK) {
        found.push(Divergence { line: 1, kind: DivergenceKind::ByteOrderMark });
    }
    let engine = Engine::read(content);
    let read_until = engine.refusal.as_ref().map_or(usize::MAX, |refusal| refusal.line);
    let mut told = None;
    for instruction in service.iter().filter(|instruction| instruction.line < read_until) {
        let Some((&within, outer)) = engine.instructions.range(..=instruction.line).next_back() else { continue };
        if within == instruction.line || told == Some(within) {
            continue;
        }
        let keyword = || instruction.keyword.clone();
        let kind = if is_telling(&instruction.keyword) {
            DivergenceKind::OnlyForService { keyword: keyword(), within }
        } else if is_telling(outer) {
            DivergenceKind::Continued { keyword: outer.clone(), within }
        } else {
            continue;
        };
        told = Some(within);
        found.push(Divergence { line: instruction.line, kind });
    }
    let seen = |line: &usize| service.binary_search_by_key(line, |instruction| instruction.line).is_ok();
    let unseen = engine.instructions.iter().filter(|(line, keyword)| is_telling(keyword) && !seen(line));
    found.extend(
        unseen.map(|(&line, keyword)| Divergence {
            line,
            kind: DivergenceKind::OnlyForEngine { keyword: keyword.clone() },
        }),
    );
    found.extend(engine.refusal);
    found.sort_by_key(|divergence| divergence.line);
    found
}

fn is_telling(keyword: &str) -> bool {
    TELLING.contains(&keyword)
}

/// The engine's reading, as far as it got.
struct Engine {
    /// Lines and names.
    instructions: BTreeMap<usize, String>,
    refusal: Option<Divergence>,
}

impl Engine {
    fn read(content: &str) -> Engine {
        let mut engine = Engine { instructions: BTreeMap::new(), refusal: None };
        // Its spans begin behind the mark.
        let text = content.strip_prefix(BYTE_ORDER_MARK).unwrap_or(content);
        let parsed = match parse_dockerfile::parse_iter(text) {
            Ok(parsed) => parsed,
            Err(error) => return Engine { refusal: refusal(&error), ..engine },
        };
        let (mut line, mut counted) = (1, 0);
        for instruction in parsed {
            match instruction.as_ref().map(keyword) {
                Ok(Some(Keyword { span, .. })) => {
                    line += text.get(counted..span.start).unwrap_or_default().matches('\n').count();
                    counted = span.start;
                    let name = text.get(span.clone()).unwrap_or_default().to_ascii_uppercase();
                    engine.instructions.insert(line, name);
                }
                Ok(None) => {}
                Err(error) => engine.refusal = refusal(error),
            }
        }
        engine
    }
}

/// A file without a `FROM` has no line to tell, and the service refuses it anyway.
fn refusal(error: &parse_dockerfile::Error) -> Option<Divergence> {
    let kind = DivergenceKind::Refused { reason: format!("{error:#}") };
    Some(Divergence { line: error.line(), kind }).filter(|divergence| divergence.line > 0)
}

fn keyword<'a>(instruction: &'a Parsed) -> Option<&'a Keyword> {
    Some(match instruction {
        Parsed::Add(add) => &add.add,
        Parsed::Arg(arg) => &arg.arg,
        Parsed::Cmd(cmd) => &cmd.cmd,
        Parsed::Copy(copy) => &copy.copy,
        Parsed::Entrypoint(entrypoint) => &entrypoint.entrypoint,
        Parsed::Env(env) => &env.env,
        Parsed::Expose(expose) => &expose.expose,
        Parsed::From(from) => &from.from,
        Parsed::Healthcheck(healthcheck) => &healthcheck.healthcheck,
        Parsed::Label(label) => &label.label,
        Parsed::Maintainer(maintainer) => &maintainer.maintainer,
        Parsed::Onbuild(onbuild) => &onbuild.onbuild,
        Parsed::Run(run) => &run.run,
        Parsed::Shell(shell) => &shell.shell,
        Parsed::Stopsignal(stopsignal) => &stopsignal.stopsignal,
        Parsed::User(user) => &user.user,
        Parsed::Volume(volume) => &volume.volume,
        Parsed::Workdir(workdir) => &workdir.workdir,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

    use super::*;
    use crate::checkout::dockerfile::Dockerfile;

    fn told(text: &str) -> Vec<(usize, DivergenceKind)> {
        let read = Dockerfile::parse(text.as_bytes(), std::path::Path::new("D")).unwrap();
        read.divergences.into_iter().map(|divergence| (divergence.line, divergence.kind)).collect()
    }

    #[test]
    fn plain_files_are_read_alike() {
        for text in [
            "FROM a\nLABEL a=1 \\\n  b=2\nRUN x \\\n # c\n  y\n",
            "# escape=`\nARG a\nFROM a `\n AS b\n",
            "FROM a\nRUN <<E\necho\nE\nCMD [\"a\"]\n",
            "FROM a\nRUN x \\\n\n y\n",
            "FROM a\r\nENV a=1 \\\r\n b=2\r\n",
        ] {
            assert_eq!(told(text), [], "{text:?}");
        }
    }

    #[test]
    fn differences_are_told_with_their_lines() {
        use DivergenceKind::{ByteOrderMark, Continued, OnlyForEngine, OnlyForService, Refused};
        let only_for_service =
            |line, keyword: &str, within| (line, OnlyForService { keyword: keyword.to_owned(), within });
        let refused = |line, reason: &str| (line, Refused { reason: reason.to_owned() });
        let cases = [
            ("FROM a\nRUN <<E\nfrom os import x\nlabel a=b\nE\n", vec![only_for_service(3, "FROM", 2)]),
            ("FROM a\nRUN x \\\n\nENV a=b\n", vec![only_for_service(4, "ENV", 2)]),
            ("FROM a\nLABEL a=1 \\\n\n b=2\n", vec![(4, Continued { keyword: "LABEL".to_owned(), within: 2 })]),
            ("FROM a\nLABEL a=1 \\\n", vec![(2, OnlyForEngine { keyword: "LABEL".to_owned() })]),
            ("\u{feff}FROM a\n", vec![(1, ByteOrderMark)]),
            ("FROM a\nLABLE a=1\n", vec![refused(2, "unknown instruction 'LABLE'")]),
            ("LABEL a=1\nFROM a\n", vec![refused(1, "expected FROM")]),
            ("RUN x\n", vec![refused(1, "expected FROM")]),
        ];
        for (text, expected) in cases {
            assert_eq!(told(text), expected, "{text:?}");
        }
    }
}
