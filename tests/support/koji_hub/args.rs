//! A call's arguments, positional or named (Koji's `decode_args`), and times as the hub writes them.

use super::xmlrpc::{HubFault, Value};

/// Arguments of a call.
pub(crate) struct Args {
    method: String,
    positional: Vec<Value>,
    named: Vec<(String, Value)>,
}

impl Args {
    /// Takes named arguments out of a last struct that is marked by `__starstar`.
    pub(crate) fn new(method: &str, params: &[Value]) -> Args {
        let mut positional = params.to_vec();
        let marked = |value: &Value| value.get("__starstar").is_some_and(Value::is_true);
        let named = match positional.pop_if(|last| marked(last)) {
            Some(Value::Struct(members)) => members.into_iter().filter(|(name, _)| name != "__starstar").collect(),
            _ => Vec::new(),
        };
        Args { method: method.to_owned(), positional, named }
    }

    /// The argument, or nil.
    pub(crate) fn get(&self, at: usize, name: &str) -> &Value {
        let named = || self.named.iter().find(|(key, _)| key == name).map(|(_, value)| value);
        self.positional.get(at).or_else(named).unwrap_or(&Value::Nil)
    }

    /// The argument, which has to be there.
    pub(crate) fn required(&self, at: usize, name: &str) -> Result<&Value, HubFault> {
        if self.positional.len() > at || self.named.iter().any(|(key, _)| key == name) {
            return Ok(self.get(at, name));
        }
        let method = &self.method;
        Err(HubFault::new(1019, format!("RootExports.{method}() missing 1 required positional argument: '{name}'")))
    }

    pub(crate) fn int(&self, at: usize, name: &str) -> Result<i64, HubFault> {
        let value = self.required(at, name)?;
        value.as_int().ok_or_else(|| HubFault::new(1019, format!("Invalid type for value '{}'", value.repr())))
    }

    pub(crate) fn text(&self, at: usize, name: &str) -> Result<&str, HubFault> {
        let value = self.required(at, name)?;
        value.as_str().ok_or_else(|| HubFault::new(1019, format!("Invalid type for value '{}'", value.repr())))
    }

    pub(crate) fn positional(&self) -> &[Value] {
        &self.positional
    }

    /// Refuses named arguments that the method does not have.
    pub(crate) fn only(&self, names: &[&str]) -> Result<(), HubFault> {
        match self.named.iter().find(|(name, _)| !names.contains(&name.as_str())) {
            None => Ok(()),
            Some((name, _)) => {
                let method = &self.method;
                Err(HubFault::new(1019, format!("RootExports.{method}() got an unexpected keyword argument '{name}'")))
            }
        }
    }
}

/// `YYYY-MM-DD HH:MM:SS.ffffff+00:00`.
pub(crate) fn time_text(seconds: f64) -> String {
    #[expect(clippy::cast_possible_truncation, reason = "microseconds since 1970 fit for long")]
    let microseconds = (seconds * 1e6).round() as i64;
    let time = jiff::Timestamp::from_microsecond(microseconds).expect("a time of today");
    time.strftime("%Y-%m-%d %H:%M:%S.%6f+00:00").to_string()
}
