//! The loopback server: the API on its gateway, and the stack's own controls under `/_local/`.
//!
//! It listens on 127.0.0.1 and answers only to loopback names, so that no page of the web reaches it through a name of
//! its own (DNS rebinding). [`Stack::call`] is the whole of it without sockets.

mod controls;

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{HOST, ORIGIN};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::{Body as _, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpListener;

pub use self::controls::{ControlError, Controls, Handle};

use crate::gateway::{BODY_BYTES_MAX, Gateway, reply};

/// A client that sends no complete header within this time is gone.
const HEADER_TIMEOUT: Duration = Duration::from_secs(15);
/// A body comes over loopback, or not at all.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);
/// What runs when the stack is told to end has this long to finish.
const FAREWELL: Duration = Duration::from_secs(5);
/// The controls' paths begin with this.
const CONTROLS_PREFIX: &str = "/_local/";

/// Why the server does not listen.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Somebody else listens there.
    #[error("port {0} is in use; end what listens there, or choose another with `--port` or `--aws-port`")]
    Busy(u16),
    /// The port is not for everybody.
    #[error("port {0} may not be used by this user; choose one from 1024 on with `--port`")]
    Forbidden(u16),
    /// The system refused.
    #[error("port {port} cannot be listened on")]
    Refused {
        /// Which port.
        port: u16,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Listens on a loopback port; port 0 lets the system choose one.
///
/// # Errors
/// [`ListenError`], which says what to do.
pub async fn listen(port: u16) -> Result<TcpListener, ListenError> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => ListenError::Busy(port),
        io::ErrorKind::PermissionDenied => ListenError::Forbidden(port),
        _ => ListenError::Refused { port, source },
    })
}

/// All that the port answers.
#[derive(Debug)]
pub struct Stack {
    /// The product's API.
    pub gateway: Gateway,
    /// The local stack's own.
    pub controls: Controls,
}

impl Stack {
    /// Answers one request whose body has been read.
    pub async fn call(&self, request: Request<Bytes>) -> Response<Bytes> {
        if !is_loopback(&request) {
            let text = "this server answers to 127.0.0.1 and localhost only";
            return reply::message(StatusCode::MISDIRECTED_REQUEST, text);
        }
        let Some(control) = request.uri().path().strip_prefix(CONTROLS_PREFIX).map(str::to_owned) else {
            return self.gateway.call(request).await;
        };
        let origin = request.headers().get(ORIGIN).map(|value| value.to_str().unwrap_or(""));
        if origin.is_some_and(|origin| !self.gateway.allows_origin(origin)) {
            return reply::message(StatusCode::FORBIDDEN, "pages of another origin may not control this stack");
        }
        self.controls.call(&control, &request).await
    }

    /// Serves until `ended` is, then lets what runs finish.
    pub async fn serve(self: Arc<Self>, listener: TcpListener, ended: impl Future<Output = ()>) {
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
            let stack = Arc::clone(&self);
            let service = service_fn(move |request| {
                let stack = Arc::clone(&stack);
                async move { Ok::<_, Infallible>(stack.answer(request).await) }
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

    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (head, body) = request.into_parts();
        let response = match whole(body).await {
            Ok(body) => self.call(Request::from_parts(head, body)).await,
            Err(refusal) => refusal,
        };
        response.map(Full::new)
    }
}

/// The whole body, if it is not too large and comes in time.
async fn whole(body: Incoming) -> Result<Bytes, Response<Bytes>> {
    let too_large = || reply::message(StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large");
    // What announces itself as too large is not waited for.
    if body.size_hint().lower() > BODY_BYTES_MAX as u64 {
        return Err(too_large());
    }
    match tokio::time::timeout(BODY_TIMEOUT, Limited::new(body, BODY_BYTES_MAX).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(_)) => Err(reply::message(StatusCode::BAD_REQUEST, "Bad Request")),
        Err(_) => Err(reply::message(StatusCode::REQUEST_TIMEOUT, "Request Timeout")),
    }
}

/// A missing name is HTTP/1.0's, or a test's.
fn is_loopback(request: &Request<Bytes>) -> bool {
    let Some(host) = request.headers().get(HOST) else { return true };
    let host = host.to_str().unwrap_or("");
    let name =
        host.rsplit_once(':').filter(|(_, port)| port.bytes().all(|b| b.is_ascii_digit())).map_or(host, |(n, _)| n);
    matches!(name, "127.0.0.1" | "localhost" | "[::1]" | "host.docker.internal")
}
