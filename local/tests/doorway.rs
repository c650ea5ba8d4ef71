//! Both ports as their callers find them: raw requests over loopback, as web pages, the AWS CLI and stalled clients
//! send them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use local::clock::ProductClock;
use local::cloud::{Cloud, CloudConfig};
use local::gateway::Gateway;
use local::seam::Seam;
use local::server::{Controls, Stack, listen};
use local::tokens::Tokens;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const FRONTEND: &str = "https://finops.example";
/// Longer than any caller may stall.
const A_MINUTE: Duration = Duration::from_secs(60);

/// The two ports of a stack without functions.
struct Ports {
    api: SocketAddr,
    aws: SocketAddr,
    cloud: Cloud,
}

async fn start() -> anyhow::Result<Ports> {
    let (clock, tokens) = (ProductClock::open(None)?, Tokens::of_process()?);
    let controls = Controls {
        tokens: Arc::clone(&tokens),
        clock: clock.clone(),
        aws_url: String::new(),
        run_schedule: Arc::new(|_| Box::pin(async { Ok(json!("ran")) })),
        settle: Arc::new(|()| Box::pin(async { Ok(json!("settled")) })),
        messages: Arc::new(|_| Box::pin(async { Ok(json!([])) })),
        is_ready: Arc::new(AtomicBool::new(true)),
    };
    let gateway = Gateway::new(Vec::new(), tokens, clock, vec![FRONTEND.to_owned()], Seam::default());
    let (stack, cloud) = (Arc::new(Stack { gateway, controls }), Cloud::start(CloudConfig::default())?);
    let (api, aws) = (listen(0).await?, listen(0).await?);
    let ports = Ports { api: api.local_addr()?, aws: aws.local_addr()?, cloud: cloud.clone() };
    tokio::spawn(stack.serve(api, std::future::pending()));
    tokio::spawn(async move { cloud.serve(aws).await });
    Ok(ports)
}

/// Everything that the server says until it ends the connection.
async fn exchange(port: SocketAddr, request: &str) -> anyhow::Result<String> {
    let mut connection = TcpStream::connect(port).await?;
    connection.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await?;
    Ok(answer)
}

fn status_of(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or("none")
}

/// A request with a body that asks for the connection to end; `HOST` in a header is the port's own authority.
fn request(port: SocketAddr, target: &str, headers: &[&str], body: &str) -> String {
    let headers: String = headers.iter().map(|h| format!("{}\r\n", h.replace("HOST", &port.to_string()))).collect();
    let length = body.len();
    format!("POST {target} HTTP/1.1\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n{body}")
}

fn signed(service: &str) -> String {
    let scope = format!("Credential=AKIA444455556666LEAD/20260824/us-east-1/{service}/aws4_request");
    format!("authorization: AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=0")
}

#[tokio::test]
async fn both_ports_answer_programs_and_their_own_pages_and_refuse_every_other_page() -> anyhow::Result<()> {
    let ports = start().await?;
    let (form, sts) = ("content-type: application/x-www-form-urlencoded", signed("sts"));
    let identity = "Action=GetCallerIdentity&Version=2011-06-15";
    for (headers, api, aws) in [
        (&["host: HOST"][..], "200", "200"),
        (&["host: localhost:3000"], "200", "200"),
        (&["host: HOST", "origin: http://HOST", "sec-fetch-site: same-origin"], "200", "200"),
        (&["host: HOST", "origin: https://finops.example", "sec-fetch-site: cross-site"], "200", "403"),
        // A name of the page's own that resolves to this machine: what the browser sends is of one origin then.
        (&["host: evil.example", "origin: http://evil.example", "sec-fetch-site: same-origin"], "421", "421"),
        (&["host: evil.example:3001"], "421", "421"),
        (&["host: dynamodb.us-east-1.amazonaws.com"], "421", "421"),
        (&["host: HOST", "host: evil.example"], "421", "421"),
        // A form, or a call that asks for no permission.
        (&["host: HOST", "origin: https://evil.example", "sec-fetch-site: cross-site"], "403", "403"),
        (&["host: HOST", "origin: null"], "403", "403"),
        (&["host: HOST", "origin: http://localhost:9999", "sec-fetch-site: same-site"], "403", "403"),
        (&["host: HOST", "sec-fetch-site: cross-site"], "403", "403"),
    ] {
        let headers = [headers, &[form]].concat();
        let settle = exchange(ports.api, &request(ports.api, "/_local/settle", &headers, "")).await?;
        assert_eq!(status_of(&settle), api, "{headers:?}: {settle}");
        let headers = [&headers[..], &[&sts]].concat();
        let asked = exchange(ports.aws, &request(ports.aws, "/", &headers, identity)).await?;
        assert_eq!(status_of(&asked), aws, "{headers:?}: {asked}");
    }
    Ok(())
}

#[tokio::test]
async fn a_form_without_origin_makes_no_role_sends_no_mail_and_issues_no_token() -> anyhow::Result<()> {
    let ports = start().await?;
    let host = "host: HOST";
    let create = "Action=CreateRole&Version=2010-05-08&RoleName=evil&AssumeRolePolicyDocument=%7B%7D";
    let send = "Action=Publish&Version=2010-03-31&TopicArn=arn:aws:sns:us-east-1:111122223333:t&Message=evil";
    for (service, body) in [("iam", create), ("sns", send), ("sts", "Action=GetCallerIdentity&Version=2011-06-15")] {
        let target = format!("/?X-Amz-Credential=AKIAEVIL/20260824/us-east-1/{service}/aws4_request");
        let headers = [host, "content-type: application/x-www-form-urlencoded"];
        let answer = exchange(ports.aws, &request(ports.aws, &target, &headers, body)).await?;
        assert_eq!(status_of(&answer), "403", "{service}: {answer}");
        assert!(answer.contains("MissingAuthenticationToken"), "{answer}");
    }
    assert!(ports.cloud.messages(None)?.is_empty());
    for content_type in ["content-type: text/plain", "content-type: multipart/form-data; boundary=x"] {
        let body = r#"{"sub":"eve","groups":["finops-lead"]}"#;
        let answer = exchange(ports.api, &request(ports.api, "/_local/tokens", &[host, content_type], body)).await?;
        assert_eq!(status_of(&answer), "415", "{answer}");
        assert!(!answer.contains("token\":"), "{answer}");
    }
    Ok(())
}

/// The clock is paused, so that it runs ahead to the next time limit as soon as everybody waits.
#[tokio::test(start_paused = true)]
async fn who_stalls_in_the_header_or_in_the_body_loses_the_connection_on_both_ports() -> anyhow::Result<()> {
    let ports = start().await?;
    let sts = signed("sts");
    let stalled_since = tokio::time::Instant::now();
    for (port, target) in [(ports.api, "/_local/settle"), (ports.aws, "/")] {
        for header in ["", "POST / HTTP/1.1\r\nhost: 127.0.0.1\r\nx-sl"] {
            assert_eq!(exchange(port, header).await?, "", "{port}: nothing is said to who said nothing whole");
        }
        let stalled = format!("POST {target} HTTP/1.1\r\nhost: {port}\r\n{sts}\r\ncontent-length: 9\r\n\r\n{{");
        let answer = exchange(port, &stalled).await?;
        assert_eq!(status_of(&answer), "408", "{answer}");
        let chunked = format!("POST {target} HTTP/1.1\r\nhost: {port}\r\ntransfer-encoding: chunked\r\n\r\n1\r\n{{");
        let answer = exchange(port, &chunked).await?;
        assert_eq!(status_of(&answer), "408", "{answer}");
        let huge = format!("POST {target} HTTP/1.1\r\nhost: {port}\r\ncontent-length: 99999999\r\n\r\n");
        let answer = exchange(port, &huge).await?;
        assert_eq!(status_of(&answer), "413", "{answer}");
    }
    // Two headers and two bodies on each port.
    assert!(stalled_since.elapsed() < 8 * A_MINUTE, "{:?}", stalled_since.elapsed());
    Ok(())
}
