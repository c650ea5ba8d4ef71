//! API Gateway on a laptop: an HTTP API with a JWT authorizer in front of the functions' own routes.
//!
//! The functions get the very event that AWS would send (payload format 2.0), so that what works here works there. The
//! gateway decides nothing about the product; it verifies tokens, builds events and passes answers on.

mod event;
pub(crate) mod reply;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, ORIGIN};
use http::{Method, Request, Response, StatusCode};
use lambda::{Function, RouteSpec, find_route};

use self::event::{Arrival, DecodedPath};
use crate::clock::ProductClock;
use crate::seam::Seam;
use crate::tokens::Tokens;

/// Largest request of an HTTP API (API Gateway quota).
pub const BODY_BYTES_MAX: usize = 10 * 1024 * 1024;
/// Longest time that an HTTP API waits for its integration (API Gateway quota).
const INTEGRATION_TIMEOUT: Duration = Duration::from_secs(30);
/// Where the OpenAPI document is.
const DOCUMENT_PATH: &str = "/v1/openapi.json";

/// The gateway.
#[derive(Debug)]
pub struct Gateway {
    functions: Vec<Arc<Function>>,
    routes: Vec<(RouteSpec, Arc<Function>)>,
    document: String,
    tokens: Arc<Tokens>,
    clock: ProductClock,
    origins: Vec<String>,
    seam: Seam,
}

impl Gateway {
    /// A gateway in front of these functions. `origins` are the frontends' that a browser may call it from.
    #[must_use]
    pub fn new(
        functions: Vec<Arc<Function>>,
        tokens: Arc<Tokens>,
        clock: ProductClock,
        origins: Vec<String>,
        seam: Seam,
    ) -> Self {
        let of = |function: &Arc<Function>| {
            function.routes.iter().map(|route| (route.clone(), Arc::clone(function))).collect::<Vec<_>>()
        };
        let routes: Vec<_> = functions.iter().flat_map(of).collect();
        let document = lambda::openapi::document(routes.iter().map(|(route, _)| route)).to_string();
        Self { functions, routes, document, tokens, clock, origins, seam }
    }

    /// Every route, in the order of the functions.
    pub fn routes(&self) -> impl Iterator<Item = &RouteSpec> {
        self.routes.iter().map(|(route, _)| route)
    }

    /// The functions behind it.
    #[must_use]
    pub fn functions(&self) -> &[Arc<Function>] {
        &self.functions
    }

    /// Whether pages of this origin may call.
    #[must_use]
    pub fn allows_origin(&self, origin: &str) -> bool {
        self.origins.iter().any(|allowed| allowed == origin)
    }

    /// Answers one request; its body has been read already.
    pub async fn call(&self, request: Request<Bytes>) -> Response<Bytes> {
        let origin = request.headers().get(ORIGIN).and_then(|value| value.to_str().ok());
        let allowed = origin.filter(|origin| self.allows_origin(origin)).map(str::to_owned);
        let response = match (&allowed, request.method()) {
            (Some(_), &Method::OPTIONS) => reply::preflight(),
            _ => self.answer(&request).await,
        };
        match allowed {
            Some(origin) => reply::with_cors(response, &origin),
            None => response,
        }
    }

    async fn answer(&self, request: &Request<Bytes>) -> Response<Bytes> {
        if request.body().len() > BODY_BYTES_MAX {
            return reply::message(StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large");
        }
        let Some(path) = DecodedPath::of(request.uri().path()) else {
            return reply::message(StatusCode::BAD_REQUEST, "Bad Request");
        };
        let found = find_route(self.routes(), request.method().as_str(), path.as_str())
            .and_then(|found| Some((self.routes.get(found.index)?, found.path)));
        let Some(((route, function), parameters)) = found else {
            if request.method() == Method::GET && path.as_str() == DOCUMENT_PATH {
                return reply::json(self.document.clone());
            }
            return reply::message(StatusCode::NOT_FOUND, "Not Found");
        };
        let claims = match route.action {
            None => None,
            Some(_) => match self.authorize(request) {
                Some(claims) => Some(claims),
                None => return reply::message(StatusCode::UNAUTHORIZED, "Unauthorized"),
            },
        };
        let arrival =
            Arrival { route, path: &path, parameters: &parameters, claims: claims.as_ref(), at: self.clock.now() };
        let response = invoke(self.seam.clone(), Arc::clone(function), arrival.event(request)).await;
        self.note_write(request.method(), response.status());
        response
    }

    /// What the JWT authorizer does: the identity source is `$request.header.Authorization`.
    fn authorize(&self, request: &Request<Bytes>) -> Option<serde_json::Map<String, serde_json::Value>> {
        let mut headers = request.headers().get_all(AUTHORIZATION).iter();
        let (header, None) = (headers.next()?.to_str().ok()?.trim(), headers.next()) else { return None };
        let token = match header.split_once(' ') {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
            Some(_) => return None,
            None => header,
        };
        let verified = self.tokens.verify(token);
        verified.inspect_err(|why| tracing::debug!(why = %why, "the gateway refused a token")).ok()
    }

    fn note_write(&self, method: &Method, status: StatusCode) {
        if *method == Method::GET || !status.is_success() {
            return;
        }
        if let Err(error) = self.clock.note_write() {
            tracing::warn!(error = %error, "the product's clock could not be kept");
        }
    }
}

/// Invokes the function as the gateway does. The invocation goes on when the caller has gone or the time is over.
async fn invoke(seam: Seam, function: Arc<Function>, event: serde_json::Value) -> Response<Bytes> {
    let name = function.name;
    let work = tokio::spawn(async move { seam.invoke(name, function.handle(&event)).await });
    match tokio::time::timeout(INTEGRATION_TIMEOUT, work).await {
        Ok(Ok(Some(Ok(answer)))) => reply::of_integration(&answer),
        Ok(Ok(Some(Err(failure)))) => {
            tracing::error!(function = name, error = %failure, "the integration failed");
            reply::message(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error")
        }
        Ok(Ok(None)) => reply::message(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error"),
        Ok(Err(ended)) => {
            tracing::error!(function = name, error = %ended, "the integration ended without an answer");
            reply::message(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error")
        }
        Err(_) => reply::message(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable"),
    }
}
