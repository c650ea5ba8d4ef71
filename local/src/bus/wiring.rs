//! The wiring: which event reaches which function, read from the very template that AWS deploys.

use std::collections::BTreeMap;

use domain::access::policy::document::Document;
use serde_json::Value;

use super::template::{Deployment, Template, TemplateError};

/// All that moves events between the functions of one deployment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wiring {
    /// One per crate in `functions/`, by its name.
    pub functions: BTreeMap<String, FunctionWiring>,
    /// ARNs of the topics.
    pub topics: Vec<String>,
    /// The queues, dead-letter queues among them.
    pub queues: Vec<QueueWiring>,
    /// Which topic feeds which queue.
    pub subscriptions: Vec<SubscriptionWiring>,
    /// Which queue feeds which function.
    pub queue_sources: Vec<QueueSource>,
    /// Which stream feeds which function.
    pub stream_sources: Vec<StreamSource>,
    /// The schedules by the key in their input.
    pub schedules: BTreeMap<String, Schedule>,
    /// The rules on the default event bus.
    pub rules: Vec<RuleWiring>,
}

/// A function as deployed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FunctionWiring {
    /// The logical id in the template.
    pub logical_id: String,
    /// Its environment, the globals' and its own.
    pub environment: BTreeMap<String, String>,
    /// Its HTTP routes.
    pub routes: Vec<Route>,
    /// What it may do on AWS.
    pub policies: Vec<Document>,
}

/// A route of the HTTP API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Upper case.
    pub method: String,
    /// With `{name}` parameters.
    pub path: String,
    /// Who gets through.
    pub access: Access,
}

/// What the gateway asks for before it invokes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// A verified token.
    Token,
    /// Nothing.
    Public,
}

/// A queue and what becomes of messages that fail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueWiring {
    /// The queue's name.
    pub name: String,
    /// Where failing messages go, and after how many receives.
    pub redrive: Option<Redrive>,
}

/// A redrive policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redrive {
    /// The dead-letter queue's name.
    pub queue: String,
    /// `maxReceiveCount`.
    pub max_receives: u32,
}

/// A queue's subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubscriptionWiring {
    /// The logical id.
    pub name: String,
    /// The topic's ARN.
    pub topic: String,
    /// The queue's ARN.
    pub queue: String,
    /// `FilterPolicy`, `FilterPolicyScope`, `RawMessageDelivery` as SNS holds them.
    pub attributes: BTreeMap<String, String>,
}

/// An SQS event source mapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueSource {
    /// The function's crate.
    pub function: String,
    /// The queue's name.
    pub queue: String,
    /// Messages per invocation.
    pub batch_size: usize,
    /// Whether `batchItemFailures` in the answer count.
    pub reports_failures: bool,
}

/// A DynamoDB stream's event source mapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamSource {
    /// The function's crate.
    pub function: String,
    /// The event's logical id, under which the position is kept.
    pub name: String,
    /// Records per invocation.
    pub batch_size: usize,
    /// A record passes if one of these patterns matches, or if there are none.
    pub filters: Vec<Value>,
    /// Attempts before a record is given up; None retries as long as the stream lasts.
    pub max_attempts: Option<u32>,
    /// The queue that is told about records given up.
    pub on_failure: Option<String>,
    /// Whether `batchItemFailures` in the answer count.
    pub reports_failures: bool,
}

/// A schedule's target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// The function's crate.
    pub function: String,
    /// The payload, `<aws.scheduler.scheduled-time>` not yet replaced.
    pub input: String,
    /// The queue for invocations that failed for good.
    pub dead_letters: Option<String>,
}

/// An EventBridge rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleWiring {
    /// The function's crate.
    pub function: String,
    /// Function and event, as the rule's own queue is called.
    pub name: String,
    /// The event pattern.
    pub pattern: Value,
    /// The queue for events that failed for good.
    pub dead_letters: Option<String>,
}

impl Wiring {
    /// Reads a SAM template.
    ///
    /// # Errors
    /// When the template does not parse, asks for a parameter that is not set, or lacks what a trigger needs.
    pub fn read(template: &str, deployment: &Deployment) -> Result<Self, TemplateError> {
        let template = Template::parse(template, deployment)?;
        let mut wiring = Self::default();
        for (id, _) in template.resources("AWS::SNS::Topic") {
            wiring.topics.push(template.arn(id)?);
        }
        for (id, properties) in template.resources("AWS::SQS::Queue") {
            let properties = template.resolve(properties)?;
            let dead_letters =
                properties.pointer("/RedrivePolicy/deadLetterTargetArn").and_then(Value::as_str).map(name_in_arn);
            let max_receives = properties.pointer("/RedrivePolicy/maxReceiveCount").and_then(small);
            let redrive = dead_letters.zip(max_receives).map(|(queue, max_receives)| Redrive { queue, max_receives });
            wiring.queues.push(QueueWiring { name: template.name(id, "QueueName")?, redrive });
        }
        for (id, properties) in template.resources("AWS::SNS::Subscription") {
            wiring.subscriptions.push(subscription(id, &template.resolve(properties)?)?);
        }
        for (id, properties) in template.resources("AWS::Serverless::Function") {
            wiring.read_function(&template, id, properties)?;
        }
        Ok(wiring)
    }

    fn read_function(&mut self, template: &Template<'_>, id: &str, properties: &Value) -> Result<(), TemplateError> {
        let code = template.resolve(properties.get("CodeUri").unwrap_or(&Value::Null))?;
        let function = code.as_str().and_then(|path| path.trim_end_matches('/').rsplit('/').next());
        let function = function.ok_or_else(|| missing(id, "CodeUri"))?.to_owned();
        let mut wired = FunctionWiring { logical_id: id.to_owned(), ..FunctionWiring::default() };
        for level in [template.function_globals(), Some(properties)].into_iter().flatten() {
            let Some(variables) = level.pointer("/Environment/Variables") else { continue };
            for (name, value) in template.resolve(variables)?.as_object().into_iter().flatten() {
                wired.environment.insert(name.clone(), plain(value));
            }
        }
        for policy in properties.get("Policies").and_then(Value::as_array).into_iter().flatten() {
            wired.policies.extend(policy_document(template, id, policy)?);
        }
        for (event, trigger) in properties.get("Events").and_then(Value::as_object).into_iter().flatten() {
            let kind = trigger.get("Type").and_then(Value::as_str).unwrap_or_default();
            let trigger = template.resolve(trigger.get("Properties").unwrap_or(&Value::Null))?;
            let place = format!("{id}.Events.{event}");
            match kind {
                "HttpApi" => wired.routes.push(route(&place, &trigger)?),
                "SQS" => self.queue_sources.push(queue_source(&place, &function, &trigger)?),
                "DynamoDB" => self.stream_sources.push(stream_source(event, &function, &trigger)),
                "ScheduleV2" => {
                    let (key, schedule) = schedule(&place, &function, &trigger)?;
                    self.schedules.insert(key, schedule);
                }
                "EventBridgeRule" => self.rules.push(rule(event, &function, &trigger)),
                other => return Err(missing(&place, &format!("a Type that is known; it is {other}"))),
            }
        }
        self.functions.insert(function, wired);
        Ok(())
    }
}

/// A policy of a function: written there, or a managed one of the template; none where a condition leaves it out.
fn policy_document(template: &Template<'_>, id: &str, policy: &Value) -> Result<Option<Document>, TemplateError> {
    let managed = policy.get("Ref").and_then(Value::as_str);
    let document = match managed {
        Some(name) => {
            let mut policies = template.resources("AWS::IAM::ManagedPolicy");
            policies.find(|(id, _)| *id == name).and_then(|(_, properties)| properties.get("PolicyDocument"))
        }
        None => Some(policy),
    };
    let document = template.resolve(document.ok_or_else(|| missing(id, "Policies"))?)?;
    if document.is_null() {
        return Ok(None);
    }
    let parsed = Document::parse(&document.to_string());
    parsed.map(Some).map_err(|error| missing(id, &format!("a policy that reads: {error}")))
}

fn subscription(id: &str, properties: &Value) -> Result<SubscriptionWiring, TemplateError> {
    let text = |field: &str| {
        properties.get(field).and_then(Value::as_str).map(str::to_owned).ok_or_else(|| missing(id, field))
    };
    let mut attributes = BTreeMap::new();
    for name in ["FilterPolicy", "FilterPolicyScope", "RawMessageDelivery"] {
        if let Some(value) = properties.get(name) {
            attributes.insert(name.to_owned(), plain(value));
        }
    }
    Ok(SubscriptionWiring { name: id.to_owned(), topic: text("TopicArn")?, queue: text("Endpoint")?, attributes })
}

fn route(place: &str, trigger: &Value) -> Result<Route, TemplateError> {
    let text = |field: &str| trigger.get(field).and_then(Value::as_str).ok_or_else(|| missing(place, field));
    let public = trigger.pointer("/Auth/Authorizer").is_some_and(|authorizer| authorizer == "NONE");
    Ok(Route {
        method: text("Method")?.to_ascii_uppercase(),
        path: text("Path")?.to_owned(),
        access: if public { Access::Public } else { Access::Token },
    })
}

fn queue_source(place: &str, function: &str, trigger: &Value) -> Result<QueueSource, TemplateError> {
    let queue = trigger.get("Queue").and_then(Value::as_str).ok_or_else(|| missing(place, "Queue"))?;
    Ok(QueueSource {
        function: function.to_owned(),
        queue: name_in_arn(queue),
        batch_size: batch_size(trigger, 10),
        reports_failures: reports_failures(trigger),
    })
}

fn stream_source(event: &str, function: &str, trigger: &Value) -> StreamSource {
    let filters = trigger.pointer("/FilterCriteria/Filters").and_then(Value::as_array).into_iter().flatten();
    let patterns = filters.filter_map(|filter| serde_json::from_str(filter.get("Pattern")?.as_str()?).ok());
    StreamSource {
        function: function.to_owned(),
        name: format!("{function}.{event}"),
        batch_size: batch_size(trigger, 100),
        filters: patterns.collect(),
        max_attempts: trigger.get("MaximumRetryAttempts").and_then(small).map(|retries| retries.saturating_add(1)),
        on_failure: trigger
            .pointer("/DestinationConfig/OnFailure/Destination")
            .and_then(Value::as_str)
            .map(name_in_arn),
        reports_failures: reports_failures(trigger),
    }
}

fn schedule(place: &str, function: &str, trigger: &Value) -> Result<(String, Schedule), TemplateError> {
    let input = trigger.get("Input").and_then(Value::as_str).ok_or_else(|| missing(place, "Input"))?;
    let payload: Value = serde_json::from_str(input).unwrap_or_default();
    let key = payload.get("schedule").and_then(Value::as_str).ok_or_else(|| missing(place, "Input.schedule"))?;
    let schedule =
        Schedule { function: function.to_owned(), input: input.to_owned(), dead_letters: dead_letters(trigger) };
    Ok((key.to_owned(), schedule))
}

fn rule(event: &str, function: &str, trigger: &Value) -> RuleWiring {
    RuleWiring {
        function: function.to_owned(),
        name: format!("{function}.{event}"),
        pattern: trigger.get("Pattern").cloned().unwrap_or_default(),
        dead_letters: dead_letters(trigger),
    }
}

fn dead_letters(trigger: &Value) -> Option<String> {
    trigger.pointer("/DeadLetterConfig/Arn").and_then(Value::as_str).map(name_in_arn)
}

fn batch_size(trigger: &Value, default: usize) -> usize {
    trigger
        .get("BatchSize")
        .and_then(small)
        .and_then(|size| usize::try_from(size).ok())
        .map_or(default, |size| size.max(1))
}

fn reports_failures(trigger: &Value) -> bool {
    let types = trigger.get("FunctionResponseTypes").and_then(Value::as_array);
    types.is_some_and(|types| types.iter().any(|kind| kind == "ReportBatchItemFailures"))
}

fn small(value: &Value) -> Option<u32> {
    value.as_u64().and_then(|number| u32::try_from(number).ok())
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn name_in_arn(arn: &str) -> String {
    arn.rsplit(':').next().unwrap_or_default().to_owned()
}

fn missing(resource: &str, property: &str) -> TemplateError {
    TemplateError::Property { resource: resource.to_owned(), property: property.to_owned() }
}
