//! The process of the function: reads the environment once, then serves Lambda's invocations.

use std::sync::Arc;

use lambda_runtime::{Error, LambdaEvent, service_fn};
use passthrough::{Config, Passthrough};
use serde_json::Value;

// One thread: the function serves one call at a time, and waits for the network most of it.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    tracing_subscriber::fmt().json().flatten_event(true).with_span_list(false).with_target(false).init();
    #[expect(clippy::disallowed_methods, reason = "the one place where this process reads its environment")]
    let config = Config::from_variables(|name| std::env::var(name).ok())?;
    let passthrough = Arc::new(Passthrough::new(config)?);
    lambda_runtime::run(service_fn(move |call: LambdaEvent<Value>| {
        let passthrough = Arc::clone(&passthrough);
        async move { Ok::<_, Error>(passthrough.answer(call.payload, call.context.deadline()).await) }
    }))
    .await
}
