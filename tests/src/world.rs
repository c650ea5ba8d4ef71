//! A stack of its own for each test, in memory, on Monday 2026-08-24.

use std::collections::BTreeMap;

use anyhow::Context as _;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use bytes::Bytes;
use domain::base::digest::Digest;
use http::{Request, Response};
use jiff::Timestamp;
use local::bus::{Deliveries, Settled};
use local::stack::{Local, Options};
use serde_json::{Value, json};

use crate::{Person, Reply};

/// When the tests begin.
const MONDAY: &str = "2026-08-24T07:00:00Z";
/// The table of the workflow, as the template names it.
pub const GOVERNANCE_TABLE: &str = "finops-center-governance";
/// The table of the bill's facts, as the template names it.
pub const SPEND_TABLE: &str = "finops-center-spend";

/// A running stack.
pub struct World {
    /// The stack itself.
    pub local: Local,
}

impl World {
    /// Without a bill.
    ///
    /// # Errors
    /// When the stack does not start.
    pub async fn empty() -> anyhow::Result<Self> {
        Self::start(Options { empty: true, ..Options::default() }).await
    }

    /// With the shipped bill of July and August.
    ///
    /// # Errors
    /// When the stack does not start.
    pub async fn with_bill(deliveries: Deliveries) -> anyhow::Result<Self> {
        Self::start(Options { deliveries, ..Options::default() }).await
    }

    /// With a bill of the test's own, and a seam.
    ///
    /// # Errors
    /// When the stack does not start.
    pub async fn start(options: Options) -> anyhow::Result<Self> {
        let local = Local::start(options).await?;
        local.clock.set(MONDAY.parse()?)?;
        Ok(Self { local })
    }

    /// Reads.
    ///
    /// # Errors
    /// When the request cannot be made; a "no" is an answer.
    pub async fn get(&self, who: Person, path: &str) -> anyhow::Result<Reply> {
        self.call(who, "GET", path, None, &[]).await
    }

    /// Downloads a file, byte for byte.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn download(&self, who: Person, path: &str) -> anyhow::Result<Bytes> {
        let token = self.local.tokens.issue(&who.identity())?;
        let request = Request::builder().uri(path).header("authorization", format!("Bearer {token}"));
        let response = self.local.stack.call(request.body(Bytes::new())?).await;
        anyhow::ensure!(response.status() == 200, "{path}: {}", response.status());
        Ok(response.into_body())
    }

    /// Creates, or moves a thing on.
    ///
    /// # Errors
    /// As [`World::get`].
    pub async fn post(&self, who: Person, path: &str, body: &Value) -> anyhow::Result<Reply> {
        self.call(who, "POST", path, Some(body), &[]).await
    }

    /// Sets a thing as a whole.
    ///
    /// # Errors
    /// As [`World::get`].
    pub async fn put(&self, who: Person, path: &str, body: &Value) -> anyhow::Result<Reply> {
        self.call(who, "PUT", path, Some(body), &[]).await
    }

    /// Every item of a list, page by page.
    ///
    /// # Errors
    /// When a page is refused.
    pub async fn list(&self, who: Person, path: &str) -> anyhow::Result<Vec<Value>> {
        let glue = if path.contains('?') { '&' } else { '?' };
        let mut items = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = self.get(who, &format!("{path}{glue}limit=100{cursor}")).await?.ok()?;
            items.extend(
                page.get("items").and_then(Value::as_array).cloned().with_context(|| format!("{path} is no list"))?,
            );
            match page.get("next").and_then(Value::as_str) {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return Ok(items),
            }
        }
    }

    /// Any call of somebody with a valid token.
    ///
    /// # Errors
    /// As [`World::get`].
    pub async fn call(
        &self,
        who: Person,
        method: &str,
        path: &str,
        body: Option<&Value>,
        headers: &[(&str, &str)],
    ) -> anyhow::Result<Reply> {
        let token = self.local.tokens.issue(&who.identity())?;
        self.call_as(Some(&token), method, path, body.map(Value::to_string).as_deref(), headers).await
    }

    /// Any call, with whatever token and text.
    ///
    /// # Errors
    /// As [`World::get`].
    pub async fn call_as(
        &self,
        token: Option<&str>,
        method: &str,
        path: &str,
        body: Option<&str>,
        headers: &[(&str, &str)],
    ) -> anyhow::Result<Reply> {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        if body.is_some() {
            request = request.header("content-type", "application/json");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = body.map(|text| Bytes::copy_from_slice(text.as_bytes())).unwrap_or_default();
        let response = self.local.stack.call(request.body(body)?).await;
        Ok(reply(format!("{method} {path}"), response))
    }

    /// Waits until nothing is in flight; nothing may have been set aside.
    ///
    /// # Errors
    /// When an event ended among the dead letters.
    pub async fn settle(&self) -> anyhow::Result<Settled> {
        let settled = self.local.settle().await?;
        let told = serde_json::to_value(settled)?;
        anyhow::ensure!(told.get("deadLettered") == Some(&json!(0)), "events were set aside: {told}");
        Ok(settled)
    }

    /// Runs a schedule as due now, and waits for all that follows.
    ///
    /// # Errors
    /// When it failed.
    pub async fn schedule(&self, name: &str) -> anyhow::Result<Value> {
        let path = format!("/_local/schedules/{name}");
        let ran = self.call_as(None, "POST", &path, None, &[]).await?.ok()?;
        self.settle().await?;
        Ok(ran.get("result").cloned().unwrap_or_default())
    }

    /// Sets the product's clock forward.
    ///
    /// # Errors
    /// When it would go back.
    pub fn at(&self, time: &str) -> anyhow::Result<()> {
        Ok(self.local.clock.set(time.parse::<Timestamp>()?)?)
    }

    /// What somebody was sent, in order.
    ///
    /// # Errors
    /// When the local state cannot be read.
    pub async fn messages(&self, to: Person) -> anyhow::Result<Vec<Value>> {
        let path = format!("/_local/messages?to={}@example.com", to.sub);
        let sent = self.call_as(None, "GET", &path, None, &[]).await?.ok()?;
        Ok(sent.get("items").and_then(Value::as_array).cloned().unwrap_or_default())
    }

    /// Every item of the workflow's table, by key, each with a digest of what it holds.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn written(&self) -> anyhow::Result<BTreeMap<String, Digest>> {
        let items = self.items(GOVERNANCE_TABLE).await?;
        Ok(items.into_iter().map(|(key, item)| (key, Digest::of(&item))).collect())
    }

    /// A client of the tables, past the product.
    #[must_use]
    pub fn tables(&self) -> Client {
        let aws = lambda::Aws::in_process(self.local.cloud.http_client(), self.local.cloud.region());
        Client::new(&aws.config())
    }

    /// Every item of a table, by key, as JSON: numbers as they are written, documents parsed.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn items(&self, table: &str) -> anyhow::Result<BTreeMap<String, Value>> {
        let client = self.tables();
        let mut items = BTreeMap::new();
        let mut start = None;
        loop {
            #[expect(
                clippy::disallowed_methods,
                reason = "a test compares the whole table, which the product never reads"
            )]
            let scan = client.scan().table_name(table).consistent_read(true).set_exclusive_start_key(start);
            let page = scan.send().await?;
            for item in page.items.into_iter().flatten() {
                let key = |name: &str| item.get(name).and_then(|value| value.as_s().ok()).cloned().unwrap_or_default();
                let name = format!("{} {}", key("PK"), key("SK"));
                items.insert(name, item.iter().map(|(name, value)| (name.clone(), json_of(value))).collect());
            }
            start = page.last_evaluated_key;
            if start.is_none() {
                return Ok(items);
            }
        }
    }

    /// Takes an item out of a table, by its key as [`World::items`] writes it.
    ///
    /// # Errors
    /// When the table does not take it.
    pub async fn lose(&self, table: &str, key: &str) -> anyhow::Result<()> {
        let (partition, sort) = key.split_once(' ').context("a partition and a sort key")?;
        let lost = self.tables().delete_item().table_name(table);
        let text = |value: &str| AttributeValue::S(value.to_owned());
        lost.key("PK", text(partition)).key("SK", text(sort)).send().await?;
        Ok(())
    }

    /// Takes an attribute from an item, as an older version would not have written it.
    ///
    /// # Errors
    /// When the table does not take it.
    pub async fn strip(&self, table: &str, key: &str, attribute: &str) -> anyhow::Result<()> {
        let (partition, sort) = key.split_once(' ').context("a partition and a sort key")?;
        let stripped = self.tables().update_item().table_name(table);
        let stripped = stripped.update_expression("REMOVE #a").expression_attribute_names("#a", attribute);
        let text = |value: &str| AttributeValue::S(value.to_owned());
        stripped.key("PK", text(partition)).key("SK", text(sort)).send().await?;
        Ok(())
    }

    /// Delivers an event of some type that was delivered before to a function again, as a queue may at any time.
    ///
    /// # Errors
    /// When there is no such event, or the queue does not take it.
    pub async fn redeliver(&self, function: &str, event_type: &str, naming: &str) -> anyhow::Result<()> {
        let items = self.items(GOVERNANCE_TABLE).await?;
        let mut events = items.values().filter_map(|item| item.get("event"));
        let event = events.find(|event| event["type"] == event_type && event["payload"].to_string().contains(naming));
        let message = json!({
            "QueueUrl": format!("https://sqs/000000000000/finops-center-{function}"),
            "MessageBody": event.context("there was such an event")?.to_string(),
        });
        let scope = "AWS4-HMAC-SHA256 Credential=AKIALOCAL/20260824/us-east-1/sqs/aws4_request, Signature=0";
        let request = Request::post("/").header("authorization", scope).header("x-amz-target", "AmazonSQS.SendMessage");
        let answer = self.local.cloud.call(request.body(Bytes::from(message.to_string()))?).await;
        anyhow::ensure!(answer.status() == 200, "the queue answers {answer:?}");
        self.settle().await?;
        Ok(())
    }

    /// How many events there are of each thing.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn events(&self) -> anyhow::Result<BTreeMap<String, usize>> {
        let mut counts = BTreeMap::new();
        for key in self.written().await?.keys() {
            if let Some((partition, _)) = key.split_once(" EVENT#") {
                *counts.entry(partition.to_owned()).or_default() += 1;
            }
        }
        Ok(counts)
    }
}

fn json_of(value: &AttributeValue) -> Value {
    match value {
        AttributeValue::S(text) => serde_json::from_str(text).unwrap_or_else(|_| json!(text)),
        AttributeValue::N(number) => json!(number),
        other => json!(format!("{other:?}")),
    }
}

fn reply(asked: String, response: Response<Bytes>) -> Reply {
    let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let (etag, location) = (header("etag"), header("location"));
    let status = response.status().as_u16();
    let bytes = response.into_body();
    let body = if bytes.is_empty() {
        Value::Null
    } else {
        serde_json::from_slice(&bytes).unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&bytes).into_owned()))
    };
    Reply { status, body, etag, location, asked }
}
