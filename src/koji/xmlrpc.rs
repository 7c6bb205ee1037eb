//! Koji's dialect of XML-RPC: values, encoding of calls, tolerant decoding of answers.
//!
//! The XML itself is read by `quick-xml`. Values are decoded here rather than by an XML-RPC library because a client of
//! many hub versions has to accept what Python's does: `<nil/>` and `<ex:nil/>`, `<i4>`, `<i8>`, `<biginteger>`, integers
//! of any size in `<int>`, values without a type, blanks around numbers; and because answers are not to be trusted: nesting
//! is limited and document types are refused (as `defusedxml` does for Koji's own client).
//!
//! Knows nothing of HTTP, sessions or particular calls.

use std::borrow::Cow;
use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use quick_xml::escape::partial_escape;
use quick_xml::events::Event;
use quick_xml::reader::Reader;

use super::fault::Fault;

/// How deeply arrays and structs may nest in an answer. Koji's deepest is below ten.
const MAX_DEPTH: usize = 64;

/// How many values an answer may have: memory for each takes many times the room of its XML. A struct counts as [`STRUCT`] more. Ten
/// thousand tasks, of which a build has twenty, come to a third of it.
const MOST_VALUES: usize = 1_000_000;
/// The room of a struct with a single member is that of a node of its map.
const STRUCT: usize = 12;

/// A value of an XML-RPC call or answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `<nil/>`: Python's `None`.
    Nil,
    /// `<boolean>`.
    Bool(bool),
    /// Any of the integer types, up to 64 bits.
    Int(i64),
    /// `<double>`.
    Double(f64),
    /// `<string>`, or a value without a type.
    String(String),
    /// `<base64>`, decoded.
    Bytes(Vec<u8>),
    /// `<dateTime.iso8601>`, as written. Koji's hubs send times as strings instead.
    DateTime(String),
    /// `<array>`.
    Array(Vec<Value>),
    /// `<struct>`; the order of its members means nothing.
    Struct(BTreeMap<String, Value>),
}

/// Why a value could not be written as XML.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// XML has no way to say this character.
    #[error("the character U+{code:04X} in {text:?} cannot be sent to a Koji hub")]
    ForbiddenCharacter {
        /// The text that holds it.
        text: String,
        /// Its code point.
        code: u32,
    },
}

/// Why an answer is not XML-RPC.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum DecodeError {
    /// The body is not well-formed XML.
    #[error("not well-formed XML at byte {at}: {reason}")]
    Xml {
        /// Byte offset into the body.
        at: u64,
        /// What the XML reader says.
        reason: String,
    },
    /// The body is not UTF-8.
    #[error("not UTF-8 at byte {at}")]
    Encoding {
        /// Byte offset into the body.
        at: usize,
    },
    /// Well-formed XML, but not an XML-RPC answer.
    #[error("not an XML-RPC answer: {what} at byte {at}")]
    Shape {
        /// What was found, or was missing.
        what: String,
        /// Byte offset into the body.
        at: u64,
    },
    /// Nested deeper than any honest answer.
    #[error("nested deeper than {MAX_DEPTH} levels")]
    TooDeep,
    /// More values than any honest answer has.
    #[error("it has more than {MOST_VALUES} values")]
    TooMany,
}

/// What came back for a call that reached the hub.
pub type Answer = Result<Value, Fault>;

impl Value {
    /// Makes a struct out of names and values.
    pub fn record<const N: usize>(members: [(&str, Value); N]) -> Value {
        Value::Struct(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }

    /// The value as JSON, for showing it: bytes become base64 text, dates stay text.
    pub fn to_json(&self) -> serde_json::Value {
        match self {
            Value::Nil => serde_json::Value::Null,
            Value::Bool(truth) => (*truth).into(),
            Value::Int(number) => (*number).into(),
            Value::Double(number) => (*number).into(),
            Value::String(text) | Value::DateTime(text) => text.as_str().into(),
            Value::Bytes(bytes) => BASE64.encode(bytes).into(),
            Value::Array(values) => values.iter().map(Value::to_json).collect(),
            Value::Struct(members) => {
                serde_json::Value::Object(members.iter().map(|(name, value)| (name.clone(), value.to_json())).collect())
            }
        }
    }

    /// The member of a struct; `None` when this is no struct, has no such member, or the member is nil.
    pub fn get(&self, name: &str) -> Option<&Value> {
        match self {
            Value::Struct(members) => members.get(name).filter(|value| **value != Value::Nil),
            _ => None,
        }
    }

    /// The text of a string.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// The number, also when it travels as text (`st_size`, build ids in a container result).
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Value::Int(number) => Some(*number),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        }
    }

    /// The number, whether it came as `<double>` or `<int>`.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Value::Double(number) => Some(*number),
            #[expect(clippy::cast_precision_loss, reason = "times and sizes are far below 2^53")]
            Value::Int(number) => Some(*number as f64),
            _ => None,
        }
    }

    /// The truth of a boolean; old hubs send 0 and 1 for some.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Value::Bool(truth) => Some(*truth),
            Value::Int(number) => Some(*number != 0),
            _ => None,
        }
    }

    /// The members of an array.
    pub fn as_array(&self) -> Option<&[Value]> {
        match self {
            Value::Array(values) => Some(values),
            _ => None,
        }
    }

    /// The members of a struct.
    pub fn as_struct(&self) -> Option<&BTreeMap<String, Value>> {
        match self {
            Value::Struct(members) => Some(members),
            _ => None,
        }
    }

    /// The fault that a struct stands for, in an answer or in the result of one call of a multiCall.
    pub fn as_fault(&self) -> Option<Fault> {
        let code = self.get("faultCode")?.as_int()?;
        let text = self.get("faultString").and_then(Value::as_str).unwrap_or_default();
        Some(Fault { code, text: text.to_owned() })
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::String(text.to_owned())
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Value::Int(number)
    }
}

impl From<bool> for Value {
    fn from(truth: bool) -> Self {
        Value::Bool(truth)
    }
}

impl From<Vec<Value>> for Value {
    fn from(values: Vec<Value>) -> Self {
        Value::Array(values)
    }
}

/// JSON to XML-RPC, for options that users give as JSON. Numbers beyond 64 bits become doubles, as in Python's JSON reader
/// followed by `xmlrpc.client` for floats.
impl From<&serde_json::Value> for Value {
    fn from(json: &serde_json::Value) -> Self {
        use serde_json::Value as Json;
        match json {
            Json::Null => Value::Nil,
            Json::Bool(truth) => Value::Bool(*truth),
            Json::Number(number) => {
                number.as_i64().map_or_else(|| Value::Double(number.as_f64().unwrap_or(f64::NAN)), Value::Int)
            }
            Json::String(text) => Value::String(text.clone()),
            Json::Array(values) => Value::Array(values.iter().map(Value::from).collect()),
            Json::Object(members) => {
                Value::Struct(members.iter().map(|(name, value)| (name.clone(), Value::from(value))).collect())
            }
        }
    }
}

/// Writes a call. `params` are positional; named arguments go into a last struct with `__starstar` (see [`super::call`]).
///
/// # Errors
/// When a text holds a character that XML cannot carry.
pub fn encode_call(method: &str, params: &[Value]) -> Result<String, EncodeError> {
    let mut xml = String::with_capacity(256 + 64 * params.len());
    xml.push_str("<?xml version='1.0'?>\n<methodCall><methodName>");
    write_text(&mut xml, method)?;
    xml.push_str("</methodName><params>");
    for param in params {
        xml.push_str("<param>");
        write_value(&mut xml, param)?;
        xml.push_str("</param>");
    }
    xml.push_str("</params></methodCall>");
    Ok(xml)
}

fn write_value(xml: &mut String, value: &Value) -> Result<(), EncodeError> {
    xml.push_str("<value>");
    match value {
        Value::Nil => xml.push_str("<nil/>"),
        Value::Bool(truth) => element(xml, "boolean", if *truth { "1" } else { "0" }),
        Value::Int(number) if i32::try_from(*number).is_ok() => element(xml, "int", &number.to_string()),
        Value::Int(number) => element(xml, "i8", &number.to_string()),
        Value::Double(number) => element(xml, "double", &format!("{number:?}")),
        Value::String(text) => {
            xml.push_str("<string>");
            write_text(xml, text)?;
            xml.push_str("</string>");
        }
        Value::Bytes(bytes) => element(xml, "base64", &BASE64.encode(bytes)),
        Value::DateTime(text) => {
            xml.push_str("<dateTime.iso8601>");
            write_text(xml, text)?;
            xml.push_str("</dateTime.iso8601>");
        }
        Value::Array(values) => {
            xml.push_str("<array><data>");
            for value in values {
                write_value(xml, value)?;
            }
            xml.push_str("</data></array>");
        }
        Value::Struct(members) => {
            xml.push_str("<struct>");
            for (name, value) in members {
                xml.push_str("<member><name>");
                write_text(xml, name)?;
                xml.push_str("</name>");
                write_value(xml, value)?;
                xml.push_str("</member>");
            }
            xml.push_str("</struct>");
        }
    }
    xml.push_str("</value>");
    Ok(())
}

fn element(xml: &mut String, name: &str, content: &str) {
    xml.extend(["<", name, ">", content, "</", name, ">"]);
}

/// Whether XML can carry a text.
pub fn can_be_sent(text: &str) -> bool {
    !text.contains(is_forbidden)
}

fn is_forbidden(c: char) -> bool {
    (c < ' ' && !matches!(c, '\t' | '\n' | '\r')) || matches!(c, '\u{FFFE}' | '\u{FFFF}')
}

fn write_text(xml: &mut String, text: &str) -> Result<(), EncodeError> {
    if let Some(bad) = text.chars().find(|c| is_forbidden(*c)) {
        return Err(EncodeError::ForbiddenCharacter { text: text.to_owned(), code: bad.into() });
    }
    // A raw CR would arrive as LF; a character reference survives the hub's XML parser.
    let escaped = partial_escape(text);
    match escaped.contains('\r') {
        true => xml.push_str(&escaped.replace('\r', "&#13;")),
        false => xml.push_str(&escaped),
    }
    Ok(())
}

/// Reads the answer to a call: its one value, or the fault.
///
/// # Errors
/// When the body is not an XML-RPC answer, e.g. a proxy's HTML page.
pub fn decode_answer(body: &[u8]) -> Result<Answer, DecodeError> {
    let text = std::str::from_utf8(body).map_err(|error| DecodeError::Encoding { at: error.valid_up_to() })?;
    let mut parser = Parser { reader: Reader::from_str(text), room: MOST_VALUES };
    parser.answer()
}

struct Parser<'xml> {
    reader: Reader<&'xml [u8]>,
    /// For how many values more there is room.
    room: usize,
}

/// What matters of an XML event: tags by name, and text with its references resolved.
enum Token<'xml> {
    Open(Cow<'xml, str>),
    Close,
    Text(Cow<'xml, str>),
    End,
}

impl<'xml> Parser<'xml> {
    fn answer(&mut self) -> Result<Answer, DecodeError> {
        self.expect_open("methodResponse")?;
        match &*self.any_open()? {
            "params" => {
                self.expect_open("param")?;
                self.expect_open("value")?;
                let value = self.value(0)?;
                self.expect_close()?;
                self.finish()?;
                Ok(Ok(value))
            }
            "fault" => {
                self.expect_open("value")?;
                let value = self.value(0)?;
                self.finish()?;
                Ok(Err(value.as_fault().ok_or_else(|| self.shape("a fault without faultCode"))?))
            }
            other => Err(self.shape(format!("<{other}>"))),
        }
    }

    /// Closes the two elements that are still open and wants nothing more.
    fn finish(&mut self) -> Result<(), DecodeError> {
        self.expect_close()?;
        self.expect_close()?;
        loop {
            match self.next()? {
                Token::End => return Ok(()),
                Token::Text(text) if text.trim().is_empty() => {}
                _ => return Err(self.shape("more after the end")),
            }
        }
    }

    /// Reads up to and including `</value>`; the opening tag is behind us.
    fn value(&mut self, depth: usize) -> Result<Value, DecodeError> {
        if depth > MAX_DEPTH {
            return Err(DecodeError::TooDeep);
        }
        self.take_room(1)?;
        let mut bare = String::new();
        loop {
            match self.next()? {
                Token::Text(text) => bare.push_str(&text),
                Token::Close => return Ok(Value::String(bare)),
                Token::Open(tag) => {
                    let value = self.typed(&tag, depth)?;
                    self.expect_close()?;
                    return Ok(value);
                }
                Token::End => return Err(self.shape("an unfinished value")),
            }
        }
    }

    fn take_room(&mut self, values: usize) -> Result<(), DecodeError> {
        self.room = self.room.checked_sub(values).ok_or(DecodeError::TooMany)?;
        Ok(())
    }

    /// Reads the content of a type element up to and including its closing tag.
    fn typed(&mut self, tag: &str, depth: usize) -> Result<Value, DecodeError> {
        match tag.rsplit(':').next().unwrap_or(tag) {
            "nil" => self.text().map(|_| Value::Nil),
            "string" => self.text().map(Value::String),
            "int" | "i1" | "i2" | "i4" | "i8" | "biginteger" => self.number(tag).map(Value::Int),
            "double" | "float" => self.number(tag).map(Value::Double),
            "boolean" => match self.text()?.trim() {
                "0" => Ok(Value::Bool(false)),
                "1" => Ok(Value::Bool(true)),
                other => Err(self.shape(format!("the boolean {other:?}"))),
            },
            "base64" => self.base64(),
            "dateTime.iso8601" => self.text().map(Value::DateTime),
            "array" => self.array(depth),
            "struct" => self.members(depth),
            _ => Err(self.shape(format!("a value of type <{tag}>"))),
        }
    }

    fn number<T: std::str::FromStr>(&mut self, tag: &str) -> Result<T, DecodeError> {
        let text = self.text()?;
        text.trim().parse().map_err(|_| self.shape(format!("the <{tag}> {text:?}")))
    }

    fn base64(&mut self) -> Result<Value, DecodeError> {
        let mut text = self.text()?;
        text.retain(|c| !c.is_ascii_whitespace());
        BASE64.decode(&text).map(Value::Bytes).map_err(|error| self.shape(format!("bad base64: {error}")))
    }

    fn array(&mut self, depth: usize) -> Result<Value, DecodeError> {
        let mut values = Vec::new();
        self.expect_open("data")?;
        while let Some(tag) = self.open_or_close()? {
            if tag != "value" {
                return Err(self.shape(format!("<{tag}> in an array")));
            }
            values.push(self.value(depth + 1)?);
        }
        self.expect_close()?;
        Ok(Value::Array(values))
    }

    fn members(&mut self, depth: usize) -> Result<Value, DecodeError> {
        self.take_room(STRUCT)?;
        let mut members = BTreeMap::new();
        while let Some(tag) = self.open_or_close()? {
            if tag != "member" {
                return Err(self.shape(format!("<{tag}> in a struct")));
            }
            self.expect_open("name")?;
            let name = self.text()?;
            self.expect_open("value")?;
            members.insert(name, self.value(depth + 1)?);
            self.expect_close()?;
        }
        Ok(Value::Struct(members))
    }

    /// The text up to and including the closing tag of the element we are in.
    fn text(&mut self) -> Result<String, DecodeError> {
        let mut whole = Cow::Borrowed("");
        loop {
            match self.next()? {
                Token::Text(text) if whole.is_empty() => whole = text,
                Token::Text(text) => whole.to_mut().push_str(&text),
                Token::Close => return Ok(whole.into_owned()),
                Token::Open(tag) => return Err(self.shape(format!("<{tag}> where text belongs"))),
                Token::End => return Err(self.shape("an unfinished element")),
            }
        }
    }

    fn expect_open(&mut self, name: &str) -> Result<(), DecodeError> {
        let tag = self.any_open()?;
        if tag == name { Ok(()) } else { Err(self.shape(format!("<{tag}> where <{name}> belongs"))) }
    }

    fn any_open(&mut self) -> Result<Cow<'xml, str>, DecodeError> {
        self.open_or_close()?.ok_or_else(|| self.shape("an element that is empty"))
    }

    fn expect_close(&mut self) -> Result<(), DecodeError> {
        match self.open_or_close()? {
            None => Ok(()),
            Some(tag) => Err(self.shape(format!("<{tag}> too many"))),
        }
    }

    /// The next opening tag's name, or `None` for a closing tag; blanks between are passed over.
    fn open_or_close(&mut self) -> Result<Option<Cow<'xml, str>>, DecodeError> {
        loop {
            match self.next()? {
                Token::Open(tag) => return Ok(Some(tag)),
                Token::Close => return Ok(None),
                Token::Text(text) if text.trim().is_empty() => {}
                Token::Text(_) => return Err(self.shape("text between elements")),
                Token::End => return Err(self.shape("an answer that ends too early")),
            }
        }
    }

    fn next(&mut self) -> Result<Token<'xml>, DecodeError> {
        loop {
            // Empty elements come as an opening and a closing tag, so that there is one way to read them.
            self.reader.config_mut().expand_empty_elements = true;
            let event = self.reader.read_event().map_err(|error| self.malformed(&error))?;
            return Ok(match event {
                Event::Start(tag) => Token::Open(Cow::Owned(tag.name().as_ref().to_owned())),
                Event::End(_) => Token::Close,
                Event::Text(text) => Token::Text(text.xml10_content()),
                Event::CData(text) => Token::Text(text.xml10_content()),
                Event::GeneralRef(reference) => Token::Text(self.resolve(&reference)?),
                Event::Eof => Token::End,
                Event::DocType(_) => return Err(self.shape("a document type")),
                Event::Decl(_) | Event::Comment(_) | Event::PI(_) | Event::Empty(_) => continue,
            });
        }
    }

    fn resolve(&self, reference: &quick_xml::events::BytesRef<'_>) -> Result<Cow<'xml, str>, DecodeError> {
        if let Some(character) = reference.resolve_char_ref().map_err(|error| self.malformed(&error))? {
            return Ok(Cow::Owned(character.into()));
        }
        let name: &str = reference;
        quick_xml::escape::resolve_predefined_entity(name)
            .map(Cow::Borrowed)
            .ok_or_else(|| self.shape(format!("the entity &{name};")))
    }

    fn malformed(&self, reason: &dyn std::fmt::Display) -> DecodeError {
        DecodeError::Xml {
            at: self.reader.error_position().max(self.reader.buffer_position()),
            reason: reason.to_string(),
        }
    }

    fn shape(&self, what: impl Into<String>) -> DecodeError {
        DecodeError::Shape { what: what.into(), at: self.reader.buffer_position() }
    }
}

#[cfg(test)]
mod tests;
