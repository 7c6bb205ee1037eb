//! A call to a hub: method, positional and named arguments, and the multiCall that bundles several; and what is posted for
//! it, which for a piece of a file is not XML.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;

use super::fault::Fault;
use super::xmlrpc::{self, EncodeError, Value};

/// A call that has not been sent.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// The hub's name of the method.
    pub method: &'static str,
    args: Vec<Value>,
    named: BTreeMap<String, Value>,
}

impl Call {
    /// Begins a call without arguments.
    pub fn new(method: &'static str) -> Call {
        Call { method, args: Vec::new(), named: BTreeMap::new() }
    }

    /// Adds a positional argument.
    #[must_use]
    pub fn arg(mut self, value: impl Into<Value>) -> Call {
        self.args.push(value.into());
        self
    }

    /// Adds a named argument.
    #[must_use]
    pub fn named(mut self, name: &str, value: impl Into<Value>) -> Call {
        self.named.insert(name.to_owned(), value.into());
        self
    }

    /// The positional arguments.
    pub fn args(&self) -> &[Value] {
        &self.args
    }

    /// The named arguments.
    pub fn named_args(&self) -> &BTreeMap<String, Value> {
        &self.named
    }

    /// The parameters as they travel: named arguments are one last struct, marked by `__starstar`
    /// (Koji's `encode_args`). Without named arguments there is no such struct.
    pub fn params(&self) -> Vec<Value> {
        let mut params = self.args.clone();
        if !self.named.is_empty() {
            let mut named = self.named.clone();
            named.insert("__starstar".to_owned(), Value::Bool(true));
            params.push(Value::Struct(named));
        }
        params
    }

    /// Bundles calls into one request. The answers come back in the same order, see [`split_answers`].
    pub fn multi(calls: &[Call]) -> Call {
        let entries = calls
            .iter()
            .map(|call| Value::record([("methodName", call.method.into()), ("params", call.params().into())]))
            .collect::<Vec<_>>();
        Call::new("multiCall").arg(entries)
    }
}

/// Takes the answer of a multiCall apart: one value or fault a call. `None` when it does not have `count` entries of the
/// right shape (`[value]` or a fault's struct).
pub(crate) fn split_answers(answer: Value, count: usize) -> Option<Vec<Result<Value, Fault>>> {
    let Value::Array(entries) = answer else { return None };
    if entries.len() != count {
        return None;
    }
    entries
        .into_iter()
        .map(|entry| match entry {
            Value::Array(mut values) if values.len() == 1 => values.pop().map(Ok),
            other => other.as_fault().map(Err),
        })
        .collect()
}

/// The methods of several calls, each once, with how often.
pub(super) fn names(calls: &[Call]) -> String {
    let mut counted: Vec<(&str, usize)> = Vec::new();
    for call in calls {
        match counted.iter_mut().find(|(method, _)| *method == call.method) {
            Some((_, count)) => *count += 1,
            None => counted.push((call.method, 1)),
        }
    }
    let texts = counted.iter().map(|(method, count)| match count {
        1 => (*method).to_owned(),
        count => format!("{method} ×{count}"),
    });
    texts.collect::<Vec<_>>().join(", ")
}

/// A request that is ready to be posted, and posted again, without a session's particulars. Not `Debug`: its body may hold a
/// password or a token.
pub(super) struct Posted {
    /// The hub's name of it.
    pub(super) operation: &'static str,
    /// What is asked for, in words that may be shown to anybody.
    pub(super) detail: String,
    /// What goes into the query of the address.
    pub(super) query: Vec<(&'static str, String)>,
    /// What the body is; the hub tells calls from uploads by it.
    pub(super) content_type: &'static str,
    /// The body; its bytes are shared by all attempts.
    pub(super) body: Bytes,
    /// Whether it changes nothing, so that it may be asked again with another number.
    pub(super) only_reads: bool,
    /// What the answer may take beyond the session's patience, because the work or the way there is long.
    pub(super) slack: Duration,
}

impl Posted {
    /// Encodes a call.
    pub(super) fn call(call: &Call) -> Result<Posted, EncodeError> {
        let body = xmlrpc::encode_call(call.method, &call.params())?.into();
        Ok(Posted {
            operation: call.method,
            detail: String::new(),
            query: Vec::new(),
            content_type: "text/xml",
            body,
            only_reads: false,
            slack: Duration::ZERO,
        })
    }
}
