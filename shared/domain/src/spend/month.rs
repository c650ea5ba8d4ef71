//! A month of the bill: how complete it is, and its close.
//!
//! A month is closed once, when its bill is final and every card of it is signed. Closing changes no figure; it says
//! that a Lead looked at a complete month. What the bill restates later is an adjustment, as always.

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::base::authorization::{Action, Relations, authorize};
use crate::base::calendar::{Month, utc_day};
use crate::base::outcome::{Outcome, Refusal, RefusalKind};
use crate::base::people::Actor;
use crate::base::text::Sub;
use crate::spend::bill::reconciliation::Unreadable;
use crate::spend::portfolio::GapSpend;

/// What of a month is there, and what is still missing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Completeness {
    /// The month.
    pub month: Month,
    /// Whether its bill was read.
    pub ingested: bool,
    /// When the delivery was made that was read last.
    pub as_of: Option<Timestamp>,
    /// Last day that the delivery is complete to.
    pub complete_to: Option<Date>,
    /// Whether all of its AI rows carry an invoice: then the bill is final.
    pub invoiced: bool,
    /// Rows of its bill whose numbers cannot be read and are in no figure. They do not stop a close: no AI cost is
    /// among them.
    pub unreadable: Unreadable,
    /// Cards that are signed.
    pub approved_cards: u64,
    /// Cards that wait: open, disputed or resolved.
    pub open_cards: u64,
    /// Cards that are due and not there yet.
    pub missing_cards: u64,
    /// Gaps that nobody has closed. They do not stop a close: their dollars are shown, not signed.
    pub gaps: Vec<GapSpend>,
}

impl Completeness {
    /// What stands in the way of a close, for people; nothing if the month may be closed.
    #[must_use]
    pub fn blockers(&self, today: Date) -> Vec<String> {
        let mut blockers = Vec::new();
        if today <= self.month.last_day() {
            blockers.push("the month is not over".to_owned());
        }
        if !self.ingested {
            blockers.push("its bill has not been read".to_owned());
        } else if !self.invoiced {
            blockers.push("its bill is not final: not all AI rows carry an invoice".to_owned());
        }
        if self.open_cards > 0 {
            blockers.push(format!("{} of its cards wait for a signature", self.open_cards));
        }
        if self.missing_cards > 0 {
            blockers.push(format!("{} of its cards have not opened", self.missing_cards));
        }
        blockers
    }
}

/// That a month was closed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MonthClose {
    /// The month.
    pub month: Month,
    /// Who closed it.
    pub by: Sub,
    /// When.
    pub at: Timestamp,
    /// The delivery of the bill that was final then.
    pub as_of: Option<Timestamp>,
}

/// Closes a month; once.
pub fn decide_close(
    closed: Option<&MonthClose>,
    completeness: &Completeness,
    actor: &Actor,
    now: Timestamp,
) -> Outcome<MonthClose> {
    if let Err(refusal) = authorize(actor, Action::CloseMonth, Relations::NONE, "") {
        return refusal.into();
    }
    let month = completeness.month;
    match closed {
        Some(close) if close.by == actor.sub => return Outcome::AlreadyDone,
        Some(close) => {
            let detail = format!("{month} was closed at {}", close.at);
            return Refusal::new(RefusalKind::AlreadyDecided, detail).into();
        }
        None => {}
    }
    let blockers = completeness.blockers(utc_day(now));
    if blockers.is_empty() {
        return Outcome::Changed(MonthClose { month, by: actor.sub.clone(), at: now, as_of: completeness.as_of });
    }
    let detail = format!("{month} cannot be closed yet: {}", blockers.join("; "));
    Refusal::new(RefusalKind::PeriodNotReady, detail).with_current(serde_json::json!({ "blockers": blockers })).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::people::Role;
    use jiff::civil::date;

    #[test]
    fn a_month_is_closed_once_and_only_when_it_is_complete() -> Result<(), Box<dyn std::error::Error>> {
        let complete = Completeness {
            month: Month::of(date(2026, 8, 1)),
            ingested: true,
            as_of: None,
            complete_to: Some(date(2026, 8, 31)),
            invoiced: true,
            unreadable: Unreadable::default(),
            approved_cards: 6,
            open_cards: 0,
            missing_cards: 0,
            gaps: Vec::new(),
        };
        let lead = Actor::person("lead".parse()?, [Role::FinopsLead]);
        let september: Timestamp = "2026-09-07T06:00:00Z".parse()?;
        let refused = |outcome: Outcome<MonthClose>| match outcome {
            Outcome::Refused(refusal) => refusal.kind.as_str(),
            _ => "not refused",
        };
        for lacking in [
            Completeness { ingested: false, ..complete.clone() },
            Completeness { invoiced: false, ..complete.clone() },
            Completeness { open_cards: 1, ..complete.clone() },
            Completeness { missing_cards: 1, ..complete.clone() },
            Completeness { month: Month::of(date(2026, 9, 1)), ..complete.clone() },
        ] {
            assert_eq!(refused(decide_close(None, &lacking, &lead, september)), "period-not-ready", "{lacking:?}");
        }
        let Outcome::Changed(close) = decide_close(None, &complete, &lead, september) else { return Err("no".into()) };
        assert_eq!(decide_close(Some(&close), &complete, &lead, september), Outcome::AlreadyDone);
        let other = Actor::person("other".parse()?, [Role::FinopsLead]);
        assert_eq!(refused(decide_close(Some(&close), &complete, &other, september)), "already-decided");
        let owner = Actor::person("po".parse()?, [Role::ProductOwner]);
        assert_eq!(refused(decide_close(None, &complete, &owner, september)), "role-forbidden");
        Ok(())
    }
}
