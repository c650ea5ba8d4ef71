//! The loopback server: the API on its gateway, and the stack's own controls under `/_local/`.
//!
//! Who may come in is the doorway's to say. [`Stack::call`] is the whole of it without sockets.

mod controls;

use std::future::Future;
use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use tokio::net::TcpListener;

pub use self::controls::{ControlError, Controls, Handle};

use crate::doorway::{self, Unread};
use crate::gateway::{BODY_BYTES_MAX, Gateway, reply};

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
        if let Err(stranger) = doorway::admit(&request, |origin| self.gateway.allows_origin(origin)) {
            return reply::message(stranger.status(), &stranger.to_string());
        }
        match request.uri().path().strip_prefix(CONTROLS_PREFIX).map(str::to_owned) {
            Some(control) => self.controls.call(&control, &request).await,
            None => self.gateway.call(request).await,
        }
    }

    /// Serves until `ended` is, then lets what runs finish.
    pub async fn serve(self: Arc<Self>, listener: TcpListener, ended: impl Future<Output = ()>) {
        let answer = move |request| {
            let stack = Arc::clone(&self);
            async move { stack.answer(request).await }
        };
        doorway::serve(listener, answer, ended).await;
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Bytes> {
        let (head, body) = request.into_parts();
        let (status, text) = match doorway::read_whole(body, BODY_BYTES_MAX).await {
            Ok(body) => return self.call(Request::from_parts(head, body)).await,
            Err(Unread::TooLarge) => (StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large"),
            Err(Unread::TooSlow) => (StatusCode::REQUEST_TIMEOUT, "Request Timeout"),
            Err(Unread::Broken) => (StatusCode::BAD_REQUEST, "Bad Request"),
        };
        doorway::closing(reply::message(status, text))
    }
}
