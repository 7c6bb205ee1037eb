//! A call to a hub: method, positional and named arguments, and the multiCall that bundles several.

use std::collections::BTreeMap;

use super::fault::Fault;
use super::xmlrpc::Value;

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
pub fn split_answers(answer: Value, count: usize) -> Option<Vec<Result<Value, Fault>>> {
    let Value::Array(entries) = answer else { return None };
    if entries.len() != count {
        return None;
    }
    entries
        .into_iter()
        .map(|entry| match entry {
            Value::Array(mut values) if values.len() == 1 => values.pop().map(Ok),
            other => Fault::from_value(&other).map(Err),
        })
        .collect()
}
