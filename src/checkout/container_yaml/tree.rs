//! A YAML document as a tree in which every value knows its line.
//!
//! The events are serde-saphyr's parser's; what scalars mean is PyYAML's ([`super::scalar`]). Anchors are followed without
//! copying, and every bound (nesting, size after following aliases) is kept while the tree grows, so that neither a bomb
//! of aliases nor a deep nest costs more than a plain file of that size.

use std::collections::HashMap;
use std::rc::Rc;

use serde_saphyr::granit_parser::{Event, Options, Parser, ScalarStyle, Tag};

use super::scalar::{self, Scalar};
use super::{Fault, MAX_DEPTH, MAX_VALUES, Problem};

/// A value.
#[derive(Debug, PartialEq)]
pub(super) struct Node {
    pub value: Value,
    /// A scalar as it is written, without quotes.
    pub text: String,
    /// The line it begins on, from 1.
    pub line: usize,
    /// How many values it is, aliases followed.
    weight: usize,
    /// How many values deep it is.
    depth: usize,
}

/// The kinds of values that the schema tells apart.
#[derive(Debug, PartialEq)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Int(i128),
    Float(f64),
    /// The text is the node's.
    Text,
    /// A value that no schema wants, by its name.
    Other(&'static str),
    List(Vec<Rc<Node>>),
    /// In PyYAML's order: what was merged, then what is written. Of equal keys the last one counts.
    Map(Vec<Entry>),
}

/// A key of a mapping, and its value.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    pub key: Rc<Node>,
    pub value: Rc<Node>,
}

/// A collection that is not at its end yet.
struct Open {
    line: usize,
    anchor: usize,
    /// Of a mapping: keys and values in turn.
    children: Vec<Rc<Node>>,
    is_map: bool,
}

/// What is known between two events.
#[derive(Default)]
struct Builder {
    open: Vec<Open>,
    anchors: HashMap<usize, Rc<Node>>,
    root: Option<Rc<Node>>,
    documents: usize,
    /// How many values there are so far, those behind aliases once more for each alias.
    values: usize,
    /// What is wrong and does not stop PyYAML.
    problems: Vec<Problem>,
}

/// Reads the one document of a file; `None` for a file without one. The problems are those that do not stop PyYAML.
pub(super) fn parse(text: &str) -> Result<(Option<Rc<Node>>, Vec<Problem>), Problem> {
    let mut options = Options::default();
    options.set_emit_comments(false);
    (options.flow_nesting_limit, options.block_nesting_limit) = (MAX_DEPTH, MAX_DEPTH);
    let mut builder = Builder::default();
    for event in Parser::new_from_str_with_options(text, options) {
        let (event, span) = event.map_err(|error| Problem {
            line: error.marker().line().max(1),
            fault: Fault::Syntax { reason: error.info().to_string() },
        })?;
        let line = span.start.line().max(1);
        builder.take(event, line).map_err(|fault| Problem { line, fault })?;
    }
    Ok((builder.root, builder.problems))
}

impl Builder {
    fn take(&mut self, event: Event, line: usize) -> Result<(), Fault> {
        match event {
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents > 1 {
                    return Err(Fault::ManyDocuments);
                }
            }
            Event::Alias(anchor) => {
                let node = Rc::clone(self.anchors.get(&anchor).ok_or(Fault::SelfReference)?);
                self.count(node.weight)?;
                return self.add(node);
            }
            Event::Scalar(text, style, anchor, tag) => {
                let value = scalar(&text, style, tag.as_deref(), self.expects_key())?;
                let line = self.line_of_scalar(&text, line);
                return self.finish(Node { value, text: text.into_owned(), line, weight: 1, depth: 0 }, anchor);
            }
            Event::SequenceStart(_, anchor, tag) => self.begin(line, anchor, tag.as_deref(), false)?,
            Event::MappingStart(_, anchor, tag) => self.begin(line, anchor, tag.as_deref(), true)?,
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some(open) = self.open.pop() {
                    let anchor = open.anchor;
                    let node = self.collection(open)?;
                    return self.finish(node, anchor);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn begin(&mut self, line: usize, anchor: usize, tag: Option<&Tag>, is_map: bool) -> Result<(), Fault> {
        let known = if is_map { "map" } else { "seq" };
        if let Some(tag) = tag.filter(|tag| tag.core_suffix() != Some(known) && tag.original() != "!") {
            return Err(Fault::UnknownTag { tag: tag.original() });
        }
        self.open.push(Open { line, anchor, children: Vec::new(), is_map });
        Ok(())
    }

    /// Whether the next node is the key of a mapping.
    fn expects_key(&self) -> bool {
        self.open.last().is_some_and(|open| open.is_map && open.children.len() % 2 == 0)
    }

    /// A value that is not there is where its key is, and not where the next token is.
    fn line_of_scalar(&self, text: &str, line: usize) -> usize {
        match self.open.last() {
            Some(Open { children, is_map: true, .. }) if text.is_empty() && children.len() % 2 == 1 => {
                children.last().map_or(line, |key| key.line)
            }
            _ => line,
        }
    }

    /// Counts before anything is made of the values, so that what is made is bounded too.
    fn count(&mut self, values: usize) -> Result<(), Fault> {
        self.values = self.values.saturating_add(values);
        if self.values > MAX_VALUES { Err(Fault::TooMany) } else { Ok(()) }
    }

    fn finish(&mut self, node: Node, anchor: usize) -> Result<(), Fault> {
        self.count(1)?;
        let node = Rc::new(node);
        if anchor > 0 {
            self.anchors.insert(anchor, Rc::clone(&node));
        }
        self.add(node)
    }

    fn add(&mut self, node: Rc<Node>) -> Result<(), Fault> {
        let unusable = matches!(node.value, Value::List(_) | Value::Map(_)) && self.expects_key();
        match self.open.last_mut() {
            Some(_) if unusable => return Err(Fault::CollectionAsKey),
            Some(open) => open.children.push(node),
            None => self.root = Some(node),
        }
        Ok(())
    }

    fn collection(&mut self, open: Open) -> Result<Node, Fault> {
        let weight = open.children.iter().fold(1_usize, |sum, child| sum.saturating_add(child.weight));
        let depth = 1 + open.children.iter().map(|child| child.depth).max().unwrap_or_default();
        if depth > MAX_DEPTH {
            return Err(Fault::TooDeep);
        }
        let value = if open.is_map { Value::Map(self.entries(open.children)?) } else { Value::List(open.children) };
        Ok(Node { value, text: String::new(), line: open.line, weight, depth })
    }

    /// The entries of a mapping, merged ones first (PyYAML's `flatten_mapping`).
    fn entries(&mut self, children: Vec<Rc<Node>>) -> Result<Vec<Entry>, Fault> {
        let (mut merged, mut written) = (Vec::new(), Vec::<Entry>::new());
        let mut seen = HashMap::new();
        let mut children = children.into_iter();
        while let (Some(key), Some(value)) = (children.next(), children.next()) {
            if key.value == Value::Other(MERGE) {
                merge(&value, &mut merged)?;
                continue;
            }
            if let Some(first) = seen.insert(key.text.clone(), key.line) {
                let fault = Fault::DuplicateKey { key: key.text.clone(), first };
                self.problems.push(Problem { line: key.line, fault });
            }
            written.push(Entry { key, value });
        }
        merged.append(&mut written);
        Ok(merged)
    }
}

/// The name of the merge key's kind.
const MERGE: &str = "the merge key";

/// Adds the entries of a mapping, or of each mapping in a list, of which the first one counts most.
fn merge(value: &Node, to: &mut Vec<Entry>) -> Result<(), Fault> {
    let mut add = |node: &Node| match &node.value {
        Value::Map(entries) => {
            to.extend(entries.iter().cloned());
            Ok(())
        }
        _ => Err(Fault::BadMerge),
    };
    match &value.value {
        Value::List(items) => items.iter().rev().try_for_each(|item| add(item)),
        _ => add(value),
    }
}

fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>, is_key: bool) -> Result<Value, Fault> {
    let resolved = match tag {
        None if style == ScalarStyle::Plain => scalar::resolve(text),
        None => Scalar::Text,
        Some(tag) => tagged(text, tag)?,
    };
    Ok(match resolved {
        Scalar::Null => Value::Null,
        Scalar::Bool(value) => Value::Bool(value),
        Scalar::Int(value) => Value::Int(value),
        Scalar::Float(value) => Value::Float(value),
        Scalar::Timestamp => Value::Other("a date"),
        Scalar::Merge if is_key => Value::Other(MERGE),
        Scalar::Default if is_key => Value::Text,
        Scalar::Merge | Scalar::Default => return Err(Fault::Syntax { reason: format!("`{text}` must be quoted") }),
        Scalar::Text => Value::Text,
    })
}

/// A scalar with a tag of YAML's core schema; PyYAML's safe loader refuses others.
fn tagged(text: &str, tag: &Tag) -> Result<Scalar, Fault> {
    let unknown = || Fault::UnknownTag { tag: tag.original() };
    let resolved = scalar::resolve(text);
    let fits = match tag.core_suffix() {
        Some("str") => return Ok(Scalar::Text),
        None if tag.original() == "!" => return Ok(Scalar::Text),
        Some("null") => return Ok(Scalar::Null),
        Some("binary" | "timestamp") => return Ok(Scalar::Timestamp),
        Some("bool") => matches!(resolved, Scalar::Bool(_)),
        Some("int") => matches!(resolved, Scalar::Int(_)),
        Some("float") => match resolved {
            Scalar::Int(value) => return Ok(Scalar::Float(value as f64)),
            resolved => matches!(resolved, Scalar::Float(_)),
        },
        _ => return Err(unknown()),
    };
    if fits { Ok(resolved) } else { Err(unknown()) }
}

impl Node {
    /// The value of a key of a mapping: of equal ones the last.
    pub(super) fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|entry| &*entry.value)
    }

    pub(super) fn entry(&self, key: &str) -> Option<&Entry> {
        let Value::Map(entries) = &self.value else { return None };
        entries.iter().rev().find(|entry| entry.key.is_text() && entry.key.text == key)
    }

    pub(super) fn is_text(&self) -> bool {
        self.value == Value::Text
    }

    /// The items of a list; none of what is no list.
    pub(super) fn items(&self) -> &[Rc<Node>] {
        match &self.value {
            Value::List(items) => items,
            _ => &[],
        }
    }

    /// The same as JSON, keys that are not text and what JSON does not have by their text.
    pub(super) fn to_json(&self) -> serde_json::Value {
        use serde_json::Value as Json;
        match &self.value {
            Value::Null => Json::Null,
            Value::Bool(value) => Json::Bool(*value),
            Value::Int(value) => i64::try_from(*value).map_or_else(|_| Json::from(self.text.as_str()), Json::from),
            Value::Float(value) => Json::from(*value),
            Value::Text | Value::Other(_) => Json::from(self.text.as_str()),
            Value::List(items) => items.iter().map(|item| item.to_json()).collect(),
            Value::Map(entries) => {
                let pair = |entry: &Entry| (entry.key.text.clone(), entry.value.to_json());
                Json::Object(entries.iter().map(pair).collect())
            }
        }
    }
}
