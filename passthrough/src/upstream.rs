//! The one call to the Claude Platform: signed with SigV4 under the execution role, over one HTTP/1.1 and TLS client.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{HeaderName, HeaderValue, Request, Response, Uri};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::crypto::ring::default_provider;

use crate::config::{Config, ConfigError};
use crate::event::Call;
use crate::refusal::Refusal;

/// The service that requests are signed for (AWS user guide of Claude Platform on AWS, "Authentication").
const SERVICE: &str = "aws-external-anthropic";
/// The API version that a call means which names none.
const VERSION: &str = "2023-06-01";
/// What a body is whose caller does not say; it was read as such.
const JSON: &str = "application/json";
/// The endpoint accepts within milliseconds; later it will not accept at all.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// A frozen function does not notice that a connection was closed. One that rested longer is not used again.
const IDLE_CONNECTION_MAX: Duration = Duration::from_secs(20);
/// The caller's headers that go on. All others are dropped: its credentials, its workspace, and what Lambda added.
const FORWARDED: [&str; 5] = ["accept", "anthropic-beta", "anthropic-version", "content-type", "idempotency-key"];

/// The platform's endpoint, and who calls it.
#[derive(Debug)]
pub(crate) struct Upstream {
    scheme: http::uri::Scheme,
    host: http::uri::Authority,
    region: String,
    credentials: Credentials,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

impl Upstream {
    /// The operating system's certificates are read here, once.
    pub(crate) fn new(config: &Config) -> Result<Self, ConfigError> {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
        let tls = HttpsConnectorBuilder::new()
            .with_provider_and_native_roots(default_provider())
            .map_err(ConfigError::Certificates)?;
        // Plain http gets no further than loopback: the configuration refuses it elsewhere.
        let connector = tls.https_or_http().enable_http1().wrap_connector(tcp);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_CONNECTION_MAX)
            .build(connector);
        let Config { scheme, host, region, credentials, .. } = config;
        Ok(Self {
            scheme: scheme.clone(),
            host: host.clone(),
            region: region.clone(),
            credentials: credentials.clone(),
            client,
        })
    }

    /// Sends the call into the workspace; resolves when the answer's head is there.
    pub(crate) async fn send(
        &self,
        call: Call,
        workspace: &str,
        now: SystemTime,
    ) -> Result<Response<Incoming>, Refusal> {
        let request = self.request(call, workspace, now)?;
        self.client.request(request).await.map_err(|error| {
            tracing::error!(error = %chain(&error), "the platform could not be reached");
            Refusal::unreachable("the platform could not be reached; try again".to_owned())
        })
    }

    fn request(&self, call: Call, workspace: &str, now: SystemTime) -> Result<Request<Full<Bytes>>, Refusal> {
        let odd = |_| Refusal::invalid("the path or the query holds characters that no URL holds".to_owned());
        let query = if call.query.is_empty() { String::new() } else { format!("?{}", call.query) };
        let target = format!("{}{query}", call.path).parse::<PathAndQuery>().map_err(odd)?;
        let uri = Uri::builder()
            .scheme(self.scheme.clone())
            .authority(self.host.clone())
            .path_and_query(target)
            .build()
            .map_err(|_| Refusal::invalid("the path is none of a URL".to_owned()))?;
        let headers = headers(&call, workspace)?;
        let signature = self
            .sign(&call, &uri.to_string(), &headers, now)
            .map_err(|why| Refusal::invalid(format!("the call cannot be signed: {why}")))?;
        let mut request = Request::new(Full::new(call.body));
        *request.method_mut() = call.method;
        *request.uri_mut() = uri;
        for (name, value) in headers {
            request.headers_mut().insert(HeaderName::from_static(name), value);
        }
        signature.apply_to_request_http1x(&mut request);
        Ok(request)
    }

    fn sign(
        &self,
        call: &Call,
        url: &str,
        headers: &BTreeMap<&'static str, HeaderValue>,
        now: SystemTime,
    ) -> Result<aws_sigv4::http_request::SigningInstructions, Box<dyn std::error::Error + Send + Sync>> {
        let identity = self.credentials.clone().into();
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(SERVICE)
            .time(now)
            .settings(SigningSettings::default())
            .build()?
            .into();
        let named = headers.iter().filter_map(|(name, value)| Some((*name, value.to_str().ok()?)));
        let signable = SignableRequest::new(call.method.as_str(), url, named, SignableBody::Bytes(&call.body))?;
        Ok(sign(signable, &parameters)?.into_parts().0)
    }
}

/// What goes on of the caller's headers, and what the platform asks for.
fn headers(call: &Call, workspace: &str) -> Result<BTreeMap<&'static str, HeaderValue>, Refusal> {
    let mut texts: BTreeMap<&'static str, &str> =
        FORWARDED.into_iter().filter_map(|name| Some((name, call.header(name)?))).collect();
    if !call.body.is_empty() {
        texts.entry("content-type").or_insert(JSON);
    }
    texts.entry("anthropic-version").or_insert(VERSION);
    texts.insert("anthropic-workspace-id", workspace);
    let value = |(name, text): (&'static str, &str)| match HeaderValue::from_str(text) {
        Ok(value) if value.to_str().is_ok() => Ok((name, value)),
        _ => Err(Refusal::invalid(format!("the header `{name}` holds more than printable ASCII"))),
    };
    texts.into_iter().map(value).collect()
}

/// An error with its causes, in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}
