//! The answer on its way back: its head as it came, its body chunk by chunk as it comes, nothing gathered.

use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::response::Parts;
use http_body_util::BodyExt as _;
use lambda_runtime::MetadataPrelude;
use lambda_runtime::streaming::{Body, Response, channel};
use serde_json::json;
use tokio::time::{Instant, timeout};

use crate::refusal::Refusal;
use crate::upstream::chain;

/// A stream that says nothing for so long is dead: the platform sends a `ping` event every few seconds.
const SILENCE_MAX: Duration = Duration::from_secs(120);

/// Headers that speak of one connection only (RFC 9110, 7.6.1), and the length, which Lambda's own framing replaces.
const OF_THE_CONNECTION: [HeaderName; 9] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    header::PROXY_AUTHENTICATE,
    HeaderName::from_static("proxy-connection"),
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::CONTENT_LENGTH,
];

/// The platform's answer, streamed until `deadline`.
pub(crate) fn stream<B>(head: &Parts, body: B, deadline: Instant) -> Response<Body>
where
    B: hyper::body::Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    let events = head.headers.get(header::CONTENT_TYPE).is_some_and(|t| t.as_bytes().starts_with(b"text/event-stream"));
    let (sender, stream) = channel();
    tokio::spawn(pump(body, sender, events, deadline));
    let cookies = head.headers.get_all(header::SET_COOKIE).iter().filter_map(|c| c.to_str().ok()).map(str::to_owned);
    let metadata_prelude =
        MetadataPrelude { status_code: head.status, cookies: cookies.collect(), headers: end_to_end(&head.headers) };
    Response { metadata_prelude, stream }
}

/// A refusal as an answer.
pub(crate) fn refuse(refusal: &Refusal) -> Response<Body> {
    let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
    let metadata_prelude = MetadataPrelude { status_code: refusal.status, headers, cookies: Vec::new() };
    Response { metadata_prelude, stream: Body::from(refusal.body()) }
}

/// Passes chunks on. An event stream that breaks off ends in an `error` event, as the platform's own do; any other body
/// is cut off through Lambda, and is then no JSON that anybody takes for whole.
async fn pump<B>(mut body: B, mut sender: lambda_runtime::streaming::Sender, events: bool, deadline: Instant)
where
    B: hyper::body::Body<Data = Bytes> + Unpin,
    B::Error: std::error::Error + 'static,
{
    loop {
        let patience = SILENCE_MAX.min(deadline.saturating_duration_since(Instant::now()));
        let broken = match timeout(patience, body.frame()).await {
            Ok(None) => return,
            Ok(Some(Ok(frame))) => {
                let Ok(data) = frame.into_data() else { continue };
                match sender.send_data(data).await {
                    Ok(()) => continue,
                    // Lambda stopped listening: nobody is there to be told.
                    Err(_) => return,
                }
            }
            Ok(Some(Err(error))) => format!("the platform broke off: {}", chain(&error)),
            Err(_) if patience < SILENCE_MAX => "this function's time ran out".to_owned(),
            Err(_) => format!("the platform was silent for {} s", SILENCE_MAX.as_secs()),
        };
        tracing::error!(why = %broken, "an answer was cut off");
        if events {
            let error = json!({ "type": "error", "error": { "type": "api_error", "message": broken } });
            // The blank line first ends an event that was cut in the middle. If nobody listens, nobody is told.
            let _told = sender.send_data(format!("\n\nevent: error\ndata: {error}\n\n").into()).await;
        } else {
            sender.abort();
        }
        return;
    }
}

/// The headers that are for the caller. Lambda takes one value for each name, so repeated ones become a list.
fn end_to_end(headers: &HeaderMap) -> HeaderMap {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    let mut kept = HeaderMap::new();
    for name in headers.keys() {
        if OF_THE_CONNECTION.contains(name) || named.contains(name) || *name == header::SET_COOKIE {
            continue;
        }
        let values: Vec<&[u8]> = headers.get_all(name).iter().map(HeaderValue::as_bytes).collect();
        if let Ok(value) = HeaderValue::from_bytes(&values.join(&b", "[..])) {
            kept.insert(name.clone(), value);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use hyper::body::Frame;

    use super::*;

    /// Some chunks, and then an error or silence.
    struct Script(Vec<Result<&'static str, std::io::ErrorKind>>);

    impl hyper::body::Body for Script {
        type Data = Bytes;
        type Error = std::io::Error;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
            match self.0.pop() {
                None => Poll::Pending,
                Some(Ok(text)) => Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(text.as_bytes()))))),
                Some(Err(kind)) => Poll::Ready(Some(Err(kind.into()))),
            }
        }
    }

    fn head(content_type: &'static str) -> Parts {
        let mut head = http::Response::new(()).into_parts().0;
        head.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        head
    }

    async fn check(
        content_type: &'static str,
        last: Option<std::io::ErrorKind>,
        allowed: Duration,
    ) -> Result<String, ()> {
        let mut script: Vec<_> = last.into_iter().map(Err).collect();
        script.push(Ok("data: 1\n"));
        let answer = stream(&head(content_type), Script(script), Instant::now() + allowed);
        let gathered = answer.stream.collect().await.map_err(|_| ())?.to_bytes();
        Ok(String::from_utf8_lossy(&gathered).into_owned())
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_that_breaks_off_or_falls_silent_ends_in_an_error_that_says_so() {
        let (events, long, short) =
            ("text/event-stream; charset=utf-8", Duration::from_secs(800), Duration::from_secs(9));
        for (last, allowed, why) in [
            (Some(std::io::ErrorKind::ConnectionReset), long, "broke off"),
            (None, long, "silent for 120 s"),
            (None, short, "time ran out"),
        ] {
            let text = check(events, last, allowed).await.unwrap_or_default();
            let (passed, told) = text.split_once("\n\n").unwrap_or_default();
            assert_eq!(passed, "data: 1\n".trim_end(), "{text}");
            assert!(told.contains("event: error\ndata: {") && told.contains(why) && told.ends_with("}\n\n"), "{text}");
            assert!(check("application/json", last, allowed).await.is_err(), "a cut document is no document: {why}");
        }
    }

    #[test]
    fn headers_of_the_connection_stay_on_it_and_repeated_ones_become_one() {
        let mut head = http::Response::builder();
        for (name, value) in [
            ("request-id", "req_1"),
            ("vary", "a"),
            ("vary", "b"),
            ("connection", "close, X-Hop"),
            ("x-hop", "1"),
            ("keep-alive", "timeout=5"),
            ("transfer-encoding", "chunked"),
            ("content-length", "12"),
            ("set-cookie", "a=1"),
        ] {
            head = head.header(name, value);
        }
        let kept = end_to_end(head.headers_ref().unwrap_or(&HeaderMap::new()));
        let kept: Vec<_> = kept.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        assert_eq!(kept, [("request-id", &b"req_1"[..]), ("vary", b"a, b")]);
    }
}
