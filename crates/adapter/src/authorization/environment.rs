//! What operators set in a program's environment for an adapter.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::Error;

type Lookup = dyn Fn(&str) -> Result<Option<String>, Error> + Send + Sync;

/// The variables of a program's environment, and how it reports waits.
#[derive(Clone)]
pub struct Environment {
    lookup: Arc<Lookup>,
    /// Called before each retry, with its reason and the wait.
    pub on_wait: fn(&dyn fmt::Display, Duration),
}

impl Environment {
    /// Creates an environment whose variables are looked up. An empty variable counts as not set.
    pub fn new(lookup: impl Fn(&str) -> Result<Option<String>, Error> + Send + Sync + 'static) -> Self {
        Self { lookup: Arc::new(lookup), on_wait: |_, _| {} }
    }

    /// Creates an environment of these variables.
    pub fn of<N: Into<String>, V: Into<String>>(variables: impl IntoIterator<Item = (N, V)>) -> Self {
        let variables: BTreeMap<String, String> =
            variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        Self::new(move |name| Ok(variables.get(name).cloned()))
    }

    /// Reports waits before retries.
    #[must_use]
    pub fn on_wait(mut self, on_wait: fn(&dyn fmt::Display, Duration)) -> Self {
        self.on_wait = on_wait;
        self
    }

    /// Returns the value of a variable.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn variable(&self, name: &str) -> Result<Option<String>, Error> {
        Ok((self.lookup)(name)?.filter(|value| !value.is_empty()))
    }

    /// Returns a number or an amount of bytes: `8`, `128MiB`.
    ///
    /// # Errors
    /// [`crate::Kind::Invalid`] with the `example` if it is neither.
    pub fn number(&self, name: &str, example: &str) -> Result<Option<u64>, Error> {
        let Some(value) = self.variable(name)? else { return Ok(None) };
        let wrong =
            || Error::invalid(format!("{name} is '{value}', which is no number: write {example}, for instance"));
        domain::size::parse(&value).ok_or_else(wrong).map(Some)
    }
}

impl Default for Environment {
    /// An environment without variables.
    fn default() -> Self {
        Self::new(|_| Ok(None))
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Environment")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_variable_is_not_set_and_a_wrong_number_is_named() {
        let environment = Environment::of([("A", ""), ("B", "8MiB"), ("C", "much")]);
        assert_eq!(environment.variable("A").unwrap(), None);
        assert_eq!(environment.number("B", "1MiB").unwrap(), Some(8 << 20));
        let error = environment.number("C", "128MiB").unwrap_err().to_string();
        assert!(error.contains("C is 'much'") && error.contains("128MiB"), "{error}");
    }
}
