//! A YAML document as a tree in which every value knows its line.
//!
//! Reading is bounded (size, nesting, aliases), because the file comes from a checkout that anybody may have written.

use std::fmt;
use std::ops::Range;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::options::{AliasLimits, DuplicateKeyPolicy, Options};
use serde_saphyr::{Span, Spanned};

/// A value and the line it begins on.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    pub(super) value: Yaml,
    pub(super) line: usize,
    /// The bytes of the file that spell it, where the reader knows them.
    span: Option<Range<usize>>,
}

/// The kinds of values that JSON Schema tells apart.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Yaml {
    Null,
    Bool(bool),
    Integer(i128),
    /// As it is spelt: `1.10` is not `1.1` to a person.
    Number(String),
    Text(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// One key of a map.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) line: usize,
    pub(super) value: Node,
}

/// Reads the one document of a file. Repeated keys are kept, in order.
pub(super) fn parse(text: &str) -> Result<Node, serde_saphyr::Error> {
    // Python's yaml makes null of a file without a document.
    if text.lines().all(|line| line.trim_start().starts_with('#') || line.trim().is_empty()) {
        return Ok(Node { value: Yaml::Null, line: 1, span: None });
    }
    let mut file: Node = serde_saphyr::from_str_with_options(text, limits())?;
    file.resolve_as_python(text);
    Ok(file)
}

fn limits() -> Options {
    let budget = serde_saphyr::budget! {
        max_events: 100_000,
        max_nodes: 50_000,
        max_depth: 32,
        max_aliases: 1_000,
        max_anchors: 1_000,
    };
    let aliases: AliasLimits = serde_saphyr::alias_limits! { max_total_replayed_events: 50_000 };
    serde_saphyr::options! {
        budget: budget,
        alias_limits: aliases,
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        legacy_octal_numbers: true,
        with_snippet: false,
    }
}

impl Node {
    /// Makes text of what only YAML 1.2 takes for a number: OSBS reads the file with Python's yaml, which is of 1.1.
    fn resolve_as_python(&mut self, file: &str) {
        let spelling = self.span.clone().and_then(|span| file.get(span)).map(str::trim);
        match (&mut self.value, spelling) {
            (Yaml::List(items), _) => items.iter_mut().for_each(|item| item.resolve_as_python(file)),
            (Yaml::Map(entries), _) => entries.iter_mut().for_each(|entry| entry.value.resolve_as_python(file)),
            (Yaml::Integer(_), Some(spelling)) if !is_python_integer(spelling) => {
                self.value = Yaml::Text(spelling.to_owned());
            }
            (Yaml::Number(_), Some(spelling)) if is_python_float(spelling) => {
                self.value = Yaml::Number(spelling.to_owned());
            }
            (Yaml::Number(_), Some(spelling)) => self.value = Yaml::Text(spelling.to_owned()),
            _ => {}
        }
    }

    /// The entry of a map that counts: the last one of that key.
    pub(super) fn get(&self, key: &str) -> Option<&Node> {
        let Yaml::Map(entries) = &self.value else { return None };
        entries.iter().rev().find(|entry| entry.key == key).map(|entry| &entry.value)
    }

    pub(super) fn text(&self) -> Option<&str> {
        match &self.value {
            Yaml::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The items of a list; a lone value is none.
    pub(super) fn items(&self) -> &[Node] {
        match &self.value {
            Yaml::List(items) => items,
            _ => &[],
        }
    }
}

impl fmt::Display for Yaml {
    /// Short, for messages: scalars as they are, collections by kind.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Yaml::Null => f.write_str("null"),
            Yaml::Bool(value) => write!(f, "{value}"),
            Yaml::Integer(value) => write!(f, "{value}"),
            Yaml::Number(spelling) => f.write_str(spelling),
            Yaml::Text(text) => write!(f, "{text:?}"),
            Yaml::List(_) => f.write_str("a list"),
            Yaml::Map(_) => f.write_str("a mapping"),
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Node, D::Error> {
        let spanned = Spanned::<Yaml>::deserialize(deserializer)?;
        let line = usize::try_from(spanned.referenced.line()).unwrap_or(usize::MAX).max(1);
        Ok(Node { line, span: bytes(spanned.defined.span()), value: spanned.value })
    }
}

fn bytes(span: Span) -> Option<Range<usize>> {
    let start = usize::try_from(span.byte_offset()?).ok()?;
    let length = usize::try_from(span.byte_len()?).ok()?;
    Some(start..start.checked_add(length)?)
}

/// Python's yaml takes `08` and `0o7` for text.
fn is_python_integer(spelling: &str) -> bool {
    let digits = spelling.trim_start_matches(['+', '-']);
    match digits.strip_prefix('0') {
        Some(rest) if rest.starts_with(['b', 'x']) => true,
        Some(rest) => rest.bytes().all(|byte| matches!(byte, b'0'..=b'7' | b'_')),
        None => true,
    }
}

/// Python's yaml takes a number without a point, or with an exponent without a sign, for text: `1e3` (which a commit hash
/// may look like), `1.0e3`.
fn is_python_float(spelling: &str) -> bool {
    let has_signed_exponent = |(_, exponent): (&str, &str)| exponent.starts_with(['+', '-']);
    spelling.contains('.') && spelling.split_once(['e', 'E']).is_none_or(has_signed_exponent)
}

impl<'de> Deserialize<'de> for Yaml {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Yaml, D::Error> {
        deserializer.deserialize_any(YamlVisitor)
    }
}

struct YamlVisitor;

impl<'de> Visitor<'de> for YamlVisitor {
    type Value = Yaml;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_unit<E>(self) -> Result<Yaml, E> {
        Ok(Yaml::Null)
    }

    fn visit_none<E>(self) -> Result<Yaml, E> {
        Ok(Yaml::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Yaml, D::Error> {
        Yaml::deserialize(deserializer)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Yaml, E> {
        Ok(Yaml::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Yaml, E> {
        Ok(Yaml::Integer(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Yaml, E> {
        Ok(Yaml::Integer(value.into()))
    }

    fn visit_i128<E>(self, value: i128) -> Result<Yaml, E> {
        Ok(Yaml::Integer(value))
    }

    fn visit_u128<E>(self, value: u128) -> Result<Yaml, E> {
        Ok(Yaml::Integer(i128::try_from(value).unwrap_or(i128::MAX)))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Yaml, E> {
        Ok(Yaml::Number(format!("{value:?}")))
    }

    fn visit_str<E>(self, text: &str) -> Result<Yaml, E> {
        Ok(Yaml::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Yaml, E> {
        Ok(Yaml::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Yaml, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Yaml::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Yaml, A::Error> {
        let mut map = Vec::new();
        while let Some((key, value)) = entries.next_entry::<Node, Node>()? {
            let name = match key.value {
                Yaml::Text(text) => text,
                other => other.to_string(),
            };
            map.push(Entry { key: name, line: key.line, value });
        }
        Ok(Yaml::Map(map))
    }
}
