//! What is to be done next about a run of the ingestion, from what is known of it by now.

use super::run::{Failure, FailureKind, Queries, Rules, Run, RunState, ShownRun, is_unsettled};

/// How a query stands, or all of a run's together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QueryState {
    /// Athena reads.
    Running,
    /// The result is there.
    Succeeded,
    /// There will be no result, and this is why.
    Failed(String),
}

/// The next step of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NextStep {
    /// Nothing, until a query ends or somebody asks again.
    Wait,
    /// What it read is shown, and its attempt died before that was settled: settle it, whatever was delivered since.
    Settle,
    /// Ask Athena how these queries stand.
    AskFor(Queries),
    /// Its rows were asked for by rules that moved meanwhile: end it, and read the month anew.
    ReadAnew,
    /// Read the results of these queries.
    ReadRows(Queries),
    /// A query failed: end it so.
    Fail(Failure),
}

/// What to do about a run, given what is shown of its month, the rules in force, and what Athena answered, if it was
/// asked.
#[must_use]
pub fn decide_next(run: &Run, shown: Option<&ShownRun>, rules: &Rules, answered: Option<&QueryState>) -> NextStep {
    if shown.is_some_and(|shown| is_unsettled(run, shown)) {
        return NextStep::Settle;
    }
    let queries = run.queries.as_ref().filter(|_| run.state == RunState::Submitted);
    match (queries, answered) {
        (None, _) | (Some(_), Some(QueryState::Running)) => NextStep::Wait,
        (Some(queries), None) => NextStep::AskFor(queries.clone()),
        (Some(_), Some(_)) if run.rules != *rules => NextStep::ReadAnew,
        (Some(queries), Some(QueryState::Succeeded)) => NextStep::ReadRows(queries.clone()),
        (Some(_), Some(QueryState::Failed(why))) => NextStep::Fail(FailureKind::QueryFailed.because(why.as_str())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::calendar::{Month, start_of_day};
    use crate::spend::bill::run::{Manifest, attempted};
    use jiff::civil::{Date, date};

    const AUGUST: Date = date(2026, 8, 5);

    fn rules(settings_version: u64) -> Rules {
        Rules { settings_version, aliases_version: "1".to_owned() }
    }

    #[test]
    fn a_run_is_asked_about_read_and_ended_in_this_order() {
        let queries = Queries { facts: "f".to_owned(), control: "c".to_owned(), slices: None };
        let manifest = Manifest { id: "m".to_owned(), key: None, delivered_at: start_of_day(AUGUST) };
        let open = attempted(Month::of(AUGUST), &manifest, rules(1), 2, queries.clone(), start_of_day(AUGUST));
        let shown = |attempt| ShownRun {
            run_id: open.id.clone(),
            attempt,
            manifest_id: "m".to_owned(),
            as_of: start_of_day(AUGUST),
        };
        let check = |run: &Run, shown: Option<ShownRun>, rules: &Rules, answered: Option<QueryState>, expected| {
            let decided = decide_next(run, shown.as_ref(), rules, answered.as_ref());
            assert_eq!(decided, expected, "{:?} {shown:?} {answered:?}", run.state);
        };
        let failed = || Some(QueryState::Failed("why".to_owned()));
        let ended = Run { state: RunState::Superseded, ..open.clone() };
        check(&open, None, &rules(1), None, NextStep::AskFor(queries.clone()));
        check(&open, None, &rules(1), Some(QueryState::Running), NextStep::Wait);
        check(&open, None, &rules(2), Some(QueryState::Running), NextStep::Wait);
        check(&open, None, &rules(1), Some(QueryState::Succeeded), NextStep::ReadRows(queries.clone()));
        check(&open, None, &rules(2), Some(QueryState::Succeeded), NextStep::ReadAnew);
        check(&open, None, &rules(2), failed(), NextStep::ReadAnew);
        check(&open, None, &rules(1), failed(), NextStep::Fail(FailureKind::QueryFailed.because("why")));
        check(&open, Some(shown(2)), &rules(2), None, NextStep::Settle);
        check(&open, Some(shown(1)), &rules(1), None, NextStep::AskFor(queries));
        check(&ended, Some(shown(2)), &rules(1), None, NextStep::Wait);
        check(&ended, None, &rules(1), Some(QueryState::Succeeded), NextStep::Wait);
    }
}
