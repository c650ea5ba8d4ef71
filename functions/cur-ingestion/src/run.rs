//! A run's life, decided: whether a delivery is to be read, and how an attempt ends. Pure.

use domain::base::calendar::Month;
use domain::base::digest::Digest;
use domain::base::ids::RunId;
use domain::spend::bill::reconciliation::Mismatch;
use domain::spend::bill::slice::SliceMismatch;
use jiff::Timestamp;
use store::aggregates::run::{Failure, Manifest, Queries, Rules, Run, RunResult, RunState};
use store::spend::Head;

use crate::cause::Asked;
use crate::delivery::Delivery;

/// How often the product's own jobs attempt one delivery; people may ask for more.
const ATTEMPTS_BY_JOBS_MAX: u32 = 4;

/// Digits of the manifest's digest in a run's id: 96 bits, far beyond any chance of two deliveries meeting.
const ID_DIGITS: usize = 24;

/// Why a run failed, by its stable name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FailureKind {
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
    pub(crate) const fn as_str(self) -> &'static str {
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

    pub(crate) fn because(self, detail: impl Into<String>) -> Failure {
        Failure { kind: self.as_str().to_owned(), detail: detail.into(), slices: Vec::new() }
    }
}

/// The mismatches in one sentence.
pub(crate) fn not_reconciled(mismatches: &[Mismatch]) -> Failure {
    let listed: Vec<String> = mismatches.iter().map(ToString::to_string).collect();
    FailureKind::NotReconciled.because(listed.join("; "))
}

/// Slices that a failed run keeps, and those that its sentence names: enough to see the pattern.
const SLICES_KEPT_MAX: usize = 50;
const SLICES_NAMED_MAX: usize = 3;

/// A failure with the slices that it is about; that there are none is told too.
pub(crate) fn located(failure: Failure, mut slices: Vec<SliceMismatch>) -> Failure {
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
pub(crate) enum Start {
    /// Read it: this is the number of the attempt.
    Attempt(u32),
    /// It is being read, is shown, or failed in a way that reading it again does not heal.
    AlreadyDone,
    /// A newer delivery is shown.
    Older,
}

/// The run of a delivery.
pub(crate) fn run_id(month: Month, manifest: &Manifest) -> RunId {
    let digest = Digest::of(&manifest.id);
    RunId::derived(&format!("{month}.{}", digest.hex().get(..ID_DIGITS).unwrap_or_default()))
}

/// Whether a delivery is to be read.
pub(crate) fn decide_start(
    existing: Option<&Run>,
    head: Option<&Head>,
    delivery: &Delivery,
    rules: &Rules,
    asked: &Asked,
) -> Start {
    if head.is_some_and(|head| is_older(&delivery.manifest, head)) {
        return Start::Older;
    }
    let Some(run) = existing else { return Start::Attempt(1) };
    let again = Start::Attempt(run.attempt + 1);
    if run.rules != *rules {
        return again;
    }
    match run.state {
        RunState::Submitted => Start::AlreadyDone,
        RunState::Completed if head.is_some_and(|head| head.run_id == run.id) => Start::AlreadyDone,
        // What was shown once and is current again is read again: its facts may have expired.
        RunState::Completed | RunState::Superseded => again,
        RunState::Failed => match asked {
            Asked::ByPerson(_) => again,
            // Somebody completed the copy, say.
            Asked::ByJob if run.data_files.as_ref().is_some_and(|read| *read != delivery.data_files) => again,
            Asked::ByJob if run.attempt < ATTEMPTS_BY_JOBS_MAX && may_heal(run) => again,
            Asked::ByJob => Start::AlreadyDone,
        },
    }
}

/// Whether a newer delivery is shown.
fn is_older(manifest: &Manifest, head: &Head) -> bool {
    head.manifest_id != manifest.id && head.as_of > manifest.delivered_at
}

/// Whether what an attempt read is not to be shown any more: a newer delivery is, or a later attempt at its own.
pub(crate) fn is_overtaken(run: &Run, head: &Head) -> bool {
    is_older(&run.manifest, head) || (head.run_id == run.id && head.attempt > run.attempt)
}

/// Whether what an attempt read is shown, and was not settled: its gaps and its end are missing, or being written.
pub(crate) fn is_unsettled(run: &Run, head: &Head) -> bool {
    run.state == RunState::Submitted && head.is_of(&run.id, run.attempt)
}

/// A misconfigured export needs a new one, which is another delivery.
fn may_heal(run: &Run) -> bool {
    let lasting = [FailureKind::ExportMisconfigured, FailureKind::NoRows, FailureKind::SettingsUnusable];
    run.failure.as_ref().is_some_and(|failure| !lasting.iter().any(|kind| kind.as_str() == failure.kind))
}

/// An attempt as it begins.
pub(crate) fn attempted(
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
pub(crate) fn refused(
    month: Month,
    manifest: &Manifest,
    rules: Rules,
    attempt: u32,
    failure: Failure,
    now: Timestamp,
) -> Run {
    let queries = Queries { facts: String::new(), control: String::new(), slices: None };
    let run = attempted(month, manifest, rules, attempt, queries, now);
    Run { state: RunState::Failed, ended_at: Some(now), queries: None, failure: Some(failure), ..run }
}

/// The attempt with its query by slices, unless it ended or has one.
pub(crate) fn decide_ask_by_slice(run: &Run, attempt: u32, query: &str) -> Option<Run> {
    let queries = run.queries.as_ref().filter(|queries| queries.slices.is_none())?;
    if run.state != RunState::Submitted || run.attempt != attempt {
        return None;
    }
    let queries = Queries { slices: Some(query.to_owned()), ..queries.clone() };
    Some(Run { queries: Some(queries), ..run.clone() })
}

/// How an attempt ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum End {
    Completed(RunResult),
    Failed(Failure),
    Superseded,
}

/// Ends the attempt that was read, unless it ended meanwhile.
pub(crate) fn decide_end(run: &Run, attempt: u32, end: End, now: Timestamp) -> Option<Run> {
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
        let delivered_at = domain::base::calendar::start_of_day(date(2026, 8, day));
        Manifest { id: id.to_owned(), key: None, delivered_at }
    }

    fn delivery(id: &str, day: i8) -> Delivery {
        let (manifest, data_files) = (manifest(id, day), Digest::of(&id));
        let (unfit_files, files) = (std::collections::BTreeMap::new(), Vec::new());
        Delivery { manifest, data_files, unfit_files, execution: None, columns: None, files }
    }

    fn rules(settings_version: u64) -> Rules {
        Rules { settings_version, aliases_version: "1".to_owned() }
    }

    fn run(state: RunState, attempt: u32, failure: Option<Failure>) -> Run {
        let queries = Queries { facts: "f".to_owned(), control: "c".to_owned(), slices: None };
        let at = domain::base::calendar::start_of_day(AUGUST);
        let submitted = attempted(Month::of(AUGUST), &manifest("m", 5), rules(1), attempt, queries, at);
        Run { state, failure, ..submitted }
    }

    #[test]
    fn a_delivery_is_read_once_and_again_only_where_that_may_help() {
        let failed = |kind: FailureKind| Some(kind.because("why"));
        let check = |run: Option<Run>, rules_now: Rules, asked: &Asked, expected: Start| {
            let decided = decide_start(run.as_ref(), None, &delivery("m", 5), &rules_now, asked);
            assert_eq!(decided, expected, "{run:?} {rules_now:?} {asked:?}");
        };
        let (job, person) = (Asked::ByJob, Asked::ByPerson(None));
        check(None, rules(1), &job, Start::Attempt(1));
        check(Some(run(RunState::Submitted, 1, None)), rules(1), &person, Start::AlreadyDone);
        check(Some(run(RunState::Submitted, 1, None)), rules(2), &job, Start::Attempt(2));
        check(Some(run(RunState::Completed, 1, None)), rules(2), &job, Start::Attempt(2));
        check(Some(run(RunState::Superseded, 2, None)), rules(1), &job, Start::Attempt(3));
        let lasting = run(RunState::Failed, 1, failed(FailureKind::ExportMisconfigured));
        check(Some(lasting.clone()), rules(1), &job, Start::AlreadyDone);
        check(Some(lasting.clone()), rules(1), &person, Start::Attempt(2));
        let of = |files: &str| Some(Run { data_files: Some(Digest::of(&files)), ..lasting.clone() });
        check(of("m"), rules(1), &job, Start::AlreadyDone);
        check(of("other files"), rules(1), &job, Start::Attempt(2));
        let passing = |attempt| Some(run(RunState::Failed, attempt, failed(FailureKind::QueryFailed)));
        check(passing(1), rules(1), &job, Start::Attempt(2));
        check(passing(ATTEMPTS_BY_JOBS_MAX), rules(1), &job, Start::AlreadyDone);
        check(passing(ATTEMPTS_BY_JOBS_MAX), rules(1), &person, Start::Attempt(ATTEMPTS_BY_JOBS_MAX + 1));
    }

    #[test]
    fn an_attempt_ends_once_and_not_for_another() {
        let (open, at) = (run(RunState::Submitted, 2, None), domain::base::calendar::start_of_day(AUGUST));
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
