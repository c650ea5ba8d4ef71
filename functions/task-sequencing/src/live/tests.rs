//! Readings through the real SDK clients: pages, refusals, and what lags behind.

use std::sync::{Arc, Mutex, PoisonError};

use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use jiff::Timestamp;
use lambda::{Aws, Clock, Environment, Ids, SetClock};

use super::*;

const DOCUMENT: &str = "%7B%22Version%22%3A%222012-10-17%22%7D";
const CREDENTIALS: &str = "<Credentials><AccessKeyId>ASIA1</AccessKeyId><SecretAccessKey>s</SecretAccessKey>\
    <SessionToken>t</SessionToken><Expiration>2030-01-01T00:00:00Z</Expiration></Credentials>";

/// Answers by the form's fields; remembers what it was asked.
#[derive(Debug, Clone)]
struct Account {
    answer: fn(&str, usize) -> (u16, String),
    asked: Arc<Mutex<Vec<String>>>,
}

impl HttpConnector for Account {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let form = String::from_utf8_lossy(request.body().bytes().unwrap_or_default()).into_owned();
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let times_before = asked.iter().filter(|earlier| **earlier == form).count();
        asked.push(form.clone());
        let (status, body) = (self.answer)(&form, times_before);
        let response = StatusCode::try_from(status).map(|s| HttpResponse::new(s, SdkBody::from(body)));
        HttpConnectorFuture::ready(response.map_err(|error| ConnectorError::other(error.into(), None)))
    }
}

fn host(answer: fn(&str, usize) -> (u16, String)) -> (Host, Arc<Mutex<Vec<String>>>) {
    let account = Account { answer, asked: Arc::default() };
    let asked = Arc::clone(&account.asked);
    let http = http_client_fn(move |_, _| SharedHttpConnector::new(account.clone()));
    let env: Environment = [("READER_ROLE_NAME", "reader"), ("READER_EXTERNAL_ID", "x-1")].into_iter().collect();
    let clock = Clock::Set(SetClock::still_at(Timestamp::UNIX_EPOCH));
    (Host { aws: Aws::in_process(http, "us-east-1"), env, clock, ids: Ids::random() }, asked)
}

fn fault(status: u16, code: &str) -> (u16, String) {
    (status, format!("<ErrorResponse><Error><Code>{code}</Code><Message>m</Message></Error></ErrorResponse>"))
}

fn result(operation: &str, inner: &str) -> (u16, String) {
    (200, format!("<{operation}Response><{operation}Result>{inner}</{operation}Result></{operation}Response>"))
}

/// A role with one inline policy on each of three pages, nothing attached.
fn three_pages(form: &str, _: usize) -> (u16, String) {
    let operation = form.split('&').find_map(|field| field.strip_prefix("Action=")).unwrap_or_default();
    let page = |names: &str, next: &str| {
        let more = if next.is_empty() { "false" } else { "true" };
        let marker = if next.is_empty() { String::new() } else { format!("<Marker>{next}</Marker>") };
        format!("<PolicyNames><member>{names}</member></PolicyNames><IsTruncated>{more}</IsTruncated>{marker}")
    };
    match operation {
        "AssumeRole" => result(operation, CREDENTIALS),
        "GetRole" => result(
            operation,
            &format!(
                "<Role><Path>/</Path><RoleName>app</RoleName><RoleId>AROA1</RoleId><Arn>arn:aws:iam::111122223333:role/app</Arn><CreateDate>2026-01-01T00:00:00Z</CreateDate><AssumeRolePolicyDocument>{DOCUMENT}</AssumeRolePolicyDocument><Tags><member><Key>map-migrated</Key><Value>mig12345</Value></member></Tags></Role>"
            ),
        ),
        "ListRolePolicies" if form.contains("Marker=p2") => result(operation, &page("three", "")),
        "ListRolePolicies" if form.contains("Marker=p1") => result(operation, &page("two", "p2")),
        "ListRolePolicies" => result(operation, &page("one", "p1")),
        "GetRolePolicy" => result(
            operation,
            &format!("<RoleName>app</RoleName><PolicyName>p</PolicyName><PolicyDocument>{DOCUMENT}</PolicyDocument>"),
        ),
        "ListAttachedRolePolicies" => {
            result(operation, "<AttachedPolicies></AttachedPolicies><IsTruncated>false</IsTruncated>")
        }
        _ => fault(400, "InvalidAction"),
    }
}

async fn read_at(host: &Host) -> Result<Option<LiveRole>, ReadError> {
    let account = "111122223333".parse().map_err(|_| ReadError::TooSlow)?;
    let reader = Reader::of_account(host, Partition::Aws, &account).await?;
    let name = "app".parse().map_err(|_| ReadError::TooSlow)?;
    reader.compare(&name, &[], AFTER_A_CHANGE, |_| Ok(Drift::default())).await.map(|looked| looked.live)
}

#[test]
fn documents_are_decoded_as_iam_encodes_them() {
    assert_eq!(decoded("GetRole", Some("%7B%22a%22%3A%22b+c%22%7D")), Ok(r#"{"a":"b+c"}"#.to_owned()));
    let undecodable = Err(ReadError::NotDecoded { operation: "GetRole" });
    assert_eq!(decoded("GetRole", Some("%ff")), undecodable);
    assert_eq!(decoded("GetRole", None), undecodable);
}

#[tokio::test]
async fn every_page_of_policies_is_read_and_the_external_id_is_given() -> anyhow::Result<()> {
    let (host, asked) = host(three_pages);
    let live = read_at(&host).await?.unwrap_or_default();
    assert_eq!(live.inline.keys().collect::<Vec<_>>(), ["one", "three", "two"]);
    assert_eq!(live.tags.get(tag::KEY).map(String::as_str), Some("mig12345"));
    let asked = asked.lock().unwrap_or_else(PoisonError::into_inner);
    assert!(asked.first().is_some_and(|form| form.contains("ExternalId=x-1")), "{asked:?}");
    Ok(())
}

#[tokio::test]
async fn each_refusal_says_what_kept_the_role_from_being_read() {
    type Answers = fn(&str, usize) -> (u16, String);
    let denied: Answers = |form, n| match form.contains("Action=ListRolePolicies") {
        true => fault(403, "AccessDenied"),
        false => three_pages(form, n),
    };
    let throttled: Answers = |form, n| match form.contains("Action=GetRole&") {
        true => fault(400, "Throttling"),
        false => three_pages(form, n),
    };
    let refused: Answers = |form, n| match form.contains("Action=AssumeRole") {
        true => fault(403, "AccessDenied"),
        false => three_pages(form, n),
    };
    let check = async |answers: Answers, expected: UnreadableCause, says: &str| {
        let error = read_at(&host(answers).0).await.err();
        let said = error.as_ref().map(ToString::to_string).unwrap_or_default();
        assert_eq!(error.map(|e| e.cause()), Some(expected), "{said}");
        assert!(said.contains(says), "{said}");
    };
    check(denied, UnreadableCause::Denied, "ListRolePolicies was not answered: AccessDenied").await;
    check(throttled, UnreadableCause::Throttled, "GetRole was not answered: Throttling").await;
    check(refused, UnreadableCause::AssumptionRefused, "role/reader` cannot be assumed: AccessDenied").await;
}

#[tokio::test]
async fn a_role_that_is_not_there_is_no_failure() -> anyhow::Result<()> {
    let (host, _) = host(|form, n| match form.contains("Action=GetRole&") {
        true => fault(404, "NoSuchEntity"),
        false => three_pages(form, n),
    });
    assert_eq!(read_at(&host).await?, None);
    Ok(())
}

#[tokio::test]
async fn what_iam_shows_late_is_waited_for_and_what_stays_is_believed() -> anyhow::Result<()> {
    let (host, asked) = host(three_pages);
    let reader = Reader::of_account(&host, Partition::Aws, &"111122223333".parse()?).await?;
    let reads = || {
        let asked = asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.iter().filter(|form| form.contains("Action=GetRole&")).count()
    };
    let lagging = Drift { boundary: vec!["old".to_owned()], ..Drift::default() };
    let late = |_: Option<&LiveRole>| Ok(if reads() < 3 { lagging.clone() } else { Drift::default() });
    let looked = reader.compare(&"app".parse()?, &[], AFTER_A_CHANGE, late).await?;
    assert!(looked.drift.is_none() && reads() == 3, "the third reading shows the change");
    let looked = reader.compare(&"app".parse()?, &[], AFTER_A_CHANGE, |_| Ok(lagging.clone())).await?;
    assert_eq!((looked.drift, reads()), (lagging, 3 + 1 + AFTER_A_CHANGE.len()));
    Ok(())
}
