//! The local issuer of ID tokens, and the check that API Gateway's JWT authorizer makes of them.
//!
//! It signs for whoever asks, so it is never deployed and is reached over loopback only. Tokens live on wall time: the
//! product's clock may stand in another year.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use rsa::RsaPrivateKey;
use rsa::pkcs1::{DecodeRsaPrivateKey as _, EncodeRsaPrivateKey as _, EncodeRsaPublicKey as _, LineEnding};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// Who issues: what Cognito's issuer is on AWS.
pub const ISSUER: &str = "http://127.0.0.1/finops-center-local";
/// For whom: what the app client's id is on AWS.
pub const AUDIENCE: &str = "finops-center-local";
/// How long a token lives, as Cognito's do unless told otherwise.
const LIFETIME: SignedDuration = SignedDuration::from_hours(1);
/// RS256 asks for 2,048 bits or more.
const KEY_BITS: usize = 2_048;
/// The key's name in the token's header.
const KEY_ID: &str = "local-1";
/// The key's file in the data folder.
const KEY_FILE: &str = "token-key.pem";

/// Somebody to issue a token for.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// The subject.
    pub sub: String,
    /// Display only.
    #[serde(default)]
    pub email: String,
    /// Display only.
    #[serde(default)]
    pub name: String,
    /// The groups, from which roles come.
    #[serde(default)]
    pub groups: Vec<String>,
}

/// The issuer and its key.
pub struct Tokens {
    signing: EncodingKey,
    verifying: DecodingKey,
}

/// Why there is no key to sign with.
#[derive(Debug, thiserror::Error)]
pub enum TokenKeyError {
    /// The key's file cannot be read or written.
    #[error("the token key `{}` cannot be read or written; give a data folder that can", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The key's file does not hold a key.
    #[error("the token key `{}` is damaged; delete it and a new one is made", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// No key could be made.
    #[error("no token key could be made")]
    Make(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// A token that is not worth anything here. The reason is for the log; callers only learn that it is so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidToken(String);

impl Tokens {
    /// The key kept in the data folder, made at the first start; without a folder, a key for this process.
    ///
    /// # Errors
    /// When the key cannot be read, made or kept.
    pub fn open(data: Option<&Path>) -> Result<Self, TokenKeyError> {
        let Some(path) = data.map(|folder| folder.join(KEY_FILE)) else {
            return Self::of(&make_key()?).map_err(TokenKeyError::Make);
        };
        let file_error = |source| TokenKeyError::File { path: path.clone(), source };
        match fs::read_to_string(&path) {
            Ok(pem) => RsaPrivateKey::from_pkcs1_pem(&pem)
                .ok()
                .and_then(|key| Self::of(&key).ok())
                .ok_or_else(|| TokenKeyError::Damaged { path: path.clone() }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let key = make_key()?;
                let pem = key.to_pkcs1_pem(LineEnding::LF).map_err(|error| TokenKeyError::Make(Box::new(error)))?;
                keep(&path, pem.as_bytes()).map_err(file_error)?;
                Self::of(&key).map_err(TokenKeyError::Make)
            }
            Err(error) => Err(file_error(error)),
        }
    }

    /// The key of this process, made once: stacks in memory share it, since making one takes a good part of a start.
    ///
    /// # Errors
    /// When no key can be made.
    pub fn of_process() -> Result<Arc<Self>, TokenKeyError> {
        static MADE: OnceLock<Arc<Tokens>> = OnceLock::new();
        match MADE.get() {
            Some(made) => Ok(Arc::clone(made)),
            None => {
                let made = Arc::new(Self::open(None)?);
                Ok(Arc::clone(MADE.get_or_init(|| made)))
            }
        }
    }

    fn of(key: &RsaPrivateKey) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let private = key.to_pkcs1_der()?;
        let public = key.to_public_key().to_pkcs1_der()?;
        Ok(Self {
            signing: EncodingKey::from_rsa_der(private.as_bytes()),
            verifying: DecodingKey::from_rsa_der(public.as_bytes()),
        })
    }

    /// An ID token for this identity, as Cognito would write it.
    ///
    /// # Errors
    /// When signing fails.
    pub fn issue(&self, identity: &Identity) -> Result<String, InvalidToken> {
        let issued = Timestamp::now();
        let expires = issued.saturating_add(LIFETIME).unwrap_or(issued);
        let mut claims = json!({
            "sub": identity.sub,
            "email": identity.email,
            "name": identity.name,
            "iss": ISSUER,
            "aud": AUDIENCE,
            "token_use": "id",
            "auth_time": issued.as_second(),
            "iat": issued.as_second(),
            "exp": expires.as_second(),
        });
        // Cognito leaves the claim out for somebody without groups.
        if let (false, Some(fields)) = (identity.groups.is_empty(), claims.as_object_mut()) {
            fields.insert("cognito:groups".to_owned(), json!(identity.groups));
        }
        self.sign(&claims)
    }

    /// Signs any claims with the issuer's key: how the tests make tokens that are wrong in one thing only.
    ///
    /// # Errors
    /// When signing fails.
    pub fn sign(&self, claims: &Value) -> Result<String, InvalidToken> {
        let header = Header { kid: Some(KEY_ID.to_owned()), ..Header::new(Algorithm::RS256) };
        jsonwebtoken::encode(&header, claims, &self.signing).map_err(|error| InvalidToken(error.to_string()))
    }

    /// The claims of a token that the authorizer lets through: RS256 by the issuer's key, from the issuer, for the
    /// audience, within its time. What the token is *for* (`token_use`) and who it is, the function checks.
    ///
    /// # Errors
    /// [`InvalidToken`] otherwise.
    pub fn verify(&self, token: &str) -> Result<Map<String, Value>, InvalidToken> {
        let mut rules = Validation::new(Algorithm::RS256);
        rules.leeway = 0;
        rules.validate_nbf = true;
        rules.set_issuer(&[ISSUER]);
        rules.set_required_spec_claims(&["exp", "iss"]);
        // The gateway takes `aud`, or `client_id` where there is none; below.
        rules.validate_aud = false;
        let token = jsonwebtoken::decode::<Map<String, Value>>(token, &self.verifying, &rules)
            .map_err(|error| InvalidToken(error.to_string()))?;
        if token.header.kid.as_deref() != Some(KEY_ID) {
            return Err(InvalidToken("signed with an unknown key".to_owned()));
        }
        let is_for_us = match token.claims.get("aud").or_else(|| token.claims.get("client_id")) {
            Some(Value::String(audience)) => audience == AUDIENCE,
            Some(Value::Array(audiences)) => audiences.iter().any(|audience| audience == AUDIENCE),
            _ => false,
        };
        if is_for_us { Ok(token.claims) } else { Err(InvalidToken("for another audience".to_owned())) }
    }
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tokens")
    }
}

fn make_key() -> Result<RsaPrivateKey, TokenKeyError> {
    RsaPrivateKey::new(&mut rsa::rand_core::OsRng, KEY_BITS).map_err(|error| TokenKeyError::Make(Box::new(error)))
}

/// Readable by this user only. Written beside and renamed, so that a crash leaves no half of a key.
fn keep(path: &Path, pem: &[u8]) -> io::Result<()> {
    let beside = path.with_extension("new");
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
    file.write_all(pem)?;
    file.sync_all()?;
    fs::rename(beside, path)
}
