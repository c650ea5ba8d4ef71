//! Builds commands of the AWS CLI, word by word, so that no value can become syntax.

use crate::base::shell::quote;

/// One command in the making.
#[derive(Debug, Clone)]
pub(super) struct Command(String);

impl Command {
    /// `aws <service> <operation>`; both are this product's own text.
    pub(super) fn aws(operation: &'static str) -> Self {
        Self(format!("aws {operation}"))
    }

    /// `sam <operation>`: the SAM CLI, of the AWS CLI's credentials and options.
    pub(super) fn sam(operation: &'static str) -> Self {
        Self(format!("sam {operation}"))
    }

    /// `--name`: an option without a value.
    pub(super) fn flag(mut self, name: &'static str) -> Self {
        self.0.push_str(&format!(" {name}"));
        self
    }

    /// `--name 'value'`, or `--name='value'` where the value begins with a dash and would be read as an option.
    pub(super) fn option(mut self, name: &'static str, value: &str) -> Self {
        let separator = if value.starts_with('-') { '=' } else { ' ' };
        self.0.push_str(&format!(" {name}{separator}{}", quote(value)));
        self
    }

    /// `--name 'a' 'b'`: an option that takes several values, none of which begins with a dash.
    pub(super) fn values(mut self, name: &'static str, values: &[String]) -> Self {
        self.0.push_str(&format!(" {name}"));
        for value in values {
            self.0.push_str(&format!(" {}", quote(value)));
        }
        self
    }

    /// `--name file://<artefact>`.
    pub(super) fn file(mut self, name: &'static str, artifact: &'static str) -> Self {
        self.0.push_str(&format!(" {name} file://{artifact}"));
        self
    }

    /// `--name <artefact>`, for options that take a path.
    pub(super) fn file_name(mut self, name: &'static str, artifact: &'static str) -> Self {
        self.0.push_str(&format!(" {name} {artifact}"));
        self
    }

    /// Prints one value of the answer as bare text.
    pub(super) fn printing(self, query: &str) -> Self {
        Self(format!("{} --query {} --output text", self.0, quote(query)))
    }

    /// Prints the answer, or a part of it, as JSON.
    pub(super) fn printing_json(self, query: &str) -> Self {
        Self(format!("{} --query {} --output json", self.0, quote(query)))
    }

    /// Runs this after `self` has succeeded.
    pub(super) fn then(self, next: &Self) -> Self {
        self.then_raw(&next.0)
    }

    /// Runs a command that is none of the AWS CLI after `self` has succeeded.
    pub(super) fn then_raw(self, next: &str) -> Self {
        Self(format!("{} && {next}", self.0))
    }

    /// The command that takes the answer of `inner` as the value of `--name`.
    pub(super) fn option_from(mut self, name: &'static str, inner: &Self) -> Self {
        self.0.push_str(&format!(" {name} \"$({})\"", inner.0));
        self
    }
}

impl From<Command> for String {
    fn from(command: Command) -> Self {
        command.0
    }
}

/// A text as a literal of the CLI's query language.
pub(super) fn literal(value: &str) -> String {
    format!("`{}`", serde_json::Value::from(value).to_string().replace('`', "\\`"))
}

/// Prints the account that the engineer is signed in to.
pub(super) fn account() -> Command {
    Command::aws("sts get-caller-identity").printing("Account")
}
