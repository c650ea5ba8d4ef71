//! Exports: files that people take along. Asked for by a person, written by a worker, found again by a manifest.
//!
//! An export is never edited: what has moved since is in a new one. The manifest holds what the file adds up to, so
//! that whoever receives it can check it without the product. What each kind of file says is in the files of this
//! folder.

pub mod allocation;
pub mod audit;
pub mod file;
pub mod focus;
pub mod report;

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::base::authorization::{Action, Relations, authorize};
use crate::base::calendar::{Month, Week};
use crate::base::digest::Digest;
use crate::base::ids::ExportId;
use crate::base::money::Money;
use crate::base::outcome::{Outcome, Refusal, RefusalKind};
use crate::base::people::Actor;
use crate::base::text::Sub;
use crate::spend::bill::reconciliation::Unreadable;

/// What a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ExportKind {
    /// Spend by who answers for it, as CSV.
    ChargebackCsv,
    /// The same by day, in the columns of FOCUS 1.2.
    ChargebackFocus,
    /// A week's portfolio review, as a page to print.
    PortfolioReport,
    /// The audit events of the days, as JSON lines.
    Audit,
}

impl ExportKind {
    /// The kind's name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ChargebackCsv => "chargeback-csv",
            Self::ChargebackFocus => "chargeback-focus",
            Self::PortfolioReport => "portfolio-report",
            Self::Audit => "audit",
        }
    }
}

/// The days of an export: a month of the bill, or a week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Span {
    /// A month.
    BillingPeriod(Month),
    /// A week, Sunday to Saturday.
    Week(Week),
}

impl Span {
    /// First and last day.
    #[must_use]
    pub fn days(self) -> (Date, Date) {
        match self {
            Self::BillingPeriod(month) => (month.first_day(), month.last_day()),
            Self::Week(week) => (week.first_day(), week.last_day()),
        }
    }

    /// The months of the bill that hold its days: one, or two for a week at a month border.
    #[must_use]
    pub fn months(self) -> Vec<Month> {
        let (first, last) = self.days();
        let (first, last) = (Month::of(first), Month::of(last));
        if first == last { vec![first] } else { vec![first, last] }
    }

    /// For file names: the month, or the week's Sunday.
    #[must_use]
    pub fn label(self) -> String {
        match self {
            Self::BillingPeriod(month) => month.to_string(),
            Self::Week(week) => week.to_string(),
        }
    }
}

/// What a file is checked against.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Manifest")]
pub struct ExportManifest {
    /// The SHA-256 of its bytes.
    pub sha256: Digest,
    /// How many rows it has, the header not counted.
    pub rows: u64,
    /// What its rows add up to, by name and currency.
    pub control_totals: BTreeMap<String, Vec<Money>>,
    /// Rows of the bill, of the whole months that it is of, whose numbers cannot be read and are in no row.
    #[serde(default)]
    pub unreadable: Unreadable,
}

/// A file that was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Finished {
    /// Where it is in the bucket.
    pub object_key: String,
    /// What it is checked against.
    pub manifest: ExportManifest,
    /// When it was written.
    pub at: Timestamp,
}

/// An export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Export {
    /// Its id.
    pub id: ExportId,
    /// What it holds.
    pub kind: ExportKind,
    /// Of which days.
    pub span: Span,
    /// Who asked.
    pub requested_by: Sub,
    /// When.
    pub requested_at: Timestamp,
    /// The file, once it is written.
    pub finished: Option<Finished>,
}

/// Accepts an export. `has_bill` says whether every month of the span was ingested, which chargeback needs.
///
/// # Errors
/// The refusal.
pub fn decide_request(
    id: ExportId,
    kind: ExportKind,
    span: Span,
    has_bill: bool,
    actor: &Actor,
    now: Timestamp,
) -> Result<Export, Refusal> {
    authorize(actor, Action::CreateExport, Relations::NONE, "")?;
    if kind == ExportKind::PortfolioReport && matches!(span, Span::BillingPeriod(_)) {
        let detail = "a portfolio report is of a week; give `week`, such as 2026-08-16";
        return Err(Refusal::new(RefusalKind::InvalidValue, detail));
    }
    if matches!(kind, ExportKind::ChargebackCsv | ExportKind::ChargebackFocus) && !has_bill {
        let detail = format!("the bill of {} has not been read yet; ingest it first", span.label());
        return Err(Refusal::new(RefusalKind::PeriodNotReady, detail));
    }
    Ok(Export { id, kind, span, requested_by: actor.sub.clone(), requested_at: now, finished: None })
}

/// Notes the file; the first that was written stays.
pub fn decide_finish(export: &Export, written: Finished) -> Outcome<Export> {
    match export.finished {
        Some(_) => Outcome::AlreadyDone,
        None => Outcome::Changed(Export { finished: Some(written), ..export.clone() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::people::Role;
    use jiff::civil::date;

    #[test]
    fn chargeback_needs_the_bill_and_a_report_is_of_a_week() -> Result<(), Box<dyn std::error::Error>> {
        let lead = Actor::person("lead".parse()?, [Role::FinopsLead]);
        let month = Span::BillingPeriod(Month::of(date(2026, 8, 1)));
        let week = Span::Week(Week::of(date(2026, 9, 1)));
        let check =
            |kind, span, has_bill, expected: Option<RefusalKind>| -> Result<(), crate::base::ids::MalformedId> {
                let asked = decide_request("exp_1".parse()?, kind, span, has_bill, &lead, Timestamp::UNIX_EPOCH);
                assert_eq!(asked.err().map(|refusal| refusal.kind), expected, "{kind:?} {span:?}");
                Ok(())
            };
        check(ExportKind::ChargebackCsv, month, true, None)?;
        check(ExportKind::ChargebackFocus, week, false, Some(RefusalKind::PeriodNotReady))?;
        check(ExportKind::PortfolioReport, month, true, Some(RefusalKind::InvalidValue))?;
        check(ExportKind::PortfolioReport, week, false, None)?;
        check(ExportKind::Audit, month, false, None)?;
        assert_eq!(week.months().len(), 2);
        assert_eq!(serde_json::to_value(week)?, serde_json::json!({"week": "2026-08-30"}));
        Ok(())
    }

    #[test]
    fn the_first_file_stays() -> Result<(), Box<dyn std::error::Error>> {
        let auditor = Actor::person("a".parse()?, [Role::Auditor]);
        let span = Span::BillingPeriod(Month::of(date(2026, 8, 1)));
        let export = decide_request("exp_1".parse()?, ExportKind::Audit, span, false, &auditor, Timestamp::UNIX_EPOCH)?;
        let manifest = ExportManifest {
            sha256: Digest::of_bytes(b""),
            rows: 0,
            control_totals: BTreeMap::new(),
            unreadable: Unreadable::default(),
        };
        let file = Finished { object_key: "exports/a".to_owned(), manifest, at: Timestamp::UNIX_EPOCH };
        let Outcome::Changed(done) = decide_finish(&export, file.clone()) else { return Err("refused".into()) };
        assert_eq!(decide_finish(&done, file), Outcome::AlreadyDone);
        Ok(())
    }
}
