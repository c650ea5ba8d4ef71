//! Who calls: read from the SigV4 credential scope, the only routing information that every AWS protocol shares.
//!
//! The account is part of the access key: `AKIA111122223333LEAD` and the session key `ASIA111122223333…` that
//! `AssumeRole` hands out both act in account 111122223333. Any other access key acts in the hub's account. Only S3
//! verifies the signature itself (a presigned URL is worth nothing otherwise), with [`SECRET_ACCESS_KEY`] for every
//! key.

use bytes::Bytes;
use http::Request;
use http::header::AUTHORIZATION;
use percent_encoding::percent_decode_str;

/// The secret of every access key of the emulated cloud; the listener is on loopback, so it guards nothing.
pub const SECRET_ACCESS_KEY: &str = "local";

/// One signed request's credential scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The access key as signed.
    pub access_key: String,
    /// The account that the access key acts in.
    pub account: String,
    /// The region of the scope: `us-east-1` for the global services.
    pub region: String,
    /// The service's signing name: `dynamodb`, `s3`, `iam` …
    pub service: String,
}

impl Caller {
    /// Reads the scope from the `Authorization` header or, for presigned URLs of S3, from `X-Amz-Credential`.
    #[must_use]
    pub fn of(request: &Request<Bytes>, hub_account: &str) -> Option<Self> {
        let header = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let scope = match header {
            Some(header) => header.split("Credential=").nth(1)?.split(',').next()?.trim().to_owned(),
            None => presigned_scope(request.uri().query()?)?,
        };
        let is_presigned = header.is_none();
        let mut parts = scope.rsplitn(5, '/').skip(1);
        let (service, region, _date, access_key) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        // Only S3 verifies what is signed in a URL. A form of a web page cannot set the header, but it can name any
        // URL.
        if is_presigned && service != "s3" {
            return None;
        }
        Some(Self {
            access_key: access_key.to_owned(),
            account: account_of(access_key).unwrap_or(hub_account).to_owned(),
            region: region.to_owned(),
            service: service.to_owned(),
        })
    }
}

/// The scope in a presigned URL. Version 1 of the AWS CLI still presigns S3 in its old way, which names only the key.
fn presigned_scope(query: &str) -> Option<String> {
    let find = |name: &str| {
        let value = query.split('&').find_map(|pair| pair.strip_prefix(name))?;
        percent_decode_str(value).decode_utf8().ok().map(std::borrow::Cow::into_owned)
    };
    find("X-Amz-Credential=").or_else(|| find("AWSAccessKeyId=").map(|key| format!("{key}//us-east-1/s3/aws4_request")))
}

/// The account that an access key names, if it follows the convention.
fn account_of(access_key: &str) -> Option<&str> {
    access_key.get(4..16).filter(|account| is_account_id(account))
}

/// Whether the text is a 12-digit account id.
pub(super) fn is_account_id(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}
