//! What the lines of `--output json` are, each type with its fields: what `fedpkg-container-build-json(5)` is made of, and what
//! tests hold every line to that they see.

mod table;

use serde_json::Value;

pub use table::KINDS;

/// A type of lines.
#[derive(Debug, Clone, Copy)]
pub struct Kind {
    /// What `type` says.
    pub name: &'static str,
    /// What such a line tells.
    pub says: &'static str,
    /// Its fields besides [`COMMON`].
    pub fields: &'static [Field],
    /// Whether builders add fields of their own.
    pub open: bool,
}

/// A field of a line, or of an object in it.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// What is in it.
    pub of: Type,
    /// Whether it is always there.
    pub always: bool,
    /// What it means.
    pub says: &'static str,
}

/// What a field holds.
#[derive(Debug, Clone, Copy)]
pub enum Type {
    /// A name, an id, an address: made to be compared.
    Text,
    /// Text for people, whose wording may change.
    Words,
    /// One of these words; there may be more of them some day.
    OneOf(&'static [&'static str]),
    /// A whole number.
    Number,
    /// A time span in seconds, with places behind the point.
    Seconds,
    /// A moment: RFC 3339, in UTC.
    Time,
    /// As said, or null.
    OrNull(&'static Type),
    /// An array.
    List(&'static Type),
    /// An object with these fields.
    Object(&'static [Field]),
    /// An object whose fields have names of their own, all of this type.
    Map(&'static Type),
}

impl Kind {
    const fn new(name: &'static str, says: &'static str, fields: &'static [Field]) -> Kind {
        Kind { name, says, fields, open: false }
    }

    const fn open(self) -> Kind {
        Kind { open: true, ..self }
    }
}

impl Field {
    const fn new(name: &'static str, of: Type, says: &'static str) -> Field {
        Field { name, of, always: true, says }
    }

    const fn optional(self) -> Field {
        Field { always: false, ..self }
    }
}

/// The fields of every line.
pub const COMMON: &[Field] = &[
    Field::new("type", Type::Text, "Which of the types below it is."),
    Field::new("ts", Type::Time, "When it was noticed."),
];

/// Holds a line to the table.
///
/// # Errors
/// What is wrong with it, as far as the first thing that is.
pub fn check(line: &Value) -> Result<(), String> {
    let name = line.get("type").and_then(Value::as_str).ok_or("no type")?;
    let kind = KINDS.iter().find(|kind| kind.name == name).ok_or_else(|| format!("unknown type {name}"))?;
    let fields: Vec<Field> = COMMON.iter().chain(kind.fields).copied().collect();
    object(line, &fields, kind.open).map_err(|wrong| format!("{name}: {wrong}"))
}

fn object(value: &Value, fields: &[Field], open: bool) -> Result<(), String> {
    let given = value.as_object().ok_or_else(|| format!("no object: {value}"))?;
    for field in fields {
        match given.get(field.name) {
            Some(value) => typed(value, &field.of).map_err(|wrong| format!("{}: {wrong}", field.name))?,
            None if field.always => return Err(format!("{}: missing", field.name)),
            None => {}
        }
    }
    match given.keys().find(|name| !open && fields.iter().all(|field| field.name != name.as_str())) {
        Some(name) => Err(format!("unknown field {name}")),
        None => Ok(()),
    }
}

fn typed(value: &Value, of: &Type) -> Result<(), String> {
    let is = match of {
        Type::Text | Type::Words => value.is_string(),
        Type::OneOf(words) => value.as_str().is_some_and(|word| words.contains(&word)),
        Type::Number => value.is_i64() || value.is_u64(),
        Type::Seconds => value.as_f64().is_some_and(|seconds| seconds >= 0.0),
        Type::Time => value.as_str().is_some_and(|time| time.parse::<jiff::Timestamp>().is_ok()),
        Type::OrNull(of) if !value.is_null() => return typed(value, of),
        Type::OrNull(_) => true,
        Type::List(of) => match value.as_array() {
            Some(items) => return items.iter().try_for_each(|item| typed(item, of)),
            None => false,
        },
        Type::Map(of) => match value.as_object() {
            Some(items) => return items.values().try_for_each(|item| typed(item, of)),
            None => false,
        },
        Type::Object(fields) => return object(value, fields, false),
    };
    if is { Ok(()) } else { Err(format!("{value} is not {}", name_of(of))) }
}

/// What a type is called in the manual.
pub fn name_of(of: &Type) -> String {
    match of {
        Type::Text => "text".to_owned(),
        Type::Words => "words".to_owned(),
        Type::OneOf(words) => format!("one of {}", words.join(", ")),
        Type::Number => "number".to_owned(),
        Type::Seconds => "seconds".to_owned(),
        Type::Time => "time".to_owned(),
        Type::OrNull(of) => format!("{}, or null", name_of(of)),
        Type::List(of) => format!("list of {}", name_of(of)),
        Type::Object(_) => "object".to_owned(),
        Type::Map(of) => format!("object of {}", name_of(of)),
    }
}

/// The fields of the objects that a field is, or has in it.
pub fn fields_of(of: &Type) -> &'static [Field] {
    match of {
        Type::OrNull(of) | Type::List(of) | Type::Map(of) => fields_of(of),
        Type::Object(fields) => fields,
        _ => &[],
    }
}

#[cfg(test)]
mod tests;
