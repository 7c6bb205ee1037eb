//! The hub's side of XML-RPC, written apart from the product's codec so that a mistake there cannot hide here.
//!
//! Reads calls leniently, writes answers exactly as Koji's hub does (Python's `xmlrpc.client.dumps` with Koji's additions).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use quick_xml::escape::{partial_escape, resolve_predefined_entity};
use quick_xml::events::Event;
use quick_xml::reader::Reader;

/// A value; structs keep the order of their members, so that answers look like the hub's.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Nil,
    Bool(bool),
    Int(i64),
    Double(f64),
    String(String),
    Bytes(Vec<u8>),
    DateTime(String),
    Array(Vec<Value>),
    Struct(Vec<(String, Value)>),
}

/// What the hub raises instead of giving a value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct HubFault {
    pub code: i64,
    pub text: String,
}

impl HubFault {
    pub(crate) fn new(code: i64, text: impl Into<String>) -> HubFault {
        HubFault { code, text: text.into() }
    }

    /// As `GenericError`, the fault of most refusals.
    pub(crate) fn generic(text: impl Into<String>) -> HubFault {
        HubFault::new(1000, text)
    }

    pub(crate) fn to_value(&self) -> Value {
        record([("faultCode", Value::Int(self.code)), ("faultString", self.text.as_str().into())])
    }
}

/// A struct.
pub(crate) fn record<const N: usize>(members: [(&str, Value); N]) -> Value {
    Value::Struct(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

/// An array of texts.
pub(crate) fn texts<T: AsRef<str>>(items: impl IntoIterator<Item = T>) -> Value {
    Value::Array(items.into_iter().map(|item| item.as_ref().into()).collect())
}

impl Value {
    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        match self {
            Value::Struct(members) => members.iter().find(|(key, _)| key == name).map(|(_, value)| value),
            _ => None,
        }
    }

    pub(crate) fn as_str(&self) -> Option<&str> {
        match self {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn as_int(&self) -> Option<i64> {
        match self {
            Value::Int(number) => Some(*number),
            _ => None,
        }
    }

    pub(crate) fn as_array(&self) -> Option<&[Value]> {
        match self {
            Value::Array(items) => Some(items),
            _ => None,
        }
    }

    /// Python's idea of truth.
    pub(crate) fn is_true(&self) -> bool {
        match self {
            Value::Nil => false,
            Value::Bool(truth) => *truth,
            Value::Int(number) => *number != 0,
            Value::Double(number) => *number != 0.0,
            Value::String(text) | Value::DateTime(text) => !text.is_empty(),
            Value::Bytes(bytes) => !bytes.is_empty(),
            Value::Array(items) => !items.is_empty(),
            Value::Struct(members) => !members.is_empty(),
        }
    }

    /// Python's `repr`, for the hub's messages.
    pub(crate) fn repr(&self) -> String {
        match self {
            Value::Nil => "None".into(),
            Value::String(text) => format!("'{text}'"),
            Value::Int(number) => number.to_string(),
            other => format!("{other:?}"),
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::String(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Value {
        Value::String(text)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Value {
        Value::Int(number)
    }
}

/// For literals, which are `i32` where nothing else says so.
impl From<i32> for Value {
    fn from(number: i32) -> Value {
        Value::Int(number.into())
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Value {
        Value::Double(number)
    }
}

impl From<bool> for Value {
    fn from(truth: bool) -> Value {
        Value::Bool(truth)
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Value {
        value.map_or(Value::Nil, Into::into)
    }
}

impl<T: Into<Value>> From<Vec<T>> for Value {
    fn from(values: Vec<T>) -> Value {
        Value::Array(values.into_iter().map(Into::into).collect())
    }
}

/// A method and its parameters.
pub(crate) type Call = (String, Vec<Value>);

/// Reads a `<methodCall>`.
pub(crate) fn parse_call(body: &[u8]) -> Result<Call, String> {
    let root = tree(body)?;
    if root.name != "methodCall" {
        return Err(format!("<{}> is no call", root.name));
    }
    let name = root.child("methodName").ok_or("no methodName")?.text.clone();
    let params = root.child("params").map_or(&[][..], |params| &params.children);
    let values: Result<Vec<Value>, String> =
        params.iter().map(|param| value(param.child("value").ok_or("a param without value")?)).collect();
    Ok((name, values?))
}

/// Reads a `<methodResponse>`.
pub(crate) fn parse_response(body: &[u8]) -> Result<Result<Value, HubFault>, String> {
    let root = tree(body)?;
    if let Some(fault) = root.child("fault") {
        let fault = value(fault.child("value").ok_or("a fault without value")?)?;
        let code = fault.get("faultCode").and_then(Value::as_int).ok_or("no faultCode")?;
        let text = fault.get("faultString").and_then(Value::as_str).unwrap_or_default();
        return Ok(Err(HubFault::new(code, text)));
    }
    let param = root.child("params").and_then(|params| params.child("param")).ok_or("no param")?;
    value(param.child("value").ok_or("no value")?).map(Ok)
}

#[derive(Debug, Default)]
struct Node {
    name: String,
    text: String,
    children: Vec<Node>,
}

impl Node {
    fn child(&self, name: &str) -> Option<&Node> {
        self.children.iter().find(|child| child.name == name)
    }
}

fn tree(body: &[u8]) -> Result<Node, String> {
    let text = std::str::from_utf8(body).map_err(|error| error.to_string())?;
    let mut reader = Reader::from_str(text);
    let mut open = vec![Node::default()];
    loop {
        let top = open.last_mut().ok_or("unbalanced")?;
        match reader.read_event().map_err(|error| error.to_string())? {
            Event::Start(tag) => {
                open.push(Node { name: local_name(tag.name().as_ref()), ..Node::default() });
            }
            Event::Empty(tag) => {
                top.children.push(Node { name: local_name(tag.name().as_ref()), ..Node::default() });
            }
            Event::End(_) => {
                let done = open.pop().ok_or("unbalanced")?;
                open.last_mut().ok_or("unbalanced")?.children.push(done);
            }
            Event::Text(piece) => top.text.push_str(piece.as_ref()),
            Event::CData(piece) => top.text.push_str(piece.as_ref()),
            Event::GeneralRef(reference) => match reference.resolve_char_ref() {
                Ok(Some(c)) => top.text.push(c),
                _ => top.text.push_str(resolve_predefined_entity(&reference).ok_or("an unknown entity")?),
            },
            Event::Eof => break,
            _ => {}
        }
    }
    match <[Node; 1]>::try_from(open) {
        Ok([mut root]) if root.children.len() == 1 => Ok(root.children.remove(0)),
        _ => Err("not one element".into()),
    }
}

fn local_name(name: &str) -> String {
    name.rsplit(':').next().unwrap_or_default().to_owned()
}

fn value(node: &Node) -> Result<Value, String> {
    let Some(typed) = node.children.first() else { return Ok(Value::String(node.text.clone())) };
    let number = || typed.text.trim().parse().map_err(|_| format!("the <{}> {:?}", typed.name, typed.text));
    Ok(match typed.name.as_str() {
        "nil" => Value::Nil,
        "boolean" => Value::Bool(typed.text.trim() == "1"),
        "int" | "i4" | "i8" => Value::Int(number()?),
        "double" => Value::Double(typed.text.trim().parse().map_err(|_| "a bad double")?),
        "string" => Value::String(typed.text.clone()),
        "dateTime.iso8601" => Value::DateTime(typed.text.clone()),
        "base64" => {
            let packed: String = typed.text.split_ascii_whitespace().collect();
            Value::Bytes(BASE64.decode(packed).map_err(|error| error.to_string())?)
        }
        "array" => {
            let items = typed.child("data").ok_or("an array without data")?;
            Value::Array(items.children.iter().map(value).collect::<Result<_, _>>()?)
        }
        "struct" => Value::Struct(typed.children.iter().map(member).collect::<Result<_, _>>()?),
        other => return Err(format!("a value of type <{other}>")),
    })
}

fn member(node: &Node) -> Result<(String, Value), String> {
    let name = node.child("name").ok_or("a member without name")?.text.clone();
    Ok((name, value(node.child("value").ok_or("a member without value")?)?))
}

/// Writes an answer.
pub(crate) fn write_response(answer: &Result<Value, HubFault>) -> String {
    let mut xml = String::from("<?xml version='1.0'?>\n<methodResponse>\n");
    match answer {
        Ok(value) => {
            xml.push_str("<params>\n");
            write_param(&mut xml, value);
            xml.push_str("</params>\n");
        }
        Err(fault) => {
            xml.push_str("<fault>\n");
            write_value(&mut xml, &fault.to_value());
            xml.push_str("</fault>\n");
        }
    }
    xml.push_str("</methodResponse>\n");
    xml
}

/// Writes a call, as the hub keeps the requests of tasks.
pub(crate) fn write_call(method: &str, params: &[Value]) -> String {
    let mut xml = format!("<?xml version='1.0'?>\n<methodCall>\n<methodName>{method}</methodName>\n<params>\n");
    for param in params {
        write_param(&mut xml, param);
    }
    xml.push_str("</params>\n</methodCall>\n");
    xml
}

fn write_param(xml: &mut String, value: &Value) {
    xml.push_str("<param>\n");
    write_value(xml, value);
    xml.push_str("</param>\n");
}

/// Python writes a line break after each value except nil.
fn write_value(xml: &mut String, value: &Value) {
    let scalar = |tag: &str, text: &str| format!("<value><{tag}>{text}</{tag}></value>\n");
    match value {
        Value::Nil => xml.push_str("<value><nil/></value>"),
        Value::Bool(truth) => xml.push_str(&scalar("boolean", if *truth { "1" } else { "0" })),
        Value::Int(number) if i32::try_from(*number).is_ok() => xml.push_str(&scalar("int", &number.to_string())),
        Value::Int(number) => xml.push_str(&scalar("i8", &number.to_string())),
        Value::Double(number) => xml.push_str(&scalar("double", &format!("{number:?}"))),
        Value::String(text) => xml.push_str(&scalar("string", &partial_escape(text.as_str()))),
        Value::DateTime(text) => xml.push_str(&scalar("dateTime.iso8601", text)),
        Value::Bytes(bytes) => {
            xml.push_str("<value><base64>\n");
            xml.push_str(&BASE64.encode(bytes));
            xml.push_str("\n</base64></value>\n");
        }
        Value::Array(items) => {
            xml.push_str("<value><array><data>\n");
            items.iter().for_each(|item| write_value(xml, item));
            xml.push_str("</data></array></value>\n");
        }
        Value::Struct(members) => {
            xml.push_str("<value><struct>\n");
            for (name, value) in members {
                xml.push_str(&format!("<member>\n<name>{}</name>\n", partial_escape(name.as_str())));
                write_value(xml, value);
                xml.push_str("</member>\n");
            }
            xml.push_str("</struct></value>\n");
        }
    }
}
