//! The process on Lambda: logs, host, function, and the loop that asks the runtime for events.

use std::sync::Arc;

use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde_json::Value;
use tracing_subscriber::EnvFilter;

use crate::events::Failure;
use crate::function::{Boxed, Function, Start};
use crate::host::Host;

/// Runs a function until Lambda ends the process. A `main` is this call and nothing else.
///
/// # Errors
/// When the function cannot start: a setting is unset or broken.
pub fn run<R: Start>(function: impl FnOnce(Host) -> R) -> anyhow::Result<()> {
    let host = Host::from_process()?;
    start_logging(host.env.get("RUST_LOG").unwrap_or("info"));
    let function = Arc::new(function(host).start()?);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(serve(function)).map_err(|error| anyhow::anyhow!(error))
}

async fn serve(function: Arc<Function>) -> Result<(), lambda_runtime::Error> {
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Value>| {
        let function = Arc::clone(&function);
        // On the heap and without its type: the runtime wraps a handler's future into many layers of its own.
        let handled: Boxed<Result<Value, Failure>> = Box::pin(async move { function.handle(&event.payload).await });
        handled
    }))
    .await
}

/// One JSON object per line, as CloudWatch reads it; no colours, no times (Lambda adds them), never tokens.
fn start_logging(filter: &str) {
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let subscriber = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .without_time()
        .with_env_filter(filter);
    // A second subscriber can only be a test's; the first one stays.
    let _ = subscriber.try_init();
}

impl From<Failure> for Diagnostic {
    fn from(failure: Failure) -> Self {
        let error_type = match failure {
            Failure::Retry(_) => "Retry",
            Failure::Poison(_) => "Poison",
            Failure::Repetition => "Repetition",
        };
        Self { error_type: error_type.to_owned(), error_message: failure.to_string() }
    }
}
