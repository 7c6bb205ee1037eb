//! Holds a tree against the schema.

use super::schema::{ALTERNATIVES, FILE, Key, Presence, Shape};
use super::tree::{Entry, Node, Value};
use super::{Fault, Problem};
use crate::config::nearest::nearest;

/// Everything that is wrong with a file, in the order in which it was found.
pub(super) fn validate(file: &Node) -> Vec<Problem> {
    let mut problems = Problems(Vec::new());
    problems.check(file, &FILE, "");
    problems.alternatives(file);
    problems.0
}

struct Problems(Vec<Problem>);

impl Problems {
    fn check(&mut self, node: &Node, shape: &'static Shape, path: &str) {
        match (shape, &node.value) {
            (Shape::Nullable(_), Value::Null) => {}
            (Shape::Nullable(shape), _) => self.check(node, shape, path),
            (Shape::Bool, Value::Bool(_)) | (Shape::Text, Value::Text) => {}
            (Shape::ListOrBool(_), Value::Bool(_)) => {}
            (Shape::OneOrList(item), Value::List(_)) | (Shape::ListOrBool(item), Value::List(_)) => {
                self.check_list(node, 0, item, path);
            }
            (Shape::OneOrList(item), value) if kind_fits(item, value) => self.check(node, item, path),
            (Shape::List(least, item), Value::List(_)) => self.check_list(node, *least, item, path),
            (Shape::Keys(keys), Value::Map(entries)) => self.check_keys(node, entries, keys, path),
            (Shape::OwnKeys(applies, item), Value::Map(entries)) => self.check_own_keys(entries, *applies, item, path),
            (shape, value) if !kind_fits(shape, value) => self.wrong(node, shape, path, Fault::wrong_kind),
            (shape, _) if !value_fits(shape, node) => self.wrong(node, shape, path, Fault::wrong_value),
            _ => {}
        }
    }

    fn check_list(&mut self, node: &Node, least: usize, item: &'static Shape, path: &str) {
        if node.items().len() < least {
            self.add(node.line, Fault::wrong_value(path, node, "a list that is not empty".to_owned()));
        }
        for (at, node) in node.items().iter().enumerate() {
            self.check(node, item, &format!("{path}[{at}]"));
        }
    }

    fn check_keys(&mut self, node: &Node, entries: &[Entry], keys: &'static [Key], path: &str) {
        for entry in entries {
            let known = keys.iter().find(|key| entry.key.is_text() && key.name == entry.key.text);
            let key_path = join(path, &entry.key.text);
            let Some(known) = known else {
                let suggestion = nearest(&entry.key.text, keys.iter().map(|key| key.name));
                self.add(entry.key.line, Fault::UnknownKey { key: key_path, suggestion });
                continue;
            };
            if let Presence::Deprecated(why) = known.presence {
                self.add(entry.key.line, Fault::Deprecated { key: key_path.clone(), why });
            }
            self.check(&entry.value, &known.shape, &key_path);
        }
        for key in keys.iter().filter(|key| key.presence == Presence::Required && node.get(key.name).is_none()) {
            self.add(node.line, Fault::MissingKey { key: join(path, key.name) });
        }
    }

    fn check_own_keys(&mut self, entries: &[Entry], applies: fn(&str) -> bool, item: &'static Shape, path: &str) {
        for entry in entries {
            let key_path = join(path, &entry.key.text);
            if !entry.key.is_text() {
                self.add(entry.key.line, Fault::KeyNotText { key: key_path, found: describe(&entry.key) });
            } else if applies(&entry.key.text) {
                self.check(&entry.value, item, &key_path);
            }
        }
    }

    fn alternatives(&mut self, file: &Node) {
        let mut present: Vec<_> = ALTERNATIVES.iter().filter_map(|name| file.entry(name)).collect();
        present.sort_by_key(|entry| entry.key.line);
        if let [first, second, ..] = present[..] {
            let fault = Fault::Exclusive { key: second.key.text.clone(), other: first.key.text.clone() };
            self.add(second.key.line, fault);
        }
    }

    fn wrong(&mut self, node: &Node, shape: &Shape, path: &str, fault: fn(&str, &Node, String) -> Fault) {
        self.add(node.line, fault(path, node, wanted(shape)));
    }

    fn add(&mut self, line: usize, fault: Fault) {
        self.0.push(Problem { line, fault });
    }
}

impl Fault {
    fn wrong_kind(key: &str, node: &Node, expected: String) -> Fault {
        let scalar = matches!(node.value, Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Other(_));
        Fault::WrongKind { key: shown(key), found: describe(node), expected, quoting_helps: scalar }
            .without_quoting_unless_text()
    }

    fn wrong_value(key: &str, node: &Node, expected: String) -> Fault {
        Fault::WrongValue { key: shown(key), found: describe(node), expected }
    }

    /// Quotes make text of a scalar, which helps where text is wanted.
    fn without_quoting_unless_text(mut self) -> Fault {
        if let Fault::WrongKind { expected, quoting_helps, .. } = &mut self {
            *quoting_helps &= expected.contains(TEXT);
        }
        self
    }
}

const TEXT: &str = "text";

/// Whether the kind of a value is the one that the schema's `type` asks for.
fn kind_fits(shape: &Shape, value: &Value) -> bool {
    match shape {
        Shape::Nullable(shape) => *value == Value::Null || kind_fits(shape, value),
        Shape::Bool => matches!(value, Value::Bool(_)),
        // `enum` asks for no kind, but every choice is text.
        Shape::Text | Shape::TextLike(..) | Shape::OneOf(_) => *value == Value::Text,
        Shape::Int(_) => matches!(value, Value::Int(_)),
        Shape::Number(..) => matches!(value, Value::Int(_) | Value::Float(_)),
        Shape::List(..) => matches!(value, Value::List(_)),
        Shape::OneOrList(item) => matches!(value, Value::List(_)) || kind_fits(item, value),
        Shape::ListOrBool(_) => matches!(value, Value::List(_) | Value::Bool(_)),
        Shape::Keys(_) | Shape::OwnKeys(..) | Shape::Mapping(_) => matches!(value, Value::Map(_)),
    }
}

/// Whether a value of the right kind is one of those allowed; collections are looked into elsewhere.
fn value_fits(shape: &Shape, node: &Node) -> bool {
    match (shape, &node.value) {
        (Shape::TextLike(test, _), Value::Text) => test(&node.text),
        (Shape::OneOf(choices), Value::Text) => choices.contains(&node.text.as_str()),
        (Shape::Int(least), Value::Int(value)) => value >= least,
        (Shape::Number(least, most), Value::Int(value)) => (*least..=*most).contains(&(*value as f64)),
        (Shape::Number(least, most), Value::Float(value)) => (*least..=*most).contains(value),
        (Shape::Mapping(least), Value::Map(entries)) => entries.len() >= *least,
        _ => true,
    }
}

/// What a value is, in words, with the value itself where it is short.
fn describe(node: &Node) -> String {
    const SHOWN: usize = 40;
    let kind = match &node.value {
        Value::Null => return "empty".to_owned(),
        Value::List(_) => return "a list".to_owned(),
        Value::Map(_) => return "a mapping".to_owned(),
        Value::Bool(_) => "a boolean",
        Value::Int(_) => "a whole number",
        Value::Float(_) => "a number",
        Value::Text => "text",
        Value::Other(kind) => kind,
    };
    let mut text: String = node.text.chars().take(SHOWN).collect();
    if text.len() < node.text.len() {
        text.push('…');
    }
    if node.is_text() { format!("{text:?}") } else { format!("{text} ({kind})") }
}

/// What a value may be, in words.
fn wanted(shape: &Shape) -> String {
    match shape {
        Shape::Nullable(shape) => wanted(shape),
        Shape::Bool => "true or false".to_owned(),
        Shape::Text => TEXT.to_owned(),
        Shape::TextLike(_, rule) => format!("{TEXT} ({rule})"),
        Shape::OneOf(choices) => format!("one of {}", choices.join(", ")),
        Shape::Int(least) => format!("a whole number from {least}"),
        Shape::Number(least, most) => format!("a number from {least} to {most}"),
        Shape::List(..) => "a list".to_owned(),
        Shape::OneOrList(item) => format!("{} or a list", wanted(item)),
        Shape::ListOrBool(_) => "a list, true or false".to_owned(),
        Shape::Mapping(1..) => "a mapping that is not empty".to_owned(),
        Shape::Keys(_) | Shape::OwnKeys(..) | Shape::Mapping(0) => "a mapping".to_owned(),
    }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

fn shown(path: &str) -> String {
    if path.is_empty() { "the file".to_owned() } else { path.to_owned() }
}
