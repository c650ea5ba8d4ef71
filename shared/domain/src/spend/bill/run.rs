//! A run of the ingestion: one reading of one delivery of a month, its states, and what comes next of it.
//!
//! Whether a delivery is to be read, whether what was read may be shown, and how an attempt ends, is decided here;
//! queries and rows are the function's.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::reconciliation::{Mismatch, SpendTotals};
use super::slice::SliceMismatch;
use crate::base::calendar::Month;
use crate::base::digest::Digest;
use crate::base::ids::RunId;
use crate::base::money::Currency;

/// One reading of one delivery of a month. It may be attempted again, when it failed or when the settings moved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Run {
    /// Derived from month and manifest, so that one delivery is one run.
    pub id: RunId,
    /// The month of the bill.
    pub billing_period: Month,
    /// The delivery that it is bound to.
    pub manifest: Manifest,
    /// What the month's data files were when this attempt began, in one digest: they are replaced before the manifest
    /// is.
    #[serde(default)]
    pub data_files: Option<Digest>,
    /// Where it stands.
    pub state: RunState,
    /// Which attempt this is, from 1.
    pub attempt: u32,
    /// When this attempt began.
    pub submitted_at: Timestamp,
    /// When this attempt ended.
    pub ended_at: Option<Timestamp>,
    /// The queries of this attempt.
    pub queries: Option<Queries>,
    /// What the rows are read by.
    pub rules: Rules,
    /// Why it failed.
    pub failure: Option<Failure>,
    /// What it found.
    pub result: Option<RunResult>,
}

/// A delivery, by what its export wrote last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// What tells this delivery from any other.
    pub id: String,
    /// The manifest's key in the bucket; none where people copied the data files alone.
    pub key: Option<String>,
    /// When it was delivered: the facts' as-of.
    pub delivered_at: Timestamp,
}

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RunState {
    /// Its queries were submitted.
    Submitted,
    /// Its figures are what is shown, or were until a newer one's.
    Completed,
    /// Nothing of it is shown.
    Failed,
    /// A newer delivery arrived while it read.
    Superseded,
}

impl RunState {
    /// Every state, the open one first.
    pub const ALL: [Self; 4] = [Self::Submitted, Self::Completed, Self::Failed, Self::Superseded];

    /// The state's name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Submitted => "submitted",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Superseded => "superseded",
        }
    }
}

/// The two queries of an attempt, by Athena's ids.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Queries {
    /// The grouped query.
    pub facts: String,
    /// The ungrouped query that it is reconciled with.
    pub control: String,
    /// The query by day, account and line-item type, asked only when the other two do not agree.
    #[serde(default)]
    pub slices: Option<String>,
}

/// What rows are read by. When it moves, a delivery is read again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Rules {
    /// The settings' version.
    pub settings_version: u64,
    /// The alias table's version.
    pub aliases_version: String,
}

/// Why a run failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Failure {
    /// The stable reason, kebab-case.
    pub kind: String,
    /// For people: what is wrong and what to do next.
    pub detail: String,
    /// Where the facts are not what the bill holds, the first of them.
    #[serde(default)]
    pub slices: Vec<SliceMismatch>,
}

/// What a run found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunResult {
    /// Whether any fact moved.
    pub changed: bool,
    /// How many groups of rows there were.
    pub groups: u64,
    /// Where every dollar went, as attributed last.
    pub totals: BTreeMap<Currency, SpendTotals>,
    /// Who answers for each fact, in one digest: it moves when a claim or an approval moves spend.
    pub attribution: Digest,
}

/// Whose reading of a month is shown, and of which delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownRun {
    /// The run.
    pub run_id: RunId,
    /// Which attempt of it.
    pub attempt: u32,
    /// The delivery's manifest.
    pub manifest_id: String,
    /// When AWS delivered it.
    pub as_of: Timestamp,
}

/// Who asks for a reading. A person may try again what failed as often as they like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asker {
    /// A Lead.
    Person,
    /// One of the product's jobs.
    Job,
}

/// How often the product's own jobs attempt one delivery; people may ask for more.
const ATTEMPTS_BY_JOBS_MAX: u32 = 4;

/// Digits of the manifest's digest in a run's id: 96 bits, far beyond any chance of two deliveries meeting.
const ID_DIGITS: usize = 24;

/// Why a run failed, by its stable name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// The export has no callers' column.
    ExportMisconfigured,
    /// Files that the manifest lists are not there.
    FilesMissing,
    /// The settings cannot be put into a query.
    SettingsUnusable,
    /// Athena says why.
    QueryFailed,
    /// Athena answers what this version does not read.
    UnreadableRows,
    /// The delivery holds no row of the month.
    NoRows,
    /// The facts are not what the control total says.
    NotReconciled,
}

impl FailureKind {
    /// The stable name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ExportMisconfigured => "export-misconfigured",
            Self::FilesMissing => "files-missing",
            Self::SettingsUnusable => "settings-unusable",
            Self::QueryFailed => "query-failed",
            Self::UnreadableRows => "unreadable-rows",
            Self::NoRows => "no-rows",
            Self::NotReconciled => "not-reconciled",
        }
    }

    /// A failure of this kind, with what is wrong and what to do next.
    #[must_use]
    pub fn because(self, detail: impl Into<String>) -> Failure {
        Failure { kind: self.as_str().to_owned(), detail: detail.into(), slices: Vec::new() }
    }
}

/// The mismatches in one sentence.
#[must_use]
pub fn not_reconciled(mismatches: &[Mismatch]) -> Failure {
    let listed: Vec<String> = mismatches.iter().map(ToString::to_string).collect();
    FailureKind::NotReconciled.because(listed.join("; "))
}

/// Slices that a failed run keeps, and those that its sentence names: enough to see the pattern.
const SLICES_KEPT_MAX: usize = 50;
const SLICES_NAMED_MAX: usize = 3;

/// A failure with the slices that it is about; that there are none is told too.
#[must_use]
pub fn located(failure: Failure, mut slices: Vec<SliceMismatch>) -> Failure {
    let named: Vec<String> = slices.iter().take(SLICES_NAMED_MAX).map(ToString::to_string).collect();
    let detail = match slices.len() {
        0 => {
            format!("{}; asked again by slice, bill and facts agree: the bill moved while it was read", failure.detail)
        }
        count => format!("{}; in {count} slices, such as {}", failure.detail, named.join("; ")),
    };
    slices.truncate(SLICES_KEPT_MAX);
    Failure { detail, slices, ..failure }
}

/// What to do about a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// Read it: this is the number of the attempt.
    Attempt(u32),
    /// It is being read, is shown, or failed in a way that reading it again does not heal.
    AlreadyDone,
    /// A newer delivery is shown.
    Older,
}

/// The run of a delivery.
#[must_use]
pub fn run_id(month: Month, manifest: &Manifest) -> RunId {
    let digest = Digest::of(&manifest.id);
    RunId::derived(&format!("{month}.{}", digest.hex().get(..ID_DIGITS).unwrap_or_default()))
}

/// Whether a delivery is to be read.
#[must_use]
pub fn decide_start(
    existing: Option<&Run>,
    shown: Option<&ShownRun>,
    delivered: (&Manifest, &Digest),
    rules: &Rules,
    asker: Asker,
) -> Start {
    let (manifest, data_files) = delivered;
    if shown.is_some_and(|shown| is_older(manifest, shown)) {
        return Start::Older;
    }
    let Some(run) = existing else { return Start::Attempt(1) };
    let again = Start::Attempt(run.attempt + 1);
    if run.rules != *rules {
        return again;
    }
    match run.state {
        RunState::Submitted => Start::AlreadyDone,
        RunState::Completed if shown.is_some_and(|shown| shown.run_id == run.id) => Start::AlreadyDone,
        // What was shown once and is current again is read again: its facts may have expired.
        RunState::Completed | RunState::Superseded => again,
        RunState::Failed => match asker {
            Asker::Person => again,
            // Somebody completed the copy, say.
            Asker::Job if run.data_files.as_ref().is_some_and(|read| read != data_files) => again,
            Asker::Job if run.attempt < ATTEMPTS_BY_JOBS_MAX && may_heal(run) => again,
            Asker::Job => Start::AlreadyDone,
        },
    }
}

/// Whether a newer delivery is shown.
fn is_older(manifest: &Manifest, shown: &ShownRun) -> bool {
    shown.manifest_id != manifest.id && shown.as_of > manifest.delivered_at
}

/// Whether what an attempt read is not to be shown any more: a newer delivery is, or a later attempt at its own.
#[must_use]
pub fn is_overtaken(run: &Run, shown: &ShownRun) -> bool {
    is_older(&run.manifest, shown) || (shown.run_id == run.id && shown.attempt > run.attempt)
}

/// Whether what an attempt read is shown, and was not settled: its gaps and its end are missing, or being written.
#[must_use]
pub fn is_unsettled(run: &Run, shown: &ShownRun) -> bool {
    run.state == RunState::Submitted && shown.run_id == run.id && shown.attempt == run.attempt
}

/// A misconfigured export needs a new one, which is another delivery.
fn may_heal(run: &Run) -> bool {
    let lasting = [FailureKind::ExportMisconfigured, FailureKind::NoRows, FailureKind::SettingsUnusable];
    run.failure.as_ref().is_some_and(|failure| !lasting.iter().any(|kind| kind.as_str() == failure.kind))
}

/// An attempt as it begins.
#[must_use]
pub fn attempted(
    month: Month,
    manifest: &Manifest,
    rules: Rules,
    attempt: u32,
    queries: Queries,
    now: Timestamp,
) -> Run {
    Run {
        id: run_id(month, manifest),
        billing_period: month,
        manifest: manifest.clone(),
        data_files: None,
        state: RunState::Submitted,
        attempt,
        submitted_at: now,
        ended_at: None,
        queries: Some(queries),
        rules,
        failure: None,
        result: None,
    }
}

/// An attempt that failed before there was a query.
#[must_use]
pub fn refused(month: Month, manifest: &Manifest, rules: Rules, attempt: u32, failure: Failure, now: Timestamp) -> Run {
    let queries = Queries { facts: String::new(), control: String::new(), slices: None };
    let run = attempted(month, manifest, rules, attempt, queries, now);
    Run { state: RunState::Failed, ended_at: Some(now), queries: None, failure: Some(failure), ..run }
}

/// The attempt with its query by slices, unless it ended or has one.
#[must_use]
pub fn decide_ask_by_slice(run: &Run, attempt: u32, query: &str) -> Option<Run> {
    let queries = run.queries.as_ref().filter(|queries| queries.slices.is_none())?;
    if run.state != RunState::Submitted || run.attempt != attempt {
        return None;
    }
    let queries = Queries { slices: Some(query.to_owned()), ..queries.clone() };
    Some(Run { queries: Some(queries), ..run.clone() })
}

/// How an attempt ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// Its figures are shown.
    Completed(RunResult),
    /// Nothing of it is shown.
    Failed(Failure),
    /// What it read is not what is to be shown.
    Superseded,
}

/// Ends the attempt that was read, unless it ended meanwhile.
#[must_use]
pub fn decide_end(run: &Run, attempt: u32, end: End, now: Timestamp) -> Option<Run> {
    if run.state != RunState::Submitted || run.attempt != attempt {
        return None;
    }
    let ended = Run { ended_at: Some(now), ..run.clone() };
    Some(match end {
        End::Completed(result) => Run { state: RunState::Completed, result: Some(result), ..ended },
        End::Failed(failure) => Run { state: RunState::Failed, failure: Some(failure), ..ended },
        End::Superseded => Run { state: RunState::Superseded, ..ended },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    const AUGUST: jiff::civil::Date = date(2026, 8, 1);

    fn manifest(id: &str, day: i8) -> Manifest {
        let delivered_at = crate::base::calendar::start_of_day(date(2026, 8, day));
        Manifest { id: id.to_owned(), key: None, delivered_at }
    }

    fn rules(settings_version: u64) -> Rules {
        Rules { settings_version, aliases_version: "1".to_owned() }
    }

    fn run(state: RunState, attempt: u32, failure: Option<Failure>) -> Run {
        let queries = Queries { facts: "f".to_owned(), control: "c".to_owned(), slices: None };
        let at = crate::base::calendar::start_of_day(AUGUST);
        let submitted = attempted(Month::of(AUGUST), &manifest("m", 5), rules(1), attempt, queries, at);
        Run { state, failure, ..submitted }
    }

    #[test]
    fn a_delivery_is_read_once_and_again_only_where_that_may_help() {
        let failed = |kind: FailureKind| Some(kind.because("why"));
        let check = |run: Option<Run>, rules_now: Rules, asker: Asker, expected: Start| {
            let decided = decide_start(run.as_ref(), None, (&manifest("m", 5), &Digest::of(&"m")), &rules_now, asker);
            assert_eq!(decided, expected, "{run:?} {rules_now:?} {asker:?}");
        };
        let (job, person) = (Asker::Job, Asker::Person);
        check(None, rules(1), job, Start::Attempt(1));
        check(Some(run(RunState::Submitted, 1, None)), rules(1), person, Start::AlreadyDone);
        check(Some(run(RunState::Submitted, 1, None)), rules(2), job, Start::Attempt(2));
        check(Some(run(RunState::Completed, 1, None)), rules(2), job, Start::Attempt(2));
        check(Some(run(RunState::Superseded, 2, None)), rules(1), job, Start::Attempt(3));
        let lasting = run(RunState::Failed, 1, failed(FailureKind::ExportMisconfigured));
        check(Some(lasting.clone()), rules(1), job, Start::AlreadyDone);
        check(Some(lasting.clone()), rules(1), person, Start::Attempt(2));
        let of = |files: &str| Some(Run { data_files: Some(Digest::of(&files)), ..lasting.clone() });
        check(of("m"), rules(1), job, Start::AlreadyDone);
        check(of("other files"), rules(1), job, Start::Attempt(2));
        let passing = |attempt| Some(run(RunState::Failed, attempt, failed(FailureKind::QueryFailed)));
        check(passing(1), rules(1), job, Start::Attempt(2));
        check(passing(ATTEMPTS_BY_JOBS_MAX), rules(1), job, Start::AlreadyDone);
        check(passing(ATTEMPTS_BY_JOBS_MAX), rules(1), person, Start::Attempt(ATTEMPTS_BY_JOBS_MAX + 1));
    }

    #[test]
    fn an_attempt_ends_once_and_not_for_another() {
        let (open, at) = (run(RunState::Submitted, 2, None), crate::base::calendar::start_of_day(AUGUST));
        let end = || End::Failed(FailureKind::NoRows.because("none"));
        let ended = decide_end(&open, 2, end(), at);
        assert_eq!(ended.as_ref().map(|run| run.state), Some(RunState::Failed));
        assert!(ended.is_some_and(|run| decide_end(&run, 2, end(), at).is_none()));
        assert!(decide_end(&open, 1, end(), at).is_none());
    }

    #[test]
    fn one_delivery_is_one_run() {
        let month = Month::of(AUGUST);
        assert_eq!(run_id(month, &manifest("m", 5)), run_id(month, &manifest("m", 9)));
        assert_ne!(run_id(month, &manifest("m", 5)), run_id(month, &manifest("n", 5)));
        assert_ne!(run_id(month, &manifest("m", 5)), run_id(month.next(), &manifest("m", 5)));
    }
}
