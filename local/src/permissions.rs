//! What the template's policies allow each function: a call that they do not allow is refused here as AWS refuses it,
//! so that a right which is missing from the template is missing in every test too.
//!
//! Which rights a call needs follows AWS's service authorisation reference: a transaction needs those of its actions, a
//! batch its own. Calls by a session's credentials act with that role's rights, not with the function's, and pass.

use std::collections::BTreeMap;

use bytes::Bytes;
use domain::access::policy::document::Document;
use domain::access::policy::evaluate::{Request as Question, evaluate};
use http::Request;
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde_json::Value;

use crate::bus::Wiring;
use crate::cloud::{Caller, Object};

/// The policies of the functions.
#[derive(Debug, Clone, Default)]
pub(crate) struct Permissions(BTreeMap<String, Vec<Document>>);

/// The members of DynamoDB's and Athena's requests that name what is called upon.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Named {
    table_name: Option<String>,
    index_name: Option<String>,
    request_items: BTreeMap<String, Value>,
    transact_items: Vec<BTreeMap<String, Named>>,
    work_group: Option<String>,
}

impl Permissions {
    /// Those that a deployment gives.
    pub(crate) fn of(wiring: &Wiring) -> Self {
        Self(wiring.functions.iter().map(|(name, wired)| (name.clone(), wired.policies.clone())).collect())
    }

    /// The right that a function lacks for a call, in IAM's words.
    pub(crate) fn lacking(
        &self,
        function: &str,
        caller: &Caller,
        operation: &str,
        request: &Request<Bytes>,
    ) -> Option<String> {
        let policies = self.0.get(function).filter(|_| !caller.access_key.starts_with("ASIA"))?;
        let is_allowed = |question: &Question| policies.iter().any(|policy| evaluate(policy, question).is_allowed());
        let lacking = needed(caller, operation, request).into_iter().find(|question| !is_allowed(question))?;
        Some(format!(
            "{function} is not authorized to perform: {} on resource: {} because no identity-based policy allows it",
            lacking.action, lacking.resource
        ))
    }
}

fn needed(caller: &Caller, operation: &str, request: &Request<Bytes>) -> Vec<Question> {
    let Caller { account, region, service, .. } = caller;
    let arn = |rest: String| format!("arn:aws:{service}:{region}:{account}:{rest}");
    let action = |name: &str| format!("{service}:{name}");
    match service.as_str() {
        "dynamodb" => of_tables(operation, request.body())
            .into_iter()
            .map(|(name, resource)| Question::new(&action(&name), &arn(resource)))
            .collect(),
        "athena" => {
            let named: Named = serde_json::from_slice(request.body()).unwrap_or_default();
            // A query's id does not say its workgroup; AWS looks that up.
            let group = named.work_group.unwrap_or_else(|| "finops-center".to_owned());
            vec![Question::new(&action(operation), &arn(format!("workgroup/{group}")))]
        }
        "s3" => vec![of_object(operation, request)],
        "bedrock" => {
            let name = if request.uri().path().starts_with("/inference-profiles") {
                "ListInferenceProfiles"
            } else {
                "ListFoundationModels"
            };
            vec![Question::new(&action(name), "*")]
        }
        _ => vec![of_form(service, operation, &arn, request.body())],
    }
}

/// The rights on tables that a request needs: names of actions, and `table/…`.
fn of_tables(operation: &str, body: &[u8]) -> Vec<(String, String)> {
    let named: Named = serde_json::from_slice(body).unwrap_or_default();
    let table = |name: &str| format!("table/{name}");
    match operation {
        "TransactWriteItems" | "TransactGetItems" => {
            let actions = named.transact_items.iter().flatten();
            let right = |(kind, on): (&String, &Named)| {
                let name =
                    if kind == "ConditionCheck" { "ConditionCheckItem".to_owned() } else { format!("{kind}Item") };
                (name, table(on.table_name.as_deref().unwrap_or_default()))
            };
            actions.map(right).collect()
        }
        "BatchGetItem" | "BatchWriteItem" => {
            named.request_items.keys().map(|name| (operation.to_owned(), table(name))).collect()
        }
        _ => {
            let mut resource = table(&named.table_name.unwrap_or_default());
            if let Some(index) = named.index_name {
                resource = format!("{resource}/index/{index}");
            }
            vec![(operation.to_owned(), resource)]
        }
    }
}

fn of_object(method: &str, request: &Request<Bytes>) -> Question {
    let Object { bucket, key } = Object::of(request);
    let object = format!("arn:aws:s3:::{bucket}/{key}");
    match method {
        "PUT" | "POST" => Question::new("s3:PutObject", &object),
        "DELETE" => Question::new("s3:DeleteObject", &object),
        _ if key.is_empty() => Question::new("s3:ListBucket", &format!("arn:aws:s3:::{bucket}")),
        _ => Question::new("s3:GetObject", &object),
    }
}

/// A call of the Query API: SNS, STS, IAM.
fn of_form(service: &str, operation: &str, arn: &dyn Fn(String) -> String, body: &[u8]) -> Question {
    let text = String::from_utf8_lossy(body);
    let field = |name: &str| {
        let value = text.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))?;
        Some(percent_decode_str(&value.replace('+', " ")).decode_utf8_lossy().into_owned())
    };
    // A batch needs the right to publish, and has none of its own.
    let name = if operation == "PublishBatch" { "Publish" } else { operation };
    let on = match (service, operation) {
        ("sns", "CreateTopic") => field("Name").map(arn),
        ("sns", "Unsubscribe") => None,
        ("sns", _) => field("TopicArn"),
        ("sts", "AssumeRole") => field("RoleArn"),
        _ => None,
    };
    let question = Question::new(&format!("{service}:{name}"), on.as_deref().unwrap_or("*"));
    match field("ExternalId") {
        Some(id) => question.with("sts:ExternalId", &id),
        None => question,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bus::Deployment;
    use crate::cloud::{Cloud, CloudConfig};
    use serde_json::json;

    #[test]
    fn a_function_may_do_what_the_template_says_and_nothing_else() -> anyhow::Result<()> {
        let cloud = Cloud::start(CloudConfig::default())?;
        let wiring = Wiring::read(include_str!("../../template.yaml"), &Deployment::local(&cloud))?;
        let permissions = Permissions::of(&wiring);
        let caller = |service: &str, key: &str| Caller {
            access_key: key.to_owned(),
            account: cloud.account().to_owned(),
            region: cloud.region().to_owned(),
            service: service.to_owned(),
        };
        let check = |function: &str, service: &str, operation: &str, body: &str, may: bool| {
            let request = Request::new(Bytes::from(body.to_owned()));
            let lacking = permissions.lacking(function, &caller(service, "AKIA"), operation, &request);
            assert_eq!(lacking.is_none(), may, "{function} {operation} {body}: {lacking:?}");
        };
        let (spend, governance) = ("finops-center-spend", "finops-center-governance");
        let batch = json!({"RequestItems": {spend: []}}).to_string();
        check("cur-ingestion", "dynamodb", "BatchWriteItem", &batch, true);
        check("spend-cards", "dynamodb", "BatchGetItem", &batch, true);
        check("spend-cards", "dynamodb", "BatchWriteItem", &batch, false);
        check("approval", "dynamodb", "BatchGetItem", &batch, false);
        check("approval", "dynamodb", "Scan", &json!({"TableName": governance}).to_string(), false);
        let query = json!({"TableName": governance, "IndexName": "list"}).to_string();
        check("approval", "dynamodb", "Query", &query, true);
        let transaction = |table: &str| json!({"TransactItems": [{"Put": {"TableName": table}}]}).to_string();
        check("approval", "dynamodb", "TransactWriteItems", &transaction(governance), true);
        check("approval", "dynamodb", "TransactWriteItems", &transaction(spend), false);
        check(
            "notification",
            "sns",
            "Publish",
            "TopicArn=arn%3Aaws%3Asns%3Aus-east-1%3A000000000000%3Aelsewhere",
            false,
        );
        let reader = "RoleArn=arn%3Aaws%3Aiam%3A%3A111122223333%3Arole%2Ffinops-center-reader";
        check("task-sequencing", "sts", "AssumeRole", reader, false);
        check("task-sequencing", "sts", "AssumeRole", &format!("{reader}&ExternalId=finops-center-local"), true);
        for uri in ["https://finops-exports.s3.us-east-1.amazonaws.com/exports/a.csv", "/finops-exports/exports/a.csv"]
        {
            let put = Request::builder().method("PUT").uri(uri).body(Bytes::new())?;
            let lacking = |function| permissions.lacking(function, &caller("s3", "AKIA"), "PUT", &put);
            assert_eq!(lacking("spend-cards"), None, "the bucket in the host or in the path: {uri}");
            assert!(lacking("approval").is_some(), "{uri}");
        }
        let of_session = caller("iam", "ASIA111122223333");
        let request = Request::new(Bytes::new());
        assert_eq!(permissions.lacking("task-sequencing", &of_session, "GetRole", &request), None);
        Ok(())
    }
}
