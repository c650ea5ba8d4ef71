//! One invocation, from the event to the answer's head; what follows of the body is the relay's.
//!
//! Every outcome is an answer: an invocation never fails, so Lambda never calls it a second time.

use std::time::{Duration, SystemTime};

use lambda_runtime::streaming::{Body, Response};
use serde_json::Value;
use tokio::time::{Instant, timeout_at};

use crate::approved::Approved;
use crate::config::{Config, ConfigError};
use crate::event::Call;
use crate::models::Asked;
use crate::refusal::Refusal;
use crate::route::{Content, Route};
use crate::upstream::Upstream;
use crate::{betas, content, models, relay, route};

/// Kept of the invocation's time, to say that it ran out before Lambda ends the process without a word.
const FAREWELL: Duration = Duration::from_secs(2);

/// The function, set up.
#[derive(Debug)]
pub struct Passthrough {
    approved: Approved,
    agentic: Approved,
    upstream: Upstream,
}

impl Passthrough {
    /// # Errors
    /// When the operating system's certificates cannot be read.
    pub fn new(config: Config) -> Result<Self, ConfigError> {
        Ok(Self { upstream: Upstream::new(&config)?, approved: config.approved, agentic: config.agentic })
    }

    /// Answers a function URL's event: the platform's answer, streamed as it comes, or a refusal. `ends` is when Lambda
    /// ends the invocation.
    pub async fn answer(&self, event: Value, ends: SystemTime) -> Response<Body> {
        let now = SystemTime::now();
        let left = ends.duration_since(now).unwrap_or_default().saturating_sub(FAREWELL);
        match self.forward(event, now, Instant::now() + left).await {
            Ok(answer) => answer,
            Err(refusal) => {
                tracing::warn!(status = refusal.status.as_u16(), why = refusal.message(), "a call was refused");
                relay::refuse(&refusal)
            }
        }
    }

    async fn forward(&self, event: Value, now: SystemTime, deadline: Instant) -> Result<Response<Body>, Refusal> {
        let call = Call::read(event)?;
        let name = format!("{} {}", call.method, call.path);
        let route = route::find(&call.method, &call.path).ok_or_else(|| Refusal::no_such_call(&name))?;
        content::check(route.content, &call)?;
        let mut asked = match route.content {
            Content::Message => models::read(&call.body).map_err(Refusal::invalid)?,
            Content::File | Content::Nothing => Asked::default(),
        };
        asked.agentic.extend(call.header("anthropic-beta").into_iter().flat_map(betas::agentic));
        let workspace = self.decide(route, &asked, call.header("anthropic-workspace-id"))?;
        let Asked { models, agentic } = &asked;
        let answer = timeout_at(deadline, self.upstream.send(call, workspace, now)).await;
        let (head, body) = answer.map_err(|_| Refusal::too_late())??.into_parts();
        tracing::info!(call = %name, workspace, ?models, ?agentic, status = head.status.as_u16(), "a call was forwarded");
        Ok(relay::stream(&head, body, deadline))
    }

    /// The workspace that the call goes to. One in which the platform would act for the model goes only where an approval
    /// of tier agentic covers it; any other goes there as well.
    fn decide(&self, route: Route, asked: &Asked, workspace: Option<&str>) -> Result<&str, Refusal> {
        let plain = self.approved.decide(route, &asked.models, workspace)?;
        if asked.agentic.is_empty() {
            return Ok(plain);
        }
        let refused = |_| Refusal::not_for_agents(&asked.agentic.iter().cloned().collect::<Vec<_>>().join(", "));
        self.agentic.decide(route, &asked.models, workspace).map_err(refused)
    }
}
