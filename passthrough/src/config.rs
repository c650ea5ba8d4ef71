//! What the process is given: where to forward, what is approved, and the execution role's credentials.

use aws_credential_types::Credentials;
use http::Uri;
use http::uri::{Authority, Scheme};

use crate::approved::Approved;

/// How the function is set up.
#[derive(Debug)]
pub struct Config {
    /// The Claude Platform's regional endpoint; a scheme and a host, no path.
    pub(crate) scheme: Scheme,
    pub(crate) host: Authority,
    pub(crate) region: String,
    pub(crate) credentials: Credentials,
    pub(crate) approved: Approved,
    /// The part of it that is approved for agents.
    pub(crate) agentic: Approved,
}

/// Why the function does not start: Lambda shows it as the reason why initialisation failed.
#[derive(Debug)]
pub enum ConfigError {
    /// A variable is not set.
    Unset(&'static str),
    /// A variable holds something else than what it must.
    Malformed {
        /// Its name.
        variable: &'static str,
        /// What it must hold.
        must: &'static str,
    },
    /// The operating system's certificates cannot be read.
    Certificates(std::io::Error),
}

impl std::fmt::Display for ConfigError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unset(variable) => write!(f, "the variable `{variable}` is not set; deploy the task's template"),
            Self::Malformed { variable, must } => write!(f, "the variable `{variable}` must hold {must}"),
            Self::Certificates(_) => write!(f, "the certificate authorities cannot be read"),
        }
    }
}

impl std::error::Error for ConfigError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Certificates(source) => Some(source),
            Self::Unset(_) | Self::Malformed { .. } => None,
        }
    }
}

impl Config {
    /// From `ENDPOINT`, `APPROVED` and `AGENTIC`, which the template sets, and `AWS_REGION`, `AWS_ACCESS_KEY_ID`,
    /// `AWS_SECRET_ACCESS_KEY` and `AWS_SESSION_TOKEN`, which Lambda sets.
    ///
    /// # Errors
    /// When one is unset or holds nonsense.
    pub fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let require = |name: &'static str| variable(name).filter(|v| !v.is_empty()).ok_or(ConfigError::Unset(name));
        let (scheme, host) = endpoint(&require("ENDPOINT")?)?;
        let approved_in = |variable, text: &str| {
            let must = "JSON: workspace id, then model id, then a list of actions";
            Approved::parse(text).ok_or(ConfigError::Malformed { variable, must })
        };
        let approved = approved_in("APPROVED", &require("APPROVED")?)?;
        if approved.is_empty() {
            return Err(ConfigError::Malformed { variable: "APPROVED", must: "at least one approved workspace" });
        }
        // Where nothing is approved for agents, the template of before names no such variable.
        let agentic = variable("AGENTIC").filter(|text| !text.is_empty());
        let agentic = agentic.map(|text| approved_in("AGENTIC", &text)).transpose()?.unwrap_or_default();
        let credentials = Credentials::new(
            require("AWS_ACCESS_KEY_ID")?,
            require("AWS_SECRET_ACCESS_KEY")?,
            variable("AWS_SESSION_TOKEN").filter(|token| !token.is_empty()),
            None,
            "lambda-environment",
        );
        Ok(Self { scheme, host, region: require("AWS_REGION")?, credentials, approved, agentic })
    }
}

/// An https origin; plain http only on loopback, where the tests' servers are.
fn endpoint(text: &str) -> Result<(Scheme, Authority), ConfigError> {
    let malformed = || ConfigError::Malformed { variable: "ENDPOINT", must: "an origin such as https://host" };
    let parts = text.parse::<Uri>().map_err(|_| malformed())?.into_parts();
    let bare = parts.path_and_query.is_none_or(|path| path == "/");
    let (Some(scheme), Some(host)) = (parts.scheme, parts.authority) else { return Err(malformed()) };
    let loopback = matches!(host.host(), "127.0.0.1" | "[::1]");
    let known = scheme == Scheme::HTTPS || (scheme == Scheme::HTTP && loopback);
    if bare && known && !host.as_str().contains('@') { Ok((scheme, host)) } else { Err(malformed()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: &'static str, value: &'static str) -> Result<Config, ConfigError> {
        Config::from_variables(|asked| match asked {
            _ if asked == name => Some(value.to_owned()),
            "ENDPOINT" => Some("https://aws-external-anthropic.us-west-2.api.aws".to_owned()),
            "APPROVED" => Some(r#"{"wrkspc_1":{"claude-sonnet-4-6":["inference"]}}"#.to_owned()),
            "AWS_SESSION_TOKEN" | "AGENTIC" => None,
            _ => Some("x".to_owned()),
        })
    }

    #[test]
    fn it_starts_with_a_whole_environment_and_with_no_other() {
        assert!(with("AWS_REGION", "us-west-2").is_ok());
        for name in ["ENDPOINT", "APPROVED", "AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
            assert!(matches!(with(name, ""), Err(ConfigError::Unset(unset)) if unset == name), "{name}");
        }
        for endpoint in
            ["nonsense", "http://a", "http://127.0.0.1.a", "https://a/b", "https://u:p@a", "ftp://127.0.0.1"]
        {
            let refused = with("ENDPOINT", endpoint);
            assert!(matches!(refused, Err(ConfigError::Malformed { variable: "ENDPOINT", .. })), "{endpoint}");
        }
        for approved in ["[]", "{}", r#"{"wrkspc_1":{"m":["everything"]}}"#, r#"{"wrkspc_1":{"m":[]}} x"#] {
            let refused = with("APPROVED", approved);
            assert!(matches!(refused, Err(ConfigError::Malformed { variable: "APPROVED", .. })), "{approved}");
        }
        for (agentic, starts) in [("", true), ("{}", true), (r#"{"wrkspc_1":{"m":["batch"]}}"#, true), ("[", false)] {
            assert_eq!(with("AGENTIC", agentic).is_ok(), starts, "{agentic}");
        }
    }

    #[test]
    fn the_session_token_is_kept_where_there_is_one() {
        assert!(with("AWS_SESSION_TOKEN", "t").is_ok_and(|c| c.credentials.session_token() == Some("t")));
        assert!(with("AWS_REGION", "r").is_ok_and(|c| c.credentials.session_token().is_none()));
    }
}
