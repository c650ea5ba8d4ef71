//! The doorway of both ports: who may come in, and how long a caller may take.
//!
//! Both ports listen on loopback, which keeps other machines out and the web pages of this machine's browser in. A
//! page reaches a loopback port through a name of its own that resolves to 127.0.0.1 (DNS rebinding), or sends it a
//! form, which asks nobody first. So what names another host, or comes from a page of another origin, is refused
//! before it is read.

use std::convert::Infallible;
use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, HOST, ORIGIN};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::{Body as _, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpListener;

/// A client that sends no complete header within this time is gone.
const HEADER_TIMEOUT: Duration = Duration::from_secs(15);
/// A body comes over loopback, or not at all.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);
/// What runs when the stack is told to end has this long to finish.
const FAREWELL: Duration = Duration::from_secs(5);
/// How a browser says where the page stands that makes a call; pages cannot set it (Fetch Metadata Request Headers).
const SEC_FETCH_SITE: &str = "sec-fetch-site";

/// Why a caller is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Stranger {
    /// It called a name that is not this machine's.
    #[error("this server answers to 127.0.0.1 and localhost only; call it by one of them")]
    OtherHost,
    /// A web page of another origin sent it.
    #[error("pages of another origin may not call this server; call it from its own pages or from a program")]
    OtherOrigin,
}

impl Stranger {
    /// The status that says so.
    pub(crate) const fn status(self) -> StatusCode {
        match self {
            Self::OtherHost => StatusCode::MISDIRECTED_REQUEST,
            Self::OtherOrigin => StatusCode::FORBIDDEN,
        }
    }
}

/// Why a body was not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unread {
    /// It is larger than the port takes.
    TooLarge,
    /// It did not come in time.
    TooSlow,
    /// The connection broke, or it is no body.
    Broken,
}

/// Whether a request may come in: to a loopback name, and from no page but those of its own origin and of the allowed
/// ones.
///
/// A request without these headers is no browser's: the AWS CLI, the SDKs and curl send no `Origin` and no
/// `Sec-Fetch-Site`.
///
/// # Errors
/// [`Stranger`].
pub(crate) fn admit<B>(request: &Request<B>, allows: impl Fn(&str) -> bool) -> Result<(), Stranger> {
    let headers = request.headers();
    let authority = request.uri().authority().map(http::uri::Authority::as_str);
    let host = single(headers, HOST.as_str()).map_err(|Repeated| Stranger::OtherHost)?;
    // INVARIANT: an origin counts as this port's own only after its host was found to be loopback.
    if [authority, host].into_iter().flatten().any(|name| !is_loopback(name)) {
        return Err(Stranger::OtherHost);
    }
    let other = |Repeated| Stranger::OtherOrigin;
    let origin = single(headers, ORIGIN.as_str()).map_err(other)?;
    let is_own = |origin: &str| host.is_some_and(|host| origin.strip_prefix("http://") == Some(host));
    if let Some(origin) = origin {
        return if is_own(origin) || allows(origin) { Ok(()) } else { Err(Stranger::OtherOrigin) };
    }
    // A page of another site that reads by an image or a link sends no origin, only this. `none` is a person who typed.
    match single(headers, SEC_FETCH_SITE).map_err(other)? {
        None | Some("same-origin" | "none") => Ok(()),
        Some(_) => Err(Stranger::OtherOrigin),
    }
}

/// Serves connections until `ended` is, then lets what runs finish.
pub(crate) async fn serve<A, F>(listener: TcpListener, answer: A, ended: impl Future<Output = ()>)
where
    A: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
    F: Future<Output = Response<Bytes>> + Send + 'static,
{
    let connections = GracefulShutdown::new();
    let mut ended = std::pin::pin!(ended);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut ended => break,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of file descriptors, say: those in use come back when their connections end.
                tracing::warn!(error = %error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        // Answers are small and whole; waiting to fill a packet only makes them late.
        let _ = stream.set_nodelay(true);
        let answer = answer.clone();
        let service = service_fn(move |request| {
            let answered = answer(request);
            async move { Ok::<_, Infallible>(answered.await.map(Full::new)) }
        });
        let mut builder = hyper::server::conn::http1::Builder::new();
        builder.timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT);
        let connection = connections.watch(builder.serve_connection(TokioIo::new(stream), service));
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(error = %error, "a connection ended early");
            }
        });
    }
    if tokio::time::timeout(FAREWELL, connections.shutdown()).await.is_err() {
        tracing::warn!("some calls did not finish in time");
    }
}

/// The whole body, if it is not too large and comes in time.
///
/// # Errors
/// [`Unread`]; the answer to it should end the connection, see [`closing`].
pub(crate) async fn read_whole(body: Incoming, bytes_max: usize) -> Result<Bytes, Unread> {
    // What announces itself as too large is not waited for.
    if body.size_hint().lower() > bytes_max as u64 {
        return Err(Unread::TooLarge);
    }
    match tokio::time::timeout(BODY_TIMEOUT, Limited::new(body, bytes_max).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Unread::TooLarge),
        Ok(Err(_)) => Err(Unread::Broken),
        Err(_) => Err(Unread::TooSlow),
    }
}

/// The same answer, after which the connection ends: the rest of the body that was not read would look like a request.
pub(crate) fn closing(mut response: Response<Bytes>) -> Response<Bytes> {
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

/// A header that should stand once stands twice, or holds no text: two readers could understand it differently.
struct Repeated;

fn single<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, Repeated> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(|_| Repeated),
        (Some(_), Some(_)) => Err(Repeated),
    }
}

/// Whether a host, with or without a port, is this machine by a name that nobody else can give away. A container
/// calls its host by the last one.
fn is_loopback(host: &str) -> bool {
    let is_port = |port: &str| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
    let name = host.rsplit_once(':').filter(|(_, port)| is_port(port)).map_or(host, |(name, _)| name);
    ["127.0.0.1", "localhost", "[::1]", "host.docker.internal"].iter().any(|own| name.eq_ignore_ascii_case(own))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRONTEND: &str = "http://localhost:5173";

    fn admitted(uri: &str, headers: &[(&str, &str)]) -> Result<u16, http::Error> {
        let request = headers.iter().fold(Request::post(uri), |request, (name, value)| request.header(*name, *value));
        let verdict = admit(&request.body(())?, |origin| origin == FRONTEND);
        Ok(verdict.map_or_else(|stranger| stranger.status().as_u16(), |()| 200))
    }

    /// A path, headers, and what they are answered with.
    type Row<'a> = (&'a str, &'a [(&'a str, &'a str)], u16);

    #[test]
    fn programs_and_own_pages_come_in_and_pages_of_others_stay_out() -> Result<(), http::Error> {
        let local = ("host", "127.0.0.1:3000");
        let site = |value| ("sec-fetch-site", value);
        let from = |value| ("origin", value);
        let rows: &[Row<'_>] = &[
            ("/", &[], 200),
            ("/", &[local], 200),
            ("/", &[("host", "localhost:1")], 200),
            ("/", &[("host", "LOCALHOST")], 200),
            ("/", &[("host", "[::1]:3000")], 200),
            ("http://127.0.0.1:3000/", &[local], 200),
            ("/", &[local, from("http://127.0.0.1:3000"), site("same-origin")], 200),
            ("/", &[local, from(FRONTEND), site("same-site")], 200),
            ("/", &[local, site("same-origin")], 200),
            ("/", &[local, site("none")], 200),
            ("/", &[("host", "evil.example")], 421),
            ("/", &[("host", "127.0.0.1.evil.example:3000")], 421),
            ("/", &[("host", "localhost.")], 421),
            ("/", &[("host", "localhost:evil.example")], 421),
            ("/", &[("host", "")], 421),
            ("/", &[local, ("host", "evil.example")], 421),
            ("http://evil.example/", &[local], 421),
            ("/", &[("host", "evil.example"), from("http://evil.example")], 421),
            ("/", &[local, from("http://evil.example")], 403),
            ("/", &[local, from("null")], 403),
            ("/", &[local, from("")], 403),
            ("/", &[local, from("http://127.0.0.1:8080")], 403),
            ("/", &[local, from("https://127.0.0.1:3000")], 403),
            ("/", &[local, from("http://127.0.0.1:3000"), from("http://evil.example")], 403),
            ("/", &[local, site("cross-site")], 403),
            ("/", &[local, site("same-site")], 403),
            ("/", &[local, site("none"), site("cross-site")], 403),
        ];
        for (uri, headers, expected) in rows {
            assert_eq!(admitted(uri, headers)?, *expected, "{uri} {headers:?}");
        }
        Ok(())
    }
}
