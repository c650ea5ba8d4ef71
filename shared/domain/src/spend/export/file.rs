//! Files, rendered. Pure: the same facts make the same bytes.
//!
//! Names come from people and from the bill, hostile or not. In a spreadsheet no text may become a formula, in a page
//! no text may become markup; amounts are written exactly, as plain decimals.

use std::collections::BTreeMap;

use crate::base::money::Money;
use crate::spend::bill::reconciliation::Unreadable;

/// A file before it is put anywhere.
#[derive(Debug, Clone)]
pub struct Document {
    /// The file.
    pub bytes: Vec<u8>,
    /// What its name ends with, without the dot.
    pub extension: &'static str,
    /// Its media type.
    pub content_type: &'static str,
    /// Rows, the header not counted.
    pub rows: u64,
    /// What the rows add up to.
    pub control_totals: BTreeMap<String, Vec<Money>>,
    /// What of the bill could not be read and is in no row.
    pub unreadable: Unreadable,
}

/// Text as a spreadsheet's cell: what would be read as a formula gets an apostrophe before it (OWASP, CSV injection).
#[must_use]
pub fn text(given: &str) -> String {
    let is_formula = given.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']);
    if is_formula { format!("'{given}") } else { given.to_owned() }
}

/// A column of a file: its name, what it means, and what a row has in it.
pub struct Column<R> {
    /// Its name in the header.
    pub name: &'static str,
    /// What it means: the page that explains the file says the same, and a test holds it to that.
    pub meaning: &'static str,
    /// What a row has in it.
    pub value: fn(&R) -> String,
}

impl<R> Column<R> {
    /// A column.
    #[must_use]
    pub const fn new(name: &'static str, meaning: &'static str, value: fn(&R) -> String) -> Self {
        Self { name, meaning, value }
    }
}

/// Writes rows under their columns' names; answers the bytes, and how many rows there were.
///
/// # Errors
/// None that memory does not have.
pub fn csv_of<R>(columns: &[Column<R>], rows: impl IntoIterator<Item = R>) -> Result<(Vec<u8>, u64), csv::Error> {
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    writer.write_record(columns.iter().map(|column| column.name))?;
    let mut count = 0;
    for row in rows {
        writer.write_record(columns.iter().map(|column| (column.value)(&row)))?;
        count += 1;
    }
    let bytes = writer.into_inner().map_err(|error| csv::Error::from(error.into_error()))?;
    Ok((bytes, count))
}

/// The columns as the page that explains the file lists them.
#[cfg(test)]
pub(crate) fn explained<R>(columns: &[Column<R>]) -> String {
    let row = |Column { name, meaning, .. }: &Column<R>| format!("| `{name}` | {meaning} |\n");
    let rows: String = columns.iter().map(row).collect();
    format!("| Column | Meaning |\n|---|---|\n{rows}")
}

#[cfg(test)]
pub(crate) mod samples {
    //! One workload's spend, a gap and a credit, with hostile names.

    use crate::base::calendar::Month;
    use crate::spend::bill::attributed::AttributedFact;
    use crate::spend::bill::attribution::{Attribution, Verdict};
    use crate::spend::bill::facts::Fact;
    use crate::spend::bill::reconciliation::Unreadable;
    use crate::spend::export::Span;
    use crate::spend::portfolio::Hierarchy;
    use serde_json::json;

    use super::super::allocation::{Allocations, Owners};
    use crate::spend::portfolio::Placement;

    fn fact(
        day: &str,
        line_item_type: &str,
        amount: &str,
        verdict: serde_json::Value,
    ) -> anyhow::Result<AttributedFact> {
        let role = "arn:aws:iam::111122223333:role/app";
        let role = crate::base::aws::RoleRef::parse_arn(role).map(crate::spend::bill::anchor::SpendAnchor::role);
        let key = json!({
            "day": day, "anchor": role, "accountId": "111122223333", "region": "us-east-1", "platform": "bedrock",
            "model": {"known": "amazon.nova-lite-v1:0"}, "usageKind": "input", "detail": null, "unit": "tokens",
            "lineItemType": line_item_type, "currency": "USD", "invoiced": false,
        });
        let fact: Fact = serde_json::from_value(json!({"key": key, "quantity": "1000", "amount": amount, "rows": 1}))?;
        let verdict: Verdict = serde_json::from_value(verdict)?;
        let attribution = Attribution {
            platform: fact.key.platform,
            anchor: fact.key.anchor.clone(),
            model: fact.key.model.clone(),
            usage_kind: fact.key.usage_kind,
            level: None,
            verdict,
            findings: Vec::new(),
            because: Vec::new(),
            suggested_workload: None,
            approval_id: None,
        };
        Ok(AttributedFact { fact, attribution })
    }

    pub(crate) fn allocations() -> anyhow::Result<Allocations> {
        let role =
            json!({"type": "role", "role": crate::base::aws::RoleRef::parse_arn("arn:aws:iam::111122223333:role/app")});
        let about = json!({"anchor": role, "platform": "bedrock", "model": null, "accountId": null, "region": null});
        let owned = || json!({"verdict": "workload", "workloadId": "wkl_1", "claimId": "clm_1"});
        let facts = vec![
            fact("2026-08-16", "Usage", "1.0000000001", owned())?,
            fact("2026-08-17", "Usage", "2", owned())?,
            fact("2026-08-17", "Usage", "-0.5", json!({"verdict": "gap", "kind": "unclaimed", "about": about}))?,
            fact("2026-08-18", "Credit", "-1", json!({"verdict": "excluded", "why": "credit"}))?,
        ];
        let workload = serde_json::from_value(json!({
            "id": "wkl_1", "spaceId": "spc_1", "name": "=HYPERLINK(\"http://x\";\"y\")", "runtime": "lambda",
            "useCase": "operations-ai", "state": "active", "businessCase": {"valueType": "cost-saving",
            "annualBaseline": {"amount": "1", "currency": "USD"}, "targetPercent": "1"},
        }))?;
        let hierarchy = Hierarchy { product: "a, \"b\"".to_owned(), ..Hierarchy::default() };
        let place = Placement { name: "@space".to_owned(), hierarchy, ..Placement::default() };
        let owners = Owners::new(vec![workload], [("spc_1".parse()?, place)].into());
        let span = Span::BillingPeriod("2026-08".parse::<Month>()?);
        let unreadable = Unreadable { amounts: 2, non_ai_costs: 1 };
        Ok(Allocations { span, facts, unreadable, owners })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_becomes_a_formula_and_no_separator_a_cell() -> anyhow::Result<()> {
        for hostile in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1"] {
            assert_eq!(text(hostile), format!("'{hostile}"));
        }
        for harmless in ["", "a=b", "checkout", "'=1"] {
            assert_eq!(text(harmless), harmless);
        }
        let first = Column::new("a", "the first", |row: &[&str; 2]| row[0].to_owned());
        let second = Column::new("b", "the second", |row: &[&str; 2]| row[1].to_owned());
        let (bytes, rows) = csv_of(&[first, second], [["x,y", "say \"z\""], ["", "1"]])?;
        assert_eq!((String::from_utf8(bytes)?.as_str(), rows), ("a,b\r\n\"x,y\",\"say \"\"z\"\"\"\r\n,1\r\n", 2));
        Ok(())
    }
}
