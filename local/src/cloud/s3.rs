//! S3 over a folder, by `s3s` and `s3s-fs`: signatures are verified, so a presigned URL opens one object and expires.
//!
//! A bucket exists from its first object on. The folder given as `--cur` is linked in as the bucket [`CUR_BUCKET`] and
//! is never written. Every object that is put announces itself to EventBridge, as in buckets that are told to.

use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HOST};
use http::{HeaderValue, Method, Request, Response, Uri};
use http_body_util::BodyExt;
use percent_encoding::percent_decode_str;
use s3s::auth::{S3Auth, SecretKey};
use s3s::host::{S3Host, VirtualHost};
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{Body, S3Result};
use s3s_fs::FileSystem;
use serde_json::{Value, json};

use super::answer::{Fault, Protocol, fresh_id};
use super::caller::SECRET_ACCESS_KEY;

/// The bucket that an own CUR export folder is mounted as.
pub const CUR_BUCKET: &str = "finops-cur";

/// The buckets of the hub.
pub(crate) struct S3 {
    root: PathBuf,
    service: S3Service,
    mounted: bool,
}

/// What a request names; a bucket itself where the key is empty.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Object {
    pub(crate) bucket: String,
    pub(crate) key: String,
}

impl S3 {
    /// Serves the folder `root`, which exists, with `cur` mounted if given.
    pub(crate) fn open(root: &Path, cur: Option<&Path>) -> io::Result<Self> {
        mount(&root.join(CUR_BUCKET), cur)?;
        let files = FileSystem::new(root).map_err(|_| io::Error::other("the folder does not open"))?;
        let mut builder = S3ServiceBuilder::new(files);
        builder.set_auth(OneSecret);
        builder.set_host(AwsHosts);
        Ok(Self { root: root.to_owned(), service: builder.build(), mounted: cur.is_some() })
    }

    /// Answers one request; the second value is the detail of its "Object Created" event, if it created one.
    pub(crate) async fn call(&self, request: Request<Bytes>) -> (Response<Bytes>, Option<Value>) {
        let object = Object::of(&request);
        let writes = !matches!(*request.method(), Method::GET | Method::HEAD);
        if self.mounted && writes && object.bucket == CUR_BUCKET {
            return (refused(403, "AccessDenied", "the mounted CUR export is read-only"), None);
        }
        if object.key.split('/').any(|segment| segment == "..") {
            return (refused(400, "InvalidURI", "a key with `..` segments has no place in a folder"), None);
        }
        let puts = request.method() == Method::PUT && !object.key.is_empty() && is_bucket_name(&object.bucket);
        let made = if puts { std::fs::create_dir_all(self.root.join(&object.bucket)) } else { Ok(()) };
        if let Err(error) = made {
            return (refused(500, "InternalError", &error.to_string()), None);
        }
        let completes =
            request.method() == Method::POST && request.uri().query().is_some_and(|query| query.contains("uploadId="));
        let part = request.uri().query().is_some_and(|query| query.contains("partNumber="));
        let creates = !object.key.is_empty() && (completes || (request.method() == Method::PUT && !part));
        let size = request.body().len();
        let response = self.execute(request).await;
        let created = (creates && response.status().is_success()).then(|| object.created(&response, size));
        (response, created)
    }

    async fn execute(&self, mut request: Request<Bytes>) -> Response<Bytes> {
        let length = HeaderValue::from(request.body().len());
        let host = request.uri().authority().and_then(|host| HeaderValue::from_str(host.as_str()).ok());
        let path = request.uri().path_and_query().and_then(|path| path.as_str().parse::<Uri>().ok());
        if let Some(host) = host {
            request.headers_mut().entry(HOST).or_insert(host);
        }
        if let Some(path) = path {
            *request.uri_mut() = path;
        }
        request.headers_mut().entry(CONTENT_LENGTH).or_insert(length);
        let response = match self.service.call(request.map(Body::from)).await {
            Ok(response) => response,
            Err(error) => return refused(500, "InternalError", &format!("{error:?}")),
        };
        let (parts, body) = response.into_parts();
        match body.collect().await {
            Ok(body) => Response::from_parts(parts, body.to_bytes()),
            Err(error) => refused(500, "InternalError", &error.to_string()),
        }
    }
}

impl Object {
    pub(crate) fn of(request: &Request<Bytes>) -> Self {
        let path = percent_decode_str(request.uri().path()).decode_utf8_lossy().into_owned();
        let path = path.trim_start_matches('/');
        let host = request.headers().get(HOST).and_then(|host| host.to_str().ok());
        let host = host.or_else(|| request.uri().authority().map(http::uri::Authority::as_str)).unwrap_or_default();
        match bucket_in(host) {
            Some(bucket) => Self { bucket: bucket.to_owned(), key: path.to_owned() },
            None => {
                let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
                Self { bucket: bucket.to_owned(), key: key.to_owned() }
            }
        }
    }

    fn created(&self, response: &Response<Bytes>, size: usize) -> Value {
        let etag = response.headers().get("etag").and_then(|tag| tag.to_str().ok()).unwrap_or_default();
        json!({
            "version": "0",
            "bucket": {"name": self.bucket},
            "object": {"key": self.key, "size": size, "etag": etag.trim_matches('"'),
                           "sequencer": fresh_id().replace('-', "")},
            "request-id": fresh_id(),
            "requester": "local",
            "source-ip-address": "127.0.0.1",
            "reason": "PutObject",
        })
    }
}

/// Links the folder in under the bucket's name, or takes an earlier link away.
fn mount(link: &Path, cur: Option<&Path>) -> io::Result<()> {
    match std::fs::symlink_metadata(link) {
        Ok(found) if found.is_symlink() => std::fs::remove_file(link)?,
        Ok(_) if cur.is_some() => {
            return Err(io::Error::other(format!("`{CUR_BUCKET}` already holds objects of its own")));
        }
        _ => {}
    }
    let Some(cur) = cur else { return Ok(()) };
    let target = cur.canonicalize()?;
    #[cfg(unix)]
    std::os::unix::fs::symlink(target, link)?;
    #[cfg(windows)]
    std::os::windows::fs::symlink_dir(target, link)?;
    Ok(())
}

fn is_bucket_name(name: &str) -> bool {
    let plain =
        name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'.');
    plain && (3..=63).contains(&name.len()) && !name.starts_with('.')
}

/// The bucket of a virtual-hosted request: `bucket.s3.us-east-1.amazonaws.com`.
fn bucket_in(host: &str) -> Option<&str> {
    let bucket = host.strip_suffix(".amazonaws.com")?.rsplit_once(".s3").map(|(bucket, _region)| bucket)?;
    (!bucket.is_empty()).then_some(bucket)
}

fn refused(status: u16, code: &'static str, message: &str) -> Response<Bytes> {
    Protocol::S3.refuse(&Fault::new(status, code, message))
}

/// Every access key has the same secret.
struct OneSecret;

impl S3Auth for OneSecret {
    fn get_secret_key<'this, 'key, 'call>(
        &'this self,
        _access_key: &'key str,
    ) -> Pin<Box<dyn Future<Output = S3Result<SecretKey>> + Send + 'call>>
    where
        'this: 'call,
        'key: 'call,
    {
        Box::pin(async { Ok(SecretKey::from(SECRET_ACCESS_KEY)) })
    }
}

/// AWS's host names carry the bucket; every other name is the listener's own.
struct AwsHosts;

impl S3Host for AwsHosts {
    fn parse_host_header<'a>(&'a self, host: &'a str) -> S3Result<VirtualHost<'a>> {
        let virtual_host = VirtualHost::new(host);
        Ok(match bucket_in(host) {
            Some(bucket) => virtual_host.with_bucket(bucket),
            None => virtual_host,
        })
    }
}
