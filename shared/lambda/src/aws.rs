//! The one seam to AWS: every SDK client of a function is made from here, over one shared HTTP client.
//!
//! Credentials, region and endpoint come from the variables that Lambda always sets; the profile, IMDS and SSO chains
//! are not linked. The TLS client is built at the first use, so that a cold start which calls nothing pays nothing.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_async::rt::sleep::{SharedAsyncSleep, TokioSleep};
use aws_smithy_async::time::{SharedTimeSource, SystemTimeSource};
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_runtime_api::client::behavior_version::BehaviorVersion;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_runtime_api::client::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::SdkConfig;
use aws_types::region::Region;

use crate::environment::{Environment, EnvironmentError};

/// The certificate authorities of every AWS endpoint (Amazon Trust Services repository). Reading these instead of the
/// operating system's whole trust store saves milliseconds of every cold start.
const AMAZON_ROOT_CAS: &[u8] = include_bytes!("aws/amazon-root-cas.pem");

/// AWS endpoints accept within milliseconds; a connection that takes longer is better tried again.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// One attempt of one call. The slowest call made synchronously is a page of an Athena result.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(8);
/// All attempts of one call, within the 30 s that an HTTP API waits for its answer.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(20);

/// How this process reaches AWS. Cheap to clone.
#[derive(Clone)]
pub struct Aws(Arc<Reach>);

struct Reach {
    http: OnceLock<SharedHttpClient>,
    roots: TrustStore,
    credentials: Credentials,
    region: String,
    endpoint_url: Option<String>,
    /// Whether what answers is in this process, which sends a body whole: nothing is to be watched for stalling.
    is_in_process: bool,
}

/// Why AWS cannot be reached from this process.
#[derive(Debug, thiserror::Error)]
pub enum AwsStartError {
    /// A variable that Lambda always sets is missing.
    #[error(transparent)]
    Environment(#[from] EnvironmentError),
    /// The file named by `AWS_CA_BUNDLE` cannot be read.
    #[error("the certificates in `{path}` (AWS_CA_BUNDLE) cannot be read")]
    CaBundle {
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

impl Aws {
    /// From the variables that Lambda sets: `AWS_REGION`, `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`,
    /// `AWS_SESSION_TOKEN`; and, off AWS, `AWS_ENDPOINT_URL` and `AWS_CA_BUNDLE`.
    ///
    /// # Errors
    /// When one of the first three is unset, or the bundle cannot be read.
    pub fn from_env(env: &Environment) -> Result<Self, AwsStartError> {
        let session = env.get("AWS_SESSION_TOKEN").map(str::to_owned);
        let roots = match env.get("AWS_CA_BUNDLE") {
            None => AMAZON_ROOT_CAS.to_vec(),
            Some(path) => {
                std::fs::read(path).map_err(|source| AwsStartError::CaBundle { path: path.to_owned(), source })?
            }
        };
        Ok(Self(Arc::new(Reach {
            http: OnceLock::new(),
            roots: TrustStore::empty().with_pem_certificate(roots),
            credentials: Credentials::new(
                env.require("AWS_ACCESS_KEY_ID")?,
                env.require("AWS_SECRET_ACCESS_KEY")?,
                session,
                None,
                "lambda-environment",
            ),
            region: env.require("AWS_REGION")?.to_owned(),
            endpoint_url: env.get("AWS_ENDPOINT_URL").map(str::to_owned),
            is_in_process: false,
        })))
    }

    /// Over a connector in this process, with made-up credentials: the local stack and the tests.
    #[must_use]
    pub fn in_process(http: SharedHttpClient, region: &str) -> Self {
        Self::in_process_at(http, region, None)
    }

    /// Like [`Self::in_process`], with the URL at which others reach the same services: links that are signed here (an
    /// export's) name that host.
    #[must_use]
    pub fn in_process_at(http: SharedHttpClient, region: &str, endpoint_url: Option<String>) -> Self {
        Self(Arc::new(Reach {
            http: OnceLock::from(http),
            roots: TrustStore::empty(),
            credentials: Credentials::new("AKIALOCALPROCESS0000", "local", None, None, "in-process"),
            region: region.to_owned(),
            endpoint_url,
            is_in_process: true,
        }))
    }

    /// The region this process runs in.
    #[must_use]
    pub fn region(&self) -> &str {
        &self.0.region
    }

    /// The configuration for clients in the process's own region.
    #[must_use]
    pub fn config(&self) -> SdkConfig {
        self.config_as(self.0.credentials.clone(), &self.0.region)
    }

    /// The configuration for clients in another region.
    #[must_use]
    pub fn config_in(&self, region: &str) -> SdkConfig {
        self.config_as(self.0.credentials.clone(), region)
    }

    /// The configuration for clients that act as somebody else: a role assumed in a member account.
    #[must_use]
    pub fn config_as(&self, credentials: Credentials, region: &str) -> SdkConfig {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .operation_attempt_timeout(ATTEMPT_TIMEOUT)
            .operation_timeout(OPERATION_TIMEOUT)
            .build();
        let mut config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(region.to_owned()))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .http_client(self.http())
            .retry_config(RetryConfig::standard())
            .timeout_config(timeouts)
            .sleep_impl(SharedAsyncSleep::new(TokioSleep::new()))
            .time_source(SharedTimeSource::new(SystemTimeSource::new()));
        config.set_endpoint_url(self.0.endpoint_url.clone());
        if self.0.is_in_process {
            config.set_stalled_stream_protection(Some(StalledStreamProtectionConfig::disabled()));
        }
        config.build()
    }

    fn http(&self) -> SharedHttpClient {
        self.0.http.get_or_init(|| https_client(self.0.roots.clone())).clone()
    }
}

fn https_client(roots: TrustStore) -> SharedHttpClient {
    let builder = aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring));
    match TlsContext::builder().with_trust_store(roots).build() {
        Ok(context) => builder.tls_context(context).build_https(),
        Err(error) => {
            // With no TLS context the client trusts the operating system's certificates: slower, never less strict.
            tracing::error!(error = %error, "the given certificates cannot be used; the system's are");
            builder.build_https()
        }
    }
}

impl fmt::Debug for Aws {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Aws").field("region", &self.0.region).field("endpoint_url", &self.0.endpoint_url).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lambda_environment() -> Environment {
        let names = ["AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"];
        names.into_iter().map(|name| (name, "eu-central-1")).collect()
    }

    #[test]
    fn a_missing_variable_or_bundle_stops_the_start() {
        assert!(Aws::from_env(&lambda_environment()).is_ok());
        assert!(matches!(Aws::from_env(&Environment::default()), Err(AwsStartError::Environment(_))));
        let unreadable = lambda_environment().with("AWS_CA_BUNDLE", "/nowhere/at-all.pem");
        assert!(matches!(Aws::from_env(&unreadable), Err(AwsStartError::CaBundle { .. })));
    }

    #[tokio::test]
    async fn the_shipped_authorities_make_a_client_and_an_endpoint_that_is_away_is_an_error()
    -> Result<(), AwsStartError> {
        // Port 9 is the discard service: nobody listens, and the TLS client is built all the same.
        let aws = Aws::from_env(&lambda_environment().with("AWS_ENDPOINT_URL", "https://127.0.0.1:9"))?;
        assert_eq!(aws.config_in("us-east-1").region().map(Region::as_ref), Some("us-east-1"));
        let client = aws_sdk_dynamodb::Client::new(&aws.config());
        assert!(client.list_tables().send().await.is_err());
        Ok(())
    }
}
