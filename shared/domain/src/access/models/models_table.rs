//! The AI Models table: both platforms in one, one row per vendor, platform and model, in the frontend's words.
//!
//! The two display strings are made here and nowhere else, from counters that move with the scopes.

use serde::{Deserialize, Serialize};

use crate::base::platform::Platform;

/// How many scopes of a model are in each live state; a scope in none of them is not live.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Counts {
    /// Rows of open requests.
    pub under_review: u64,
    /// Decided, no task issued.
    pub approved: u64,
    /// A task is open.
    pub pending_task: u64,
    /// The chain is complete.
    pub implemented: u64,
    /// To be taken back, still in effect.
    pub pending_revocation: u64,
}

impl Counts {
    /// Every live scope, one under review included.
    #[must_use]
    pub const fn live_scopes(&self) -> u64 {
        self.under_review + self.approved + self.pending_task + self.implemented + self.pending_revocation
    }
}

/// How far a model reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Coverage {
    /// Accounts with a live scope.
    pub covered_accounts: u64,
    /// Accounts in governance.
    pub total_accounts: u64,
    /// Claude Platform workspaces with a live scope; a row of an open request counts as one.
    pub workspaces: u64,
}

/// One row, as people read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Who makes the model.
    pub vendor: String,
    /// Where it is used.
    pub platform: Platform,
    /// Its name.
    pub model: String,
    /// From [`scope_coverage`].
    pub scope_coverage: String,
    /// From [`status`].
    pub status: String,
}

/// The column "Scope coverage": accounts on Bedrock, workspaces on Claude Platform, and live scopes on both.
#[must_use]
pub fn scope_coverage(platform: Platform, coverage: Coverage, counts: &Counts) -> String {
    let Coverage { covered_accounts, total_accounts, workspaces } = coverage;
    let reach = match platform {
        Platform::Bedrock => format!("{covered_accounts} of {}", counted(total_accounts, "account")),
        Platform::ClaudePlatform => counted(workspaces, "workspace"),
    };
    format!("{reach} · {}", counted(counts.live_scopes(), "scope"))
}

/// The column "Status": the non-zero counts of Implemented, Approved and Pending task, in that order.
#[must_use]
pub fn status(counts: &Counts) -> String {
    let named = [
        (counts.implemented, format!("{} Implemented", counts.implemented)),
        (counts.approved, format!("{} Approved", counts.approved)),
        (counts.pending_task, counted(counts.pending_task, "Pending task")),
    ];
    let shown: Vec<String> = named.into_iter().filter(|(count, _)| *count > 0).map(|(_, text)| text).collect();
    if shown.is_empty() { "0 Approved · 0 Pending tasks".to_owned() } else { shown.join(" · ") }
}

/// The colour of the badge that sets a platform's rows apart.
#[must_use]
pub const fn badge(platform: Platform) -> Option<&'static str> {
    match platform {
        Platform::Bedrock => None,
        Platform::ClaudePlatform => Some("teal"),
    }
}

/// The table for a terminal: a heading, a rule, and the rows with their columns aligned. Control characters in names
/// come out as `\u{FFFD}`, so that a name can neither move the cursor nor break a line.
#[must_use]
pub fn render_table(rows: &[Row]) -> String {
    let heading = ["Vendor", "Platform", "Model", "Scope coverage", "Status"].map(str::to_owned);
    let cells: Vec<[String; 5]> = rows
        .iter()
        .map(|r| {
            [
                inert(&r.vendor),
                r.platform.display_name().to_owned(),
                inert(&r.model),
                inert(&r.scope_coverage),
                inert(&r.status),
            ]
        })
        .collect();
    let mut widths = heading.each_ref().map(|text| width(text));
    for row in &cells {
        for (widest, text) in widths.iter_mut().zip(row) {
            *widest = width(text).max(*widest);
        }
    }
    let rule = widths.map(|widest| "─".repeat(widest));
    [&heading, &rule].into_iter().chain(&cells).map(|row| line(row, &widths)).collect()
}

fn line(row: &[String; 5], widths: &[usize; 5]) -> String {
    let mut text = String::new();
    for (cell, widest) in row.iter().zip(widths) {
        text.push_str(cell);
        text.push_str(&" ".repeat(widest.saturating_sub(width(cell)) + 2));
    }
    format!("{}\n", text.trim_end())
}

/// Columns a text takes: one per character, which holds for the names that AWS and Anthropic give.
fn width(text: &str) -> usize {
    text.chars().count()
}

fn inert(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

fn counted(count: u64, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(
        under_review: u64,
        approved: u64,
        pending_task: u64,
        implemented: u64,
        pending_revocation: u64,
    ) -> Counts {
        Counts { under_review, approved, pending_task, implemented, pending_revocation }
    }

    fn row(vendor: &str, platform: Platform, model: &str, coverage: Coverage, counts: &Counts) -> Row {
        Row {
            vendor: vendor.to_owned(),
            platform,
            model: model.to_owned(),
            scope_coverage: scope_coverage(platform, coverage, counts),
            status: status(counts),
        }
    }

    fn accounts(covered_accounts: u64, total_accounts: u64) -> Coverage {
        Coverage { covered_accounts, total_accounts, workspaces: 0 }
    }

    fn workspaces(workspaces: u64) -> Coverage {
        Coverage { covered_accounts: 1, total_accounts: 5, workspaces }
    }

    #[test]
    fn the_four_rows_of_the_product_come_out_to_the_letter() {
        let rows = [
            row("Amazon", Platform::Bedrock, "Nova Lite", accounts(1, 5), &counts(0, 0, 1, 1, 0)),
            row("Anthropic", Platform::Bedrock, "Claude 3 Haiku", accounts(2, 5), &counts(0, 3, 1, 0, 0)),
            row("Anthropic", Platform::ClaudePlatform, "Claude Sonnet 4.6", workspaces(1), &counts(0, 0, 0, 1, 0)),
            row("Anthropic", Platform::ClaudePlatform, "Claude Haiku 4.5", workspaces(1), &counts(1, 0, 0, 0, 0)),
        ];
        let expected = "\
Vendor     Platform         Model              Scope coverage              Status
─────────  ───────────────  ─────────────────  ──────────────────────────  ──────────────────────────────
Amazon     Bedrock          Nova Lite          1 of 5 accounts · 2 scopes  1 Implemented · 1 Pending task
Anthropic  Bedrock          Claude 3 Haiku     2 of 5 accounts · 4 scopes  3 Approved · 1 Pending task
Anthropic  Claude Platform  Claude Sonnet 4.6  1 workspace · 1 scope       1 Implemented
Anthropic  Claude Platform  Claude Haiku 4.5   1 workspace · 1 scope       0 Approved · 0 Pending tasks
";
        assert_eq!(render_table(&rows), expected);
    }

    #[test]
    fn coverage_counts_every_live_scope_in_the_singular_and_the_plural() {
        for (platform, coverage, counts, expected) in [
            (Platform::Bedrock, accounts(0, 0), Counts::default(), "0 of 0 accounts · 0 scopes"),
            (Platform::Bedrock, accounts(1, 1), counts(1, 0, 0, 0, 0), "1 of 1 account · 1 scope"),
            (Platform::Bedrock, accounts(3, 12), counts(1, 2, 3, 4, 5), "3 of 12 accounts · 15 scopes"),
            (Platform::ClaudePlatform, workspaces(0), Counts::default(), "0 workspaces · 0 scopes"),
            (Platform::ClaudePlatform, workspaces(2), counts(0, 0, 0, 1, 0), "2 workspaces · 1 scope"),
        ] {
            assert_eq!(scope_coverage(platform, coverage, &counts), expected);
        }
    }

    #[test]
    fn status_lists_what_is_not_zero_in_its_order() {
        for (counts, expected) in [
            (counts(0, 0, 0, 0, 0), "0 Approved · 0 Pending tasks"),
            (counts(7, 0, 0, 0, 9), "0 Approved · 0 Pending tasks"),
            (counts(0, 1, 0, 0, 0), "1 Approved"),
            (counts(0, 0, 2, 0, 0), "2 Pending tasks"),
            (counts(0, 2, 1, 3, 0), "3 Implemented · 2 Approved · 1 Pending task"),
        ] {
            assert_eq!(status(&counts), expected);
        }
    }

    #[test]
    fn a_hostile_name_stays_inert_in_a_terminal() {
        let hostile = row("A\u{1b}[2J", Platform::Bedrock, "x\ny", accounts(0, 1), &Counts::default());
        let table = render_table(&[hostile]);
        assert_eq!(table.lines().count(), 3);
        assert!(!table.contains('\u{1b}'));
    }
}
