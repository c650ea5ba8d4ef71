//! The Claude Platform on loopback: checks every signature, and answers with the chunks that the test hands it, when the
//! test hands them over.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::{Mutex, mpsc};

use crate::sigv4::{Arrived, verify};
use crate::{KEY, REGION, SECRET};

/// A request whose signature was found right.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) signed: Vec<String>,
    pub(crate) body: Bytes,
}

/// What the test hands over, piece by piece.
pub(crate) enum Piece {
    Chunk(&'static str),
    /// The connection breaks.
    Break,
}

/// The test's end of one server.
pub(crate) struct Platform {
    pub(crate) address: SocketAddr,
    pub(crate) seen: mpsc::UnboundedReceiver<Result<Seen, String>>,
    pub(crate) answers: mpsc::UnboundedSender<(Response<()>, mpsc::UnboundedReceiver<Piece>)>,
}

type Answers = Arc<Mutex<mpsc::UnboundedReceiver<(Response<()>, mpsc::UnboundedReceiver<Piece>)>>>;

impl Platform {
    pub(crate) async fn start() -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (to_test, seen) = mpsc::unbounded_channel();
        let (answers, from_test) = mpsc::unbounded_channel();
        let from_test: Answers = Arc::new(Mutex::new(from_test));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (to_test, from_test) = (to_test.clone(), Arc::clone(&from_test));
                let service = service_fn(move |request| answer(request, to_test.clone(), Arc::clone(&from_test)));
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service),
                );
            }
        });
        Ok(Self { address, seen, answers })
    }

    /// Answers the next call with this head; the body is what comes through the returned end, and ends when it is dropped.
    pub(crate) fn will_answer(&self, head: http::response::Builder) -> mpsc::UnboundedSender<Piece> {
        let (pieces, body) = mpsc::unbounded_channel();
        let head = head.body(()).expect("a head");
        self.answers.send((head, body)).expect("the server runs");
        pieces
    }

    /// The next call, whose signature must be right.
    pub(crate) async fn next_call(&mut self) -> Seen {
        self.seen.recv().await.expect("the server runs").expect("a right signature")
    }
}

async fn answer(
    request: Request<Incoming>,
    to_test: mpsc::UnboundedSender<Result<Seen, String>>,
    from_test: Answers,
) -> Result<Response<Pieces>, Infallible> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.expect("a whole body").to_bytes();
    let mut headers = BTreeMap::new();
    for (name, value) in &parts.headers {
        let before = headers.insert(name.to_string(), value.to_str().expect("a text").to_owned());
        assert!(before.is_none(), "{name} stands twice");
    }
    let arrived = Arrived {
        method: parts.method.as_str(),
        path: parts.uri.path(),
        query: parts.uri.query().unwrap_or_default(),
        headers: &headers,
        body: &body,
    };
    let verified = verify(&arrived, KEY, SECRET, REGION, "aws-external-anthropic");
    let wrong = verified.is_err();
    let (method, target) = (parts.method.to_string(), parts.uri.to_string());
    to_test.send(verified.map(|signed| Seen { method, target, headers, signed, body })).expect("the test listens");
    if wrong {
        let mut forbidden = Response::new(Pieces(mpsc::unbounded_channel().1));
        *forbidden.status_mut() = http::StatusCode::FORBIDDEN;
        return Ok(forbidden);
    }
    let (head, body) = from_test.lock().await.recv().await.expect("the test answers");
    Ok(head.map(|()| Pieces(body)))
}

/// A body made of what the test hands over.
pub(crate) struct Pieces(mpsc::UnboundedReceiver<Piece>);

impl Body for Pieces {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        self.0.poll_recv(cx).map(|piece| match piece? {
            Piece::Chunk(text) => Some(Ok(Frame::data(Bytes::from_static(text.as_bytes())))),
            Piece::Break => Some(Err(std::io::ErrorKind::ConnectionReset.into())),
        })
    }
}
