//! Acting through the API: one call is one person, one key, and the status that must come back.

use anyhow::{Context as _, bail};
use bytes::Bytes;
use http::{Method, Request};
use serde_json::Value;

use super::cast::Person;
use crate::stack::Local;

/// Plays on a running stack.
pub(super) struct Player<'a> {
    pub(super) local: &'a Local,
}

impl<'a> Player<'a> {
    pub(super) const fn new(local: &'a Local) -> Self {
        Self { local }
    }

    /// Reads.
    pub(super) async fn get(&self, person: Person, path: &str) -> anyhow::Result<Value> {
        let (status, body) = self.call(person, Method::GET, path, None, None).await?;
        expect(status == 200, person, path, status, &body)?;
        Ok(body)
    }

    /// Reads every page of a list.
    pub(super) async fn list(&self, person: Person, path: &str) -> anyhow::Result<Vec<Value>> {
        let mut items = Vec::new();
        let mut cursor = String::new();
        loop {
            let glue = if path.contains('?') { '&' } else { '?' };
            let page = self.get(person, &format!("{path}{glue}limit=100{cursor}")).await?;
            items.extend(page.get("items").and_then(Value::as_array).cloned().unwrap_or_default());
            match page.get("next").and_then(Value::as_str) {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return Ok(items),
            }
        }
    }

    /// Writes; `key` makes the same write again answer as the first time.
    pub(super) async fn post(&self, person: Person, path: &str, body: Value, key: &str) -> anyhow::Result<Value> {
        self.write(person, Method::POST, path, body, key).await
    }

    /// Writes a thing as a whole.
    pub(super) async fn put(&self, person: Person, path: &str, body: Value, key: &str) -> anyhow::Result<Value> {
        self.write(person, Method::PUT, path, body, key).await
    }

    /// Tries what must be refused, and tells how.
    pub(super) async fn refused(&self, person: Person, path: &str, body: Value, kind: &str) -> anyhow::Result<()> {
        let (status, answer) = self.call(person, Method::POST, path, Some(body), None).await?;
        let said = answer.get("type").and_then(Value::as_str).unwrap_or_default();
        if !said.ends_with(kind) {
            bail!("{} was to be refused with `{kind}` at {path}, but got {status}: {answer}", person.name);
        }
        let detail = answer.get("detail").and_then(Value::as_str).unwrap_or_default();
        say(&format!("     refused, {status} {kind}: {detail}"));
        Ok(())
    }

    /// Waits until everything that was set in motion has come to rest.
    pub(super) async fn settle(&self) -> anyhow::Result<()> {
        self.local.settle().await.map(|_| ())
    }

    /// Runs a schedule and waits for what follows from it.
    pub(super) async fn schedule(&self, name: &str) -> anyhow::Result<Value> {
        let now = self.local.clock.now();
        let result = self.local.bus.run_schedule(name, now).await.with_context(|| format!("the schedule `{name}`"))?;
        self.settle().await?;
        Ok(result)
    }

    async fn write(&self, person: Person, method: Method, path: &str, body: Value, key: &str) -> anyhow::Result<Value> {
        let (status, answer) = self.call(person, method, path, Some(body), Some(key)).await?;
        expect((200..300).contains(&status), person, path, status, &answer)?;
        Ok(answer)
    }

    async fn call(
        &self,
        person: Person,
        method: Method,
        path: &str,
        body: Option<Value>,
        key: Option<&str>,
    ) -> anyhow::Result<(u16, Value)> {
        let token = self.local.tokens.issue(&person.identity())?;
        let mut request =
            Request::builder().method(method).uri(path).header("authorization", format!("Bearer {token}"));
        if let Some(key) = key {
            request = request.header("idempotency-key", format!("demo-{key}"));
        }
        if body.is_some() {
            request = request.header("content-type", "application/json");
        }
        let bytes = body.map(|b| Bytes::from(b.to_string())).unwrap_or_default();
        let response = self.local.stack.call(request.body(bytes)?).await;
        let status = response.status().as_u16();
        let text = response.into_body();
        let answer = if text.is_empty() { Value::Null } else { serde_json::from_slice(&text).unwrap_or(Value::Null) };
        Ok((status, answer))
    }
}

fn expect(holds: bool, person: Person, path: &str, status: u16, body: &Value) -> anyhow::Result<()> {
    if holds { Ok(()) } else { bail!("{} got {status} from {path}: {body}", person.name) }
}

/// A text field of an answer.
pub(super) fn text<'v>(answer: &'v Value, field: &str) -> anyhow::Result<&'v str> {
    answer.get(field).and_then(Value::as_str).with_context(|| format!("the answer has no `{field}`: {answer}"))
}

/// One line of the narration.
pub(super) fn tell(who: Person, what: &str) {
    say(&format!("  {:<6}{what}", who.name));
}

#[expect(clippy::print_stdout, reason = "the demo speaks to whoever started it")]
pub(super) fn say(line: &str) {
    println!("{line}");
}
