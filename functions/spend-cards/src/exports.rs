//! Exports: asked for by API, written to S3 by a worker, opened by a link that is signed at each reading.
//!
//! The object's key holds the digest of its bytes, so two workers at once never make the manifest speak of another file.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::primitives::ByteStream;
use contract::events::Event as Happened;
use domain::base::audit::AuditEvent;
use domain::base::calendar::{Month, Week};
use domain::base::digest::Digest;
use domain::base::ids::ExportId;
use domain::base::outcome::Outcome;
use domain::spend::export::{Export, ExportKind, Finished, Manifest, Span, decide_finish, decide_request};
use jiff::{SignedDuration, Timestamp};
use lambda::{Answer, Call, Clock, Event, Failure, Problem};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::{Index, Loaded, Step, StoreError, Transaction, keys};

use crate::App;
use crate::render::allocation::{Allocations, Owners};
use crate::render::{Document, allocation, audit, focus, report};

/// How long a link opens its file: whoever has it needs no token.
const LINK_VALID_FOR: Duration = Duration::from_secs(15 * 60);

/// What is asked for: a kind, and either a month or a week.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ExportFields {
    kind: ExportKind,
    #[serde(default)]
    billing_period: Option<Month>,
    /// Any day of the week.
    #[serde(default)]
    week: Option<Week>,
}

/// Where an export stands.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ExportState {
    /// The worker has not written it yet.
    Requested,
    /// The file is there.
    Finished,
}

/// An export, as people see it.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ExportView {
    id: ExportId,
    kind: ExportKind,
    billing_period: Option<Month>,
    week: Option<Week>,
    state: ExportState,
    requested_by: String,
    requested_at: Timestamp,
    /// Opens the file, without a token, until it expires; read the export again for another one.
    url: Option<String>,
    expires_at: Option<Timestamp>,
    manifest: Option<Manifest>,
}

pub(crate) async fn request(app: Arc<App>, call: Call<ExportFields>) -> Result<Answer<ExportView>, Problem> {
    let span = match (call.body.billing_period, call.body.week) {
        (Some(month), None) => Span::BillingPeriod(month),
        // A day in the body names its week, as in a path.
        (None, Some(week)) => Span::Week(Week::of(week.first_day())),
        _ => {
            return Err(Problem::invalid(
                "give either `billingPeriod`, such as 2026-08, or `week`, such as 2026-08-16",
            ));
        }
    };
    let id = ExportId::new(call.now, app.ids.entropy());
    app.store
        .decide(|| async {
            let mut has_bill = true;
            for month in span.months() {
                has_bill &= app.spend.head(month).await?.is_some();
            }
            match decide_request(id.clone(), call.body.kind, span, has_bill, &call.actor, call.now) {
                Outcome::Changed(export) => {
                    let mut tx = call.transaction();
                    tx.create(&export, &Happened::ExportRequested { export_id: id.clone() });
                    let location = format!("/v1/exports/{id}");
                    Ok(call.commit(tx, Answer::accepted(location, view(export, None))))
                }
                Outcome::AlreadyDone => Err(Problem::not_found()),
                Outcome::Refused(refusal) => Err(refusal.into()),
            }
        })
        .await
}

pub(crate) async fn read(app: Arc<App>, call: Call<()>) -> Result<Answer<ExportView>, Problem> {
    let id: ExportId = call.path.parse("id")?;
    let found: Loaded<Export> = app.store.load(id.as_str()).await?.ok_or_else(Problem::not_found)?;
    let link = match &found.value.finished {
        Some(finished) => Some(link_to(&app, &finished.object_key).await?),
        None => None,
    };
    Ok(Answer::ok(view(found.value, link)))
}

/// Consumes `export.requested`.
///
/// Done: an export that is written already. Retry: the store, S3. Poison: an export that is not there, or that a
/// document cannot be made of.
pub(crate) async fn write(app: Arc<App>, event: Event<AuditEvent>) -> Result<(), Failure> {
    let happened = Happened::of(&event.envelope).map_err(|error| Failure::Poison(error.to_string()))?;
    let Happened::ExportRequested { export_id } = happened else { return Ok(()) };
    let missing = || Failure::Poison(format!("export `{export_id}` has no record"));
    let found: Loaded<Export> = app.store.load(export_id.as_str()).await?.ok_or_else(missing)?;
    if found.value.finished.is_some() {
        return Ok(());
    }
    let document = document_of(&app, &found.value).await?;
    let finished = put(&app, &found.value, document, event.now).await?;
    app.store
        .decide(|| async {
            let found: Loaded<Export> = app.store.load(export_id.as_str()).await?.ok_or_else(missing)?;
            match decide_finish(&found.value, finished.clone()) {
                Outcome::Changed(export) => {
                    let mut tx = Transaction::new(&event.actor, event.now, &event.request_id);
                    tx.update(&found, &export, &Happened::ExportFinished { export_id: export_id.clone() });
                    Ok(Step::Commit(tx, ()))
                }
                Outcome::AlreadyDone | Outcome::Refused(_) => Ok::<_, Failure>(Step::Done(())),
            }
        })
        .await
}

async fn document_of(app: &App, export: &Export) -> Result<Document, Failure> {
    let unwritten = |error: csv::Error| Failure::Poison(format!("export `{}`: {error}", export.id));
    match (export.kind, export.span) {
        (ExportKind::ChargebackCsv, span) => allocation::render(&allocations(app, span).await?).map_err(unwritten),
        (ExportKind::ChargebackFocus, span) => focus::render(&allocations(app, span).await?).map_err(unwritten),
        (ExportKind::PortfolioReport, Span::Week(week)) => {
            Ok(report::render(&app.portfolio(week).await?, export.requested_at))
        }
        (ExportKind::PortfolioReport, Span::BillingPeriod(_)) => {
            Err(Failure::Poison(format!("export `{}` is a report of a month", export.id)))
        }
        (ExportKind::Audit, span) => Ok(audit::render(&records_of(app, span).await?)),
    }
}

/// Who answers for the spend of a span, with the names and places of workloads.
async fn allocations(app: &App, span: Span) -> Result<Allocations, StoreError> {
    let bill = app.read_bill(&span.months().into_iter().collect::<BTreeSet<Month>>(), None).await?;
    let workloads = app.store.list_workloads().await?;
    let places = app.places(workloads.iter().map(|workload| &workload.space_id)).await?;
    let owners = Owners::new(workloads, places);
    Ok(Allocations { span, facts: bill.facts, unreadable: bill.unreadable, owners })
}

/// Records as they are stored: an export that mended them would hide what a verifier is to find.
async fn records_of(app: &App, span: Span) -> Result<Vec<String>, StoreError> {
    let (mut day, last) = span.days();
    let mut records = Vec::new();
    while day <= last {
        for entry in app.store.list_all(Index::List, &keys::audit_of(day)).await? {
            records.push(entry.record()?.to_owned());
        }
        day = domain::base::calendar::next_day(day);
    }
    Ok(records)
}

async fn put(app: &App, export: &Export, document: Document, now: Timestamp) -> Result<Finished, Failure> {
    let Document { bytes, extension, content_type, rows, control_totals, unreadable } = document;
    let sha256 = Digest::of_bytes(&bytes);
    let name = format!("{}-{}.{extension}", export.kind.as_str(), export.span.label());
    let object_key = format!("exports/{}/{}/{name}", export.id, sha256.hex());
    let sent = app
        .objects
        .put_object()
        .bucket(&app.exports_bucket)
        .key(&object_key)
        .content_type(content_type)
        .content_disposition(format!("attachment; filename=\"{name}\""))
        .body(ByteStream::from(bytes))
        .send()
        .await;
    sent.map_err(|error| {
        Failure::Retry(format!("PutObject `{object_key}`: {}", aws_sdk_s3::error::DisplayErrorContext(&error)))
    })?;
    Ok(Finished { object_key, manifest: Manifest { sha256, rows, control_totals, unreadable }, at: now })
}

/// A link and when it stops opening the file: signatures are checked against the world's clock, not the product's.
async fn link_to(app: &App, object_key: &str) -> Result<(String, Timestamp), Problem> {
    let unsigned = |error: &dyn std::error::Error| {
        tracing::error!(object.key = object_key, error = %error, "a link could not be signed");
        Problem::unavailable()
    };
    let signed_at = Clock::System.now();
    let terms = PresigningConfig::expires_in(LINK_VALID_FOR).map_err(|error| unsigned(&error))?;
    let object = app.objects.get_object().bucket(&app.exports_bucket).key(object_key);
    let link = object.presigned(terms).await.map_err(|error| unsigned(&error))?;
    let valid_for = SignedDuration::try_from(LINK_VALID_FOR).unwrap_or(SignedDuration::ZERO);
    Ok((link.uri().to_owned(), signed_at.saturating_add(valid_for).unwrap_or(signed_at)))
}

fn view(export: Export, link: Option<(String, Timestamp)>) -> ExportView {
    let Export { id, kind, span, requested_by, requested_at, finished } = export;
    let (billing_period, week) = match span {
        Span::BillingPeriod(month) => (Some(month), None),
        Span::Week(week) => (None, Some(week)),
    };
    let (url, expires_at) = link.unzip();
    ExportView {
        id,
        kind,
        billing_period,
        week,
        state: if finished.is_some() { ExportState::Finished } else { ExportState::Requested },
        requested_by: requested_by.to_string(),
        requested_at,
        url,
        expires_at,
        manifest: finished.map(|finished| finished.manifest),
    }
}
