//! A YAML document as a tree in which every value knows its line.
//!
//! The events are those of serde-saphyr's parser; what scalars mean is PyYAML's ([`super::scalar`]), because OSBS reads the
//! file with that. Values behind aliases are shared, and every bound (nesting, number of values with those behind aliases
//! counted again) is kept while the tree grows, because the file comes from a checkout that anybody may have written.
//!
//! Different from PyYAML on purpose: a value that holds itself is refused. Not followed: a scalar that has the form of a
//! number or of a date counts as one even if Python cannot convert it, such as the date 2026-13-32.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::rc::Rc;

use serde_saphyr::granit_parser::{Event, Options, Parser, ScalarStyle, Tag};

use super::scalar::{self, Scalar};

/// How many values a file may have, those behind aliases counted at each alias.
const MOST_VALUES: usize = 20_000;
/// How deep values may be in each other.
const DEEPEST: usize = 64;

/// A value and the line it begins on.
#[derive(Debug, PartialEq)]
pub(crate) struct Node {
    pub(crate) value: Yaml,
    pub(crate) line: usize,
    /// How many values it is, aliases followed.
    values: usize,
    /// How deep it is.
    depth: usize,
}

/// The kinds of values that JSON Schema tells apart, scalars with their spelling: `1.10` is not `1.1` to a person.
#[derive(Debug, PartialEq)]
pub(crate) enum Yaml {
    Null,
    Bool(String),
    Integer(i128, String),
    Number(String),
    /// A date or binary data, which JSON does not have.
    Foreign(String),
    Text(String),
    List(Vec<Rc<Node>>),
    Map(Vec<Entry>),
}

/// One key of a map.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    /// As it is spelt.
    pub(crate) key: String,
    pub(crate) line: usize,
    pub(crate) value: Rc<Node>,
}

/// Why a file cannot be read, and where.
#[derive(Debug, PartialEq)]
pub(crate) struct Unreadable {
    pub(crate) line: usize,
    pub(crate) reason: String,
}

/// Reads the one document of a file; null for a file without one. Repeated keys are kept, in order.
pub(crate) fn parse(text: &str) -> Result<Rc<Node>, Unreadable> {
    let mut options = Options::default();
    options.set_emit_comments(false);
    (options.flow_nesting_limit, options.block_nesting_limit) = (DEEPEST, DEEPEST);
    let mut builder = Builder::default();
    for event in Parser::new_from_str_with_options(text, options) {
        let (event, span) =
            event.map_err(|error| Unreadable { line: error.marker().line().max(1), reason: error.info() })?;
        let line = span.start.line().max(1);
        builder.take(event, line).map_err(|problem| Unreadable { line, reason: problem.to_string() })?;
    }
    Ok(builder.root.unwrap_or_else(|| Rc::new(Node { value: Yaml::Null, line: 1, values: 1, depth: 0 })))
}

/// Why events make no tree.
#[derive(Debug, thiserror::Error)]
enum Problem {
    #[error("a second document begins here; there may be one")]
    SecondDocument,
    #[error("there are more than {MOST_VALUES} values, those behind aliases counted at each alias")]
    TooMany,
    #[error("values are nested more than {DEEPEST} deep")]
    TooDeep,
    #[error("this alias stands within the value that it names")]
    HoldsItself,
    #[error("a list or a mapping cannot be a key")]
    CollectionAsKey,
    #[error("`<<` takes a mapping, or a list of mappings")]
    BadMerge,
    #[error("{spelling:?} means something to YAML; put it in quotes")]
    NeedsQuotes { spelling: String },
    #[error("the tag {tag} is not known here, or does not suit the value")]
    UnknownTag { tag: String },
}

/// A collection that is not at its end yet.
struct Open {
    line: usize,
    anchor: usize,
    kind: Kind,
    values: usize,
    depth: usize,
}

enum Kind {
    List(Vec<Rc<Node>>),
    Map {
        /// Merged entries, of which a later one of the same key counts more.
        merged: Vec<Entry>,
        entries: Vec<Entry>,
        /// The key whose value comes next.
        key: Option<Key>,
    },
}

struct Key {
    spelling: String,
    line: usize,
    is_merge: bool,
}

/// What is known between two events.
#[derive(Default)]
struct Builder {
    open: Vec<Open>,
    anchors: HashMap<usize, Rc<Node>>,
    root: Option<Rc<Node>>,
    documents: usize,
    values: usize,
}

impl Builder {
    fn take(&mut self, event: Event, line: usize) -> Result<(), Problem> {
        match event {
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents > 1 { Err(Problem::SecondDocument) } else { Ok(()) }
            }
            Event::Alias(anchor) => {
                let node = Rc::clone(self.anchors.get(&anchor).ok_or(Problem::HoldsItself)?);
                self.count(node.values)?;
                self.add(node, false)
            }
            Event::Scalar(text, style, anchor, tag) => {
                self.count(1)?;
                let scalar = meaning(&text, style, tag.as_deref())?;
                let is_merge = scalar == Scalar::Merge;
                let value = self.scalar(scalar, text.into_owned())?;
                let line = self.line_of(&value, line);
                self.finish(Node { value, line, values: 1, depth: 0 }, anchor, is_merge)
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.begin(line, anchor, Kind::List(Vec::new()), tag.as_deref(), "seq")
            }
            Event::MappingStart(_, anchor, tag) => {
                let kind = Kind::Map { merged: Vec::new(), entries: Vec::new(), key: None };
                self.begin(line, anchor, kind, tag.as_deref(), "map")
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(),
            _ => Ok(()),
        }
    }

    /// Counts before anything is made of the values, so that what is made is bounded too.
    fn count(&mut self, values: usize) -> Result<(), Problem> {
        self.values = self.values.saturating_add(values);
        if self.values > MOST_VALUES { Err(Problem::TooMany) } else { Ok(()) }
    }

    fn begin(&mut self, line: usize, anchor: usize, kind: Kind, tag: Option<&Tag>, usual: &str) -> Result<(), Problem> {
        self.count(1)?;
        if let Some(tag) = tag.filter(|tag| tag.core_suffix() != Some(usual) && tag.original() != "!") {
            return Err(Problem::UnknownTag { tag: tag.original() });
        }
        self.open.push(Open { line, anchor, kind, values: 1, depth: 1 });
        Ok(())
    }

    fn end(&mut self) -> Result<(), Problem> {
        let Some(Open { line, anchor, kind, values, depth }) = self.open.pop() else { return Ok(()) };
        let value = match kind {
            Kind::List(items) => Yaml::List(items),
            Kind::Map { merged, entries, .. } => Yaml::Map(with_merged(merged, entries)),
        };
        self.finish(Node { value, line, values, depth }, anchor, false)
    }

    fn finish(&mut self, node: Node, anchor: usize, is_merge: bool) -> Result<(), Problem> {
        let node = Rc::new(node);
        if anchor > 0 {
            self.anchors.insert(anchor, Rc::clone(&node));
        }
        self.add(node, is_merge)
    }

    /// Puts a value where it belongs: into the collection that is open, as a key or as the value of the key before it.
    fn add(&mut self, node: Rc<Node>, is_merge: bool) -> Result<(), Problem> {
        let Some(open) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        open.values = open.values.saturating_add(node.values);
        open.depth = open.depth.max(node.depth + 1);
        if open.depth > DEEPEST {
            return Err(Problem::TooDeep);
        }
        match &mut open.kind {
            Kind::List(items) => items.push(node),
            Kind::Map { merged, entries, key } => match key.take() {
                None => *key = Some(Key::of(&node, is_merge)?),
                Some(Key { is_merge: true, .. }) => merge(&node, merged)?,
                Some(Key { spelling, line, .. }) => entries.push(Entry { key: spelling, line, value: node }),
            },
        }
        Ok(())
    }

    fn scalar(&self, scalar: Scalar, spelling: String) -> Result<Yaml, Problem> {
        let is_key = matches!(self.open.last(), Some(Open { kind: Kind::Map { key: None, .. }, .. }));
        Ok(match scalar {
            Scalar::Null if is_key => Yaml::Foreign(spelling),
            Scalar::Null => Yaml::Null,
            Scalar::Bool => Yaml::Bool(spelling),
            Scalar::Int(value) => Yaml::Integer(value, spelling),
            Scalar::Float => Yaml::Number(spelling),
            Scalar::Timestamp => Yaml::Foreign(spelling),
            Scalar::Merge | Scalar::Default if !is_key => return Err(Problem::NeedsQuotes { spelling }),
            Scalar::Text | Scalar::Merge | Scalar::Default => Yaml::Text(spelling),
        })
    }

    /// A value that is not there is where its key is, and not where the next token is.
    fn line_of(&self, value: &Yaml, line: usize) -> usize {
        match self.open.last() {
            Some(Open { kind: Kind::Map { key: Some(key), .. }, .. }) if *value == Yaml::Null => key.line,
            _ => line,
        }
    }
}

impl Key {
    fn of(node: &Node, is_merge: bool) -> Result<Key, Problem> {
        let spelling = match &node.value {
            Yaml::List(_) | Yaml::Map(_) => return Err(Problem::CollectionAsKey),
            Yaml::Text(text) => text.clone(),
            scalar => scalar.to_string(),
        };
        Ok(Key { spelling, line: node.line, is_merge })
    }
}

/// Adds the entries of a mapping, or of each mapping in a list, of which the first one counts most (PyYAML's
/// `flatten_mapping`).
fn merge(value: &Node, to: &mut Vec<Entry>) -> Result<(), Problem> {
    let mut add = |node: &Node| match &node.value {
        Yaml::Map(entries) => {
            to.extend(entries.iter().cloned());
            Ok(())
        }
        _ => Err(Problem::BadMerge),
    };
    match &value.value {
        Yaml::List(items) => items.iter().rev().try_for_each(|item| add(item)),
        _ => add(value),
    }
}

/// What is written hides what is merged, and of merged entries the last one of a key counts.
fn with_merged(merged: Vec<Entry>, entries: Vec<Entry>) -> Vec<Entry> {
    if merged.is_empty() {
        return entries;
    }
    let mut seen: HashSet<String> = entries.iter().map(|entry| entry.key.clone()).collect();
    let mut all: Vec<Entry> = merged.into_iter().rev().filter(|entry| seen.insert(entry.key.clone())).collect();
    all.reverse();
    all.extend(entries);
    all
}

fn meaning(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Result<Scalar, Problem> {
    let Some(tag) = tag else {
        return Ok(if style == ScalarStyle::Plain { scalar::resolve(text) } else { Scalar::Text });
    };
    let resolved = scalar::resolve(text);
    match (tag.core_suffix(), resolved) {
        (Some("str"), _) => Ok(Scalar::Text),
        (None, _) if tag.original() == "!" => Ok(Scalar::Text),
        (Some("null"), _) => Ok(Scalar::Null),
        (Some("binary" | "timestamp"), _) => Ok(Scalar::Timestamp),
        (Some("float"), Scalar::Int(_)) => Ok(Scalar::Float),
        (Some("bool"), Scalar::Bool) | (Some("int"), Scalar::Int(_)) | (Some("float"), Scalar::Float) => Ok(resolved),
        _ => Err(Problem::UnknownTag { tag: tag.original() }),
    }
}

impl Node {
    /// The entry of a map that counts: the last one of that key.
    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        let Yaml::Map(entries) = &self.value else { return None };
        entries.iter().rev().find(|entry| entry.key == key).map(|entry| &*entry.value)
    }

    pub(crate) fn text(&self) -> Option<&str> {
        match &self.value {
            Yaml::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The items of a list; a lone value is none.
    pub(crate) fn items(&self) -> impl Iterator<Item = &Node> {
        let items = match &self.value {
            Yaml::List(items) => items.as_slice(),
            _ => &[],
        };
        items.iter().map(|item| &**item)
    }
}

impl fmt::Display for Yaml {
    /// Short, for messages: scalars as they are spelt, collections by kind.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Yaml::Null => f.write_str("null"),
            Yaml::Text(text) => write!(f, "{text:?}"),
            Yaml::Bool(spelling) | Yaml::Integer(_, spelling) | Yaml::Number(spelling) | Yaml::Foreign(spelling) => {
                f.write_str(spelling)
            }
            Yaml::List(_) => f.write_str("a list"),
            Yaml::Map(_) => f.write_str("a mapping"),
        }
    }
}
