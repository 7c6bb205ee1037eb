//! Where the program that makes the image reads a Dockerfile otherwise than the build service does.
//!
//! The service takes labels and parents from dockerfile-parse, and then has buildah or BuildKit build the file, which know
//! here-documents, pass over empty lines within an instruction and refuse what is no instruction. The crate
//! parse-dockerfile stands for them here, with here-documents taken out before, because it knows only those right behind
//! `RUN`. Told is only what bears on labels and parents, and what would not be built.

use std::collections::{BTreeMap, HashMap};

use parse_dockerfile::{Instruction as Parsed, Keyword};

use super::structure::Statement;
use super::words::{unknown_expansions, words};

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
    /// The engine expands a form of variables that the service does not know.
    Expansion {
        /// The form, as in `${NAME:-default}`.
        form: String,
    },
    /// The engine would refuse the file.
    Refused {
        /// What parse-dockerfile says.
        reason: String,
    },
}

/// Instructions that say something of labels or parents.
const TELLING: [&str; 4] = ["FROM", "ARG", "ENV", "LABEL"];
pub(super) const BYTE_ORDER_MARK: &str = "\u{feff}";

/// Compares the service's reading of a file with the engine's.
pub(super) fn divergences(content: &str, service: &[Statement]) -> Vec<Divergence> {
    let mut found = Vec::new();
    if content.starts_with(BYTE_ORDER_MARK) {
        found.push(Divergence { line: 1, kind: DivergenceKind::ByteOrderMark });
    }
    let engine = Engine::read(&masked(content, service).text);
    let read_until = engine.refusal.as_ref().map_or(usize::MAX, |refusal| refusal.line);
    let mut told = None;
    for instruction in service.iter().filter(|instruction| instruction.line < read_until) {
        let Some((&within, outer)) = engine.instructions.range(..=instruction.line).next_back() else { continue };
        if within == instruction.line || told == Some(within) {
            continue;
        }
        let keyword = instruction.keyword.to_uppercase();
        let kind = if is_telling(&keyword) {
            DivergenceKind::OnlyForService { keyword, within }
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
    // Without any FROM, the refusal would only say so again.
    found.extend(service.iter().filter(|instruction| engine.has(instruction)).flat_map(expansions));
    let has_stage = service.iter().any(|instruction| instruction.keyword.eq_ignore_ascii_case("FROM"));
    found.extend(engine.refusal.filter(|_| has_stage));
    found.sort_by_key(|divergence| divergence.line);
    found
}

/// Forms such as `${NAME:-default}`; in `ARG` neither expands anything in the name, and the service nothing at all.
fn expansions(statement: &Statement) -> Vec<Divergence> {
    let expands = ["FROM", "ENV", "LABEL"].iter().any(|keyword| statement.keyword.eq_ignore_ascii_case(keyword));
    let forms = if expands { unknown_expansions(&statement.value) } else { Vec::new() };
    let divergence = |(at, form): (usize, &str)| Divergence {
        line: statement.line_at(at),
        kind: DivergenceKind::Expansion { form: form.to_owned() },
    };
    forms.into_iter().map(divergence).collect()
}

fn is_telling(keyword: &str) -> bool {
    TELLING.contains(&keyword)
}

/// A file without its here-documents.
pub(super) struct Masked {
    /// The file with comments of the same length in place of here-documents, and blanks in place of their `<<`.
    pub text: String,
    /// The line of the first here-document, from 1.
    pub first: Option<usize>,
    /// The line of one that never ends, from 1.
    pub unfinished: Option<usize>,
}

/// Takes here-documents out.
pub(super) fn masked(content: &str, service: &[Statement]) -> Masked {
    let mut text = content.as_bytes().to_vec();
    let (mut first, mut unfinished) = (None, None);
    let mut lines = None;
    let mut read = 0;
    for statement in service.iter().filter(|statement| takes_here_documents(statement.keyword)) {
        if statement.span.start < read {
            // The line of a here-document.
            continue;
        }
        read = statement.span.end;
        for (start, document) in here_documents(statement) {
            first.get_or_insert(statement.line);
            let sign = statement.in_file(start..start + SIGN.len());
            let lines = lines.get_or_insert_with(|| Lines::of(content));
            let Some(end) = lines.end_of(&document, read).filter(|_| sign.len() == SIGN.len()) else {
                unfinished.get_or_insert(statement.line);
                break;
            };
            text[read..end].iter_mut().filter(|byte| **byte != b'\n').for_each(|byte| *byte = b'#');
            text[sign].fill(b' ');
            read = end;
        }
    }
    // Whole lines and ASCII characters were replaced, so that it is still UTF-8.
    Masked { text: String::from_utf8(text).unwrap_or_default(), first, unfinished }
}

const SIGN: &str = "<<";

fn takes_here_documents(keyword: &str) -> bool {
    ["RUN", "COPY", "ADD"].iter().any(|taking| keyword.eq_ignore_ascii_case(taking))
}

/// A here-document, by the line that ends it.
struct HereDocument {
    end: String,
    /// Whether tabs before the end are passed over.
    indented: bool,
}

/// The here-documents that begin in an instruction, each with where in the value its sign is (BuildKit's
/// `heredocsFromLine`: words of the form `[FD]<<[-]NAME`).
fn here_documents(statement: &Statement) -> Vec<(usize, HereDocument)> {
    let found = words(&statement.value).into_iter().filter_map(|(start, word)| {
        let digits = word.bytes().take_while(u8::is_ascii_digit).count();
        let rest = word.get(digits..)?.strip_prefix(SIGN)?;
        let (indented, name) = rest.strip_prefix('-').map_or((false, rest), |name| (true, name));
        let end: String = name.chars().filter(|character| !matches!(character, '"' | '\'')).collect();
        let is_name = !end.is_empty() && !end.contains('<');
        is_name.then_some((start + digits, HereDocument { end, indented }))
    });
    found.collect()
}

/// Where which lines are: for a line's text its places, each by its first byte and the one behind it.
struct Lines<'a> {
    whole: Places<'a>,
    /// The same without tabs before them.
    outdented: Places<'a>,
}

type Places<'a> = HashMap<&'a str, Vec<(usize, usize)>>;

impl<'a> Lines<'a> {
    fn of(content: &'a str) -> Lines<'a> {
        let mut lines = Lines { whole: HashMap::new(), outdented: HashMap::new() };
        let mut start = 0;
        for line in content.split_inclusive('\n') {
            let place = (start, start + line.len());
            start = place.1;
            let line = line.trim_end_matches(['\n', '\r']);
            lines.whole.entry(line).or_default().push(place);
            lines.outdented.entry(line.trim_start_matches('\t')).or_default().push(place);
        }
        lines
    }

    /// The byte behind the line that ends a here-document which begins at `from`.
    fn end_of(&self, document: &HereDocument, from: usize) -> Option<usize> {
        let lines = if document.indented { &self.outdented } else { &self.whole };
        let places = lines.get(document.end.as_str())?;
        places.get(places.partition_point(|&(start, _)| start < from)).map(|&(_, end)| end)
    }
}

/// The engine's reading, as far as it got.
struct Engine {
    /// Lines and names.
    instructions: BTreeMap<usize, String>,
    refusal: Option<Divergence>,
}

impl Engine {
    /// Whether an instruction of the service's is one here too.
    fn has(&self, instruction: &Statement) -> bool {
        self.instructions.contains_key(&instruction.line)
    }

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

/// That a file is empty has no line to tell.
fn refusal(error: &parse_dockerfile::Error) -> Option<Divergence> {
    let kind = DivergenceKind::Refused { reason: format!("{error:#}") };
    Some(Divergence { line: error.line(), kind }).filter(|divergence| divergence.line > 0)
}

pub(super) fn keyword<'a>(instruction: &'a Parsed) -> Option<&'a Keyword> {
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
            "FROM a\nRUN a $((1 << 2)) $((1<<2)) && cat <<< x\nCOPY <<a.txt b /\nunknown\na.txt\n",
            "FROM a\nRUN x \\\n\n y\n",
            "FROM a\r\nENV a=1 \\\r\n b=2\r\n",
        ] {
            assert_eq!(told(text), [], "{text:?}");
        }
    }

    #[test]
    fn differences_are_told_with_their_lines() {
        use DivergenceKind::{ByteOrderMark, Continued, Expansion, OnlyForEngine, OnlyForService, Refused};
        let only_for_service =
            |line, keyword: &str, within| (line, OnlyForService { keyword: keyword.to_owned(), within });
        let refused = |line, reason: &str| (line, Refused { reason: reason.to_owned() });
        let expansion = |line, form: &str| (line, Expansion { form: form.to_owned() });
        let cases = [
            ("FROM a\nRUN <<E\nfrom os import x\nlabel a=b\nE\n", vec![only_for_service(3, "FROM", 2)]),
            ("FROM a\nRUN py <<-'E' x\nfrom é\n\tE\nRUN y\n", vec![only_for_service(3, "FROM", 2)]),
            ("FROM a\nRUN a <<A <<B\nenv a=1\nA\nRUN <<C\nB\nENV C=1\n", vec![only_for_service(3, "ENV", 2)]),
            ("FROM a\nRUN x \\\n\nENV a=b\n", vec![only_for_service(4, "ENV", 2)]),
            ("FROM a\nLABEL a=1 \\\n\n b=2\n", vec![(4, Continued { keyword: "LABEL".to_owned(), within: 2 })]),
            (
                "FROM a:${V:-1}\nLABEL a=${b} c='${d:-e}' f=\\${g:-h} \\\n i=\"x${j:+k}${l\n",
                vec![expansion(1, "${V:-1}"), expansion(3, "${j:+k}")],
            ),
            ("FROM a\nLABEL a=1 \\\n", vec![(2, OnlyForEngine { keyword: "LABEL".to_owned() })]),
            ("\u{feff}FROM a\n", vec![(1, ByteOrderMark)]),
            ("FROM a\nLABLE a=1\n", vec![refused(2, "unknown instruction 'LABLE'")]),
            ("LABEL a=1\nFROM a\n", vec![refused(1, "expected FROM")]),
            ("RUN x\n", vec![]),
        ];
        for (text, expected) in cases {
            assert_eq!(told(text), expected, "{text:?}");
        }
    }
}
