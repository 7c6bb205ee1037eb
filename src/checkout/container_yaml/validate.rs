//! Holds a tree against the schema.

use crate::config::nearest::nearest;

use super::node::{Entry, Node, Yaml};
use super::schema::{EXCLUSIVE, FILE, Field, Shape};
use super::{Problem, ProblemKind};

/// Everything that is wrong with a file, in the order of its lines.
pub(super) fn validate(file: &Node) -> Vec<Problem> {
    let mut problems = Vec::new();
    check(file, &FILE, "", &mut problems);
    problems.extend(exclusive_keys(file));
    problems.sort_by_key(|problem| problem.line);
    problems
}

fn check(node: &Node, shape: &Shape, path: &str, problems: &mut Vec<Problem>) {
    match (shape, &node.value) {
        (Shape::OrNull(_), Yaml::Null) => {}
        (Shape::OrNull(shape), _) => check(node, shape, path, problems),
        (Shape::Either(shapes), value) => match shapes.iter().find(|shape| is_kind(shape, value)) {
            Some(shape) => check(node, shape, path, problems),
            None => problems.push(wrong_type(node, shape, path)),
        },
        (shape, value) if !is_kind(shape, value) => problems.push(wrong_type(node, shape, path)),
        (Shape::List(item, at_least), Yaml::List(items)) => {
            if items.len() < *at_least {
                problems.push(wrong_value(node, path, format!("a list of at least {at_least}")));
            }
            for (index, node) in items.iter().enumerate() {
                check(node, item, &format!("{path}[{index}]"), problems);
            }
        }
        (Shape::MapOf(shape), Yaml::Map(entries)) => {
            for entry in entries {
                check(&entry.value, shape, &join(path, &entry.key), problems);
            }
        }
        (Shape::FreeMap { at_least }, Yaml::Map(entries)) if entries.len() < *at_least => {
            problems.push(wrong_value(node, path, "a mapping that is not empty".to_owned()));
        }
        (Shape::Object(fields), Yaml::Map(entries)) => check_object(node, entries, fields, path, problems),
        (shape, value) => {
            if !allows(shape, value) {
                problems.push(wrong_value(node, path, expected(shape)));
            }
        }
    }
}

fn check_object(node: &Node, entries: &[Entry], fields: &[Field], path: &str, problems: &mut Vec<Problem>) {
    for (index, entry) in entries.iter().enumerate() {
        let key = join(path, &entry.key);
        let Some(field) = fields.iter().find(|field| field.name == entry.key) else {
            let suggestion = nearest(&entry.key, fields.iter().map(|field| field.name));
            problems.push(Problem { line: Some(entry.line), kind: ProblemKind::UnknownKey { key, suggestion } });
            continue;
        };
        if let Some(first) = entries[..index].iter().find(|earlier| earlier.key == entry.key) {
            let kind = ProblemKind::DuplicateKey { key: key.clone(), first: first.line };
            problems.push(Problem { line: Some(entry.line), kind });
        }
        if let Some(why) = field.deprecated {
            problems.push(Problem { line: Some(entry.line), kind: ProblemKind::Deprecated { key: key.clone(), why } });
        }
        check(&entry.value, &field.shape, &key, problems);
    }
    for field in fields.iter().filter(|field| field.required && node.get(field.name).is_none()) {
        let key = join(path, field.name);
        problems.push(Problem { line: Some(node.line), kind: ProblemKind::MissingKey { key } });
    }
}

fn exclusive_keys(file: &Node) -> Option<Problem> {
    let Yaml::Map(entries) = &file.value else { return None };
    let mut present = entries.iter().filter(|entry| EXCLUSIVE.contains(&entry.key.as_str()));
    let first = present.next()?;
    let second = present.find(|entry| entry.key != first.key)?;
    let kind = ProblemKind::Exclusive { first: first.key.clone(), second: second.key.clone() };
    Some(Problem { line: Some(second.line), kind })
}

/// Whether JSON Schema's `type` accepts the value.
fn is_kind(shape: &Shape, value: &Yaml) -> bool {
    match shape {
        Shape::Text | Shape::TextThat(..) => matches!(value, Yaml::Text(_)),
        // An enum has no type: whatever is not in it is a wrong value.
        Shape::Choice(_) => true,
        Shape::Bool => matches!(value, Yaml::Bool(_)),
        Shape::Integer(..) => matches!(value, Yaml::Integer(_)),
        Shape::List(..) => matches!(value, Yaml::List(_)),
        Shape::Object(_) | Shape::MapOf(_) | Shape::FreeMap { .. } => matches!(value, Yaml::Map(_)),
        Shape::Either(shapes) => shapes.iter().any(|shape| is_kind(shape, value)),
        Shape::OrNull(shape) => matches!(value, Yaml::Null) || is_kind(shape, value),
    }
}

/// Whether a value of the right kind is one of those allowed.
fn allows(shape: &Shape, value: &Yaml) -> bool {
    match (shape, value) {
        (Shape::TextThat(rule, _), Yaml::Text(text)) => rule(text),
        (Shape::Choice(choices), Yaml::Text(text)) => choices.contains(&text.as_str()),
        (Shape::Choice(_), _) => false,
        (Shape::Integer(least, most), Yaml::Integer(number)) => (*least..=*most).contains(number),
        _ => true,
    }
}

fn wrong_type(node: &Node, shape: &Shape, path: &str) -> Problem {
    let wants_text = is_kind(shape, &Yaml::Text(String::new()));
    let quotable = matches!(node.value, Yaml::Bool(_) | Yaml::Integer(_) | Yaml::Number(_));
    let kind = ProblemKind::WrongType {
        key: path.to_owned(),
        found: node.value.to_string(),
        expected: expected(shape),
        quote: wants_text && quotable,
    };
    Problem { line: Some(node.line), kind }
}

fn wrong_value(node: &Node, path: &str, expected: String) -> Problem {
    let kind = ProblemKind::WrongValue { key: path.to_owned(), found: node.value.to_string(), expected };
    Problem { line: Some(node.line), kind }
}

/// The words for what a value may be.
fn expected(shape: &Shape) -> String {
    match shape {
        Shape::Text => "text".to_owned(),
        Shape::TextThat(_, rule) => (*rule).to_owned(),
        Shape::Choice(choices) => format!("one of {}", choices.join(", ")),
        Shape::Bool => "true or false".to_owned(),
        Shape::Integer(least, i128::MAX) => format!("a whole number from {least}"),
        Shape::Integer(least, most) => format!("a whole number from {least} to {most}"),
        Shape::List(..) => "a list".to_owned(),
        Shape::Object(_) | Shape::MapOf(_) | Shape::FreeMap { .. } => "a mapping".to_owned(),
        Shape::Either(shapes) => shapes.iter().map(expected).collect::<Vec<_>>().join(" or "),
        Shape::OrNull(shape) => expected(shape),
    }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}
