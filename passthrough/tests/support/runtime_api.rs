//! Lambda's Runtime API on loopback (Lambda developer guide, "Building a custom runtime"): hands out one invocation after
//! another, and shows the test the answer's bytes while they arrive.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::{Mutex, mpsc};

/// An answer that has begun: what its invocation is called, its headers, and its bytes as they come.
pub(crate) struct Answer {
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) chunks: mpsc::UnboundedReceiver<Bytes>,
}

pub(crate) struct RuntimeApi {
    pub(crate) address: SocketAddr,
    pub(crate) invocations: mpsc::UnboundedSender<Value>,
    pub(crate) answers: mpsc::UnboundedReceiver<Answer>,
}

type Invocations = Arc<Mutex<(u32, mpsc::UnboundedReceiver<Value>)>>;

impl RuntimeApi {
    pub(crate) async fn start() -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (invocations, queue) = mpsc::unbounded_channel();
        let (to_test, answers) = mpsc::unbounded_channel();
        let queue: Invocations = Arc::new(Mutex::new((0, queue)));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (queue, to_test) = (Arc::clone(&queue), to_test.clone());
                let service = service_fn(move |request| serve(request, Arc::clone(&queue), to_test.clone()));
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service),
                );
            }
        });
        Ok(Self { address, invocations, answers })
    }
}

async fn serve(
    request: Request<Incoming>,
    queue: Invocations,
    to_test: mpsc::UnboundedSender<Answer>,
) -> Result<Response<Full<Bytes>>, http::Error> {
    let (parts, mut body) = request.into_parts();
    if parts.uri.path().ends_with("/invocation/next") {
        let mut queue = queue.lock().await;
        let event = queue.1.recv().await.unwrap_or_default();
        queue.0 += 1;
        let ends = SystemTime::now() + Duration::from_secs(60);
        let millis = ends.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_millis();
        return Response::builder()
            .header("lambda-runtime-aws-request-id", format!("invocation-{}", queue.0))
            .header("lambda-runtime-deadline-ms", millis.to_string())
            .header("lambda-runtime-invoked-function-arn", "arn:aws:lambda:us-west-2:111122223333:function:f")
            .header("lambda-runtime-trace-id", "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700")
            .body(Full::from(event.to_string()));
    }
    let (chunk, chunks) = mpsc::unbounded_channel();
    let answer = Answer { path: parts.uri.path().to_owned(), headers: parts.headers, chunks };
    if to_test.send(answer).is_ok() {
        let mut seen = VecDeque::new();
        while let Some(Ok(frame)) = body.frame().await {
            seen.extend(frame.into_data().ok());
            while let Some(data) = seen.pop_front() {
                let _test_may_have_seen_enough = chunk.send(data);
            }
        }
    }
    Response::builder().status(202).body(Full::default())
}
