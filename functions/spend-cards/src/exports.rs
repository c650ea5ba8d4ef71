//! Exports: asked for by API, written to S3 by a worker, opened by a link that is signed at each reading.
//!
//! The object's key holds the digest of its bytes, so two workers at once never make the manifest speak of another
//! file.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::primitives::ByteStream;
use contract::events::Event;
use domain::base::calendar::{Month, Week};
use domain::base::digest::Digest;
use domain::base::ids::ExportId;
use domain::spend::export::allocation::{self, Allocations, Owners};
use domain::spend::export::file::Document;
use domain::spend::export::{Export, ExportKind, ExportManifest, Finished, Span, decide_finish, decide_request};
use domain::spend::export::{audit, focus, report};
use jiff::{SignedDuration, Timestamp};
use lambda::{Answer, Call, Clock, Failure, Heard, Problem};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::{Index, Loaded, StoreError, keys};

use crate::App;

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
    manifest: Option<ExportManifest>,
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
    call.transact(&app.store, || async {
        let mut has_bill = true;
        for month in span.months() {
            has_bill &= app.spend.head(month).await?.is_some();
        }
        let requested = decide_request(id.clone(), call.body.kind, span, has_bill, &call.actor, call.now);
        let event = |_: &mut _, _: &_| Event::ExportRequested { export_id: id.clone() };
        call.create(requested, event, |export| Answer::accepted(format!("/v1/exports/{id}"), view(export, None)))
    })
    .await
}

pub(crate) async fn read(app: Arc<App>, call: Call<()>) -> Result<Answer<ExportView>, Problem> {
    let found = app.store.require::<Export>(&call.path.parse("id")?).await?;
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
pub(crate) async fn write_file(app: Arc<App>, heard: Heard) -> Result<(), Failure> {
    let Event::ExportRequested { export_id } = &heard.event else { return Err(heard.unexpected()) };
    let found: Loaded<Export> = app.store.require(export_id).await?;
    if found.value.finished.is_some() {
        return Ok(());
    }
    let document = document_of(&app, &found.value).await?;
    let finished = put_file(&app, &found.value, document, heard.cause.now).await?;
    let noted = app.store.transact(|| async {
        let found: Loaded<Export> = app.store.require(export_id).await?;
        let decided = decide_finish(&found.value, finished.clone()).changed();
        let event = |_: &mut _, _: &_| Event::ExportFinished { export_id: export_id.clone() };
        Ok::<_, Failure>(heard.cause.save(Some(&found), decided, event))
    });
    noted.await.map(drop)
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

async fn put_file(app: &App, export: &Export, document: Document, now: Timestamp) -> Result<Finished, Failure> {
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
    Ok(Finished { object_key, manifest: ExportManifest { sha256, rows, control_totals, unreadable }, at: now })
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
