//! A function's settings: its environment, read once at start-up, or whatever the local stack and tests give.

use std::collections::BTreeMap;
use std::fmt;

/// The settings given to a function, as an explicit map.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<String, String>);

/// A setting that a function cannot start without.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnvironmentError {
    /// The variable is not there.
    #[error("the environment variable `{0}` is not set; the template sets it for this function")]
    Unset(String),
    /// The variable is there and cannot be used.
    #[error("the environment variable `{name}` is broken: {why}")]
    Broken {
        /// Which one.
        name: String,
        /// What is wrong with it; never the value, which may be a secret.
        why: String,
    },
}

impl Environment {
    /// The process's environment, read once. Variables that are not Unicode are left out.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the process's environment")]
    pub fn from_process() -> Self {
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        Self(std::env::vars_os().filter_map(text).collect())
    }

    /// The value of a variable; an empty value counts as unset, as CloudFormation cannot leave one out.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The value of a variable that must be there.
    ///
    /// # Errors
    /// [`EnvironmentError::Unset`].
    pub fn require(&self, name: &str) -> Result<&str, EnvironmentError> {
        self.get(name).ok_or_else(|| EnvironmentError::Unset(name.to_owned()))
    }

    /// The value of a variable, parsed; `None` when it is unset.
    ///
    /// # Errors
    /// [`EnvironmentError::Broken`] when it does not parse.
    pub fn parse<T>(&self, name: &str) -> Result<Option<T>, EnvironmentError>
    where
        T: std::str::FromStr,
        T::Err: fmt::Display,
    {
        let broken = |why: T::Err| EnvironmentError::Broken { name: name.to_owned(), why: why.to_string() };
        self.get(name).map(|value| value.parse().map_err(broken)).transpose()
    }

    /// The same settings with one more.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.0.insert(name.into(), value.into());
        self
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        Self(pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

/// Names only: values hold credentials.
impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unset_and_broken_are_told_apart_and_values_are_never_shown() {
        let env: Environment = [("PORT", "many"), ("SECRET", "hunter2"), ("EMPTY", "")].into_iter().collect();
        assert_eq!(env.require("TABLE"), Err(EnvironmentError::Unset("TABLE".to_owned())));
        assert_eq!(env.require("EMPTY"), Err(EnvironmentError::Unset("EMPTY".to_owned())));
        assert!(matches!(env.parse::<u16>("PORT"), Err(EnvironmentError::Broken { .. })));
        assert_eq!(env.parse::<u16>("NONE"), Ok(None));
        assert!(!format!("{env:?}").contains("hunter2"));
    }
}
