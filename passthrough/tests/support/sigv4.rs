//! Signature Version 4, from the description in the IAM user guide ("Create a signed AWS API request") and without the
//! crate that the function signs with: what the tests' platform checks requests by.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

/// A request as it arrived.
pub(crate) struct Arrived<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) query: &'a str,
    /// Names in lower case; one value each.
    pub(crate) headers: &'a BTreeMap<String, String>,
    pub(crate) body: &'a [u8],
}

/// The headers that the signature covers, if it is the one that `secret` makes for this request.
pub(crate) fn verify(
    arrived: &Arrived<'_>,
    key: &str,
    secret: &str,
    region: &str,
    service: &str,
) -> Result<Vec<String>, String> {
    let header = |name: &str| arrived.headers.get(name).ok_or(format!("no header {name}"));
    let authorization = header("authorization")?.strip_prefix("AWS4-HMAC-SHA256 ").ok_or("another algorithm")?;
    let field = |name: &str| {
        let mut fields = authorization.split(',').filter_map(|f| f.trim().split_once('='));
        fields.find(|(n, _)| *n == name).map(|(_, value)| value).ok_or(format!("no {name} in {authorization}"))
    };
    let time = header("x-amz-date")?;
    let day = time.get(..8).ok_or("no day in x-amz-date")?;
    let scope = format!("{day}/{region}/{service}/aws4_request");
    if field("Credential")? != format!("{key}/{scope}") {
        return Err(format!("credential {} is not {key}/{scope}", field("Credential")?));
    }
    let signed: Vec<String> = field("SignedHeaders")?.split(';').map(str::to_owned).collect();
    if !signed.is_sorted() {
        return Err(format!("{signed:?} are not in order"));
    }
    let mut canonical = format!("{}\n{}\n{}\n", arrived.method, encode_path(arrived.path), sort_query(arrived.query));
    for name in &signed {
        canonical.push_str(&format!("{name}:{}\n", header(name)?.split_whitespace().collect::<Vec<_>>().join(" ")));
    }
    canonical.push_str(&format!("\n{}\n{}", signed.join(";"), hex(&Sha256::digest(arrived.body))));
    let to_sign = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", hex(&Sha256::digest(canonical.as_bytes())));
    let mut derived = hmac(format!("AWS4{secret}").as_bytes(), day.as_bytes());
    for part in [region, service, "aws4_request"] {
        derived = hmac(&derived, part.as_bytes());
    }
    let expected = hex(&hmac(&derived, to_sign.as_bytes()));
    if field("Signature")? != expected {
        return Err(format!("signature {} is not {expected}, of\n{canonical}", field("Signature")?));
    }
    Ok(signed)
}

/// Every segment is encoded once more (all services but S3); unreserved characters stay.
fn encode_path(path: &str) -> String {
    path.bytes()
        .map(|b| match b {
            b'/' | b'-' | b'.' | b'_' | b'~' => char::from(b).to_string(),
            _ if b.is_ascii_alphanumeric() => char::from(b).to_string(),
            _ => format!("%{b:02X}"),
        })
        .collect()
}

/// Sorted by name, each with a value. The tests' queries hold nothing that would have to be encoded.
fn sort_query(query: &str) -> String {
    let mut pairs: Vec<String> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| if pair.contains('=') { pair.to_owned() } else { format!("{pair}=") })
        .collect();
    pairs.sort();
    pairs.join("&")
}

fn hmac(key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut block = if key.len() > 64 { Sha256::digest(key).to_vec() } else { key.to_vec() };
    block.resize(64, 0);
    let pad = |with: u8| block.iter().map(|b| b ^ with).collect::<Vec<u8>>();
    let inner = Sha256::digest([pad(0x36).as_slice(), message].concat());
    Sha256::digest([pad(0x5c), inner.to_vec()].concat()).to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// The worked example of the AWS General Reference (IAM `ListUsers`, 30 August 2015): AWS's own signature of it verifies,
/// and that of a request that differs anywhere does not.
#[test]
fn the_verifier_agrees_with_the_worked_example_of_aws() {
    let (key, secret) = ("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY");
    let signature = "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7";
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential={key}/20150830/us-east-1/iam/aws4_request, \
         SignedHeaders=content-type;host;x-amz-date, Signature={signature}"
    );
    let headers: BTreeMap<String, String> = [
        ("content-type", "application/x-www-form-urlencoded; charset=utf-8"),
        ("host", "iam.amazonaws.com"),
        ("x-amz-date", "20150830T123600Z"),
        ("authorization", authorization.as_str()),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    let query = "Version=2010-05-08&Action=ListUsers";
    let arrived = |query, body| Arrived { method: "GET", path: "/", query, headers: &headers, body };
    let check = |arrived: &Arrived<'_>, region| verify(arrived, key, secret, region, "iam").is_ok();
    assert!(check(&arrived(query, b""), "us-east-1"));
    assert!(!check(&arrived(query, b"x"), "us-east-1"));
    assert!(!check(&arrived("Action=DeleteUsers", b""), "us-east-1"));
    assert!(!check(&arrived(query, b""), "us-west-2"));
    assert!(verify(&arrived(query, b""), key, "another", "us-east-1", "iam").is_err());
}
