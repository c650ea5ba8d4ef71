//! What the demo shows: tables for a terminal, and how to go on.

use std::time::Duration;

use domain::access::models::models_table::{Row, render_table};
use domain::base::platform::Platform;
use rust_decimal::Decimal;
use serde_json::Value;

use super::cast::{CAST, LENA};
use super::player::{Player, say};

/// A month's control total.
pub(super) fn totals(month: &str, spend: &Value) {
    let total = |name: &str| {
        let amount =
            spend.get("totals").and_then(|t| t.get(name)).and_then(|m| m.get("amount")).and_then(Value::as_str);
        amount.unwrap_or("?").to_owned()
    };
    say(&format!(
        "        {month}: attributed {} + gaps {} + excluded {} = {} USD of AI in the bill; {} USD are not AI",
        total("attributed"),
        total("gap"),
        total("excluded"),
        total("cur"),
        total("nonAi")
    ));
}

/// The AI Models table, the cards and the gaps, then where it serves.
pub(super) async fn epilogue(player: &Player<'_>, api_url: &str, took: Duration) -> anyhow::Result<()> {
    say("\nAI Models, those in use");
    say(&models(&player.list(LENA, "/v1/models").await?));
    say("Spend cards of 16 to 22 August");
    let workloads = player.list(LENA, "/v1/workloads").await?;
    say(&cards(&player.list(LENA, "/v1/spend-cards?from=2026-08-16").await?, &workloads));
    say("Gaps in August, largest first; spend of a claimed anchor from before its approval is attributed and shown, \
         not counted");
    say(&gaps(player.list(LENA, "/v1/gaps?billingPeriod=2026-08").await?));
    say(&format!("Played in {:.1} s. It serves now; Ctrl-C ends.", took.as_secs_f32()));
    say(&format!("  API     {api_url}/v1, document {api_url}/v1/openapi.json"));
    say("  Act as one of them: paste their line, then");
    say(&format!("          curl -sS -H \"authorization: Bearer $lena\" '{api_url}/v1/gaps?billingPeriod=2026-08'"));
    for person in CAST {
        let identity = serde_json::to_string(&person.identity())?;
        say(&format!("  {}=$(curl -sS {api_url}/_local/tokens -d '{identity}' | cut -d'\"' -f4)", person.sub));
    }
    Ok(())
}

fn models(rows: &[Value]) -> String {
    let field = |row: &Value, name: &str| row.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let live = |row: &&Value| {
        row.get("counts")
            .and_then(Value::as_object)
            .is_some_and(|counts| counts.values().any(|n| n.as_u64().is_some_and(|n| n > 0)))
    };
    let shown: Vec<Row> = rows
        .iter()
        .filter(live)
        .map(|row| Row {
            vendor: field(row, "vendor"),
            platform: Platform::ALL
                .into_iter()
                .find(|p| p.as_str() == field(row, "platform"))
                .unwrap_or(Platform::Bedrock),
            model: field(row, "model"),
            scope_coverage: field(row, "scopeCoverage"),
            status: field(row, "status"),
        })
        .collect();
    render_table(&shown)
}

fn cards(cards: &[Value], workloads: &[Value]) -> String {
    let name = |card: &Value| {
        let of_card = workloads.iter().find(|w| w.get("id") == card.get("workloadId"));
        of_card.map_or_else(|| pick(card, &["workloadId"]), |w| pick(w, &["name"]))
    };
    let amount = |card: &Value, name: &str| pick(card, &[name, "amount"]);
    let rows = cards.iter().filter(|c| pick(c, &["period", "from"]) == "2026-08-16").map(|card| {
        vec![
            name(card),
            amount(card, "actual").parse::<Decimal>().map_or_else(|_| "–".to_owned(), cents),
            amount(card, "estimateShare"),
            pick(card, &["variance", "percent"]),
            pick(card, &["variance", "band"]),
            pick(card, &["state"]),
        ]
    });
    table(&["Workload", "Actual USD", "Estimate USD", "Variance %", "Band", "State"], rows)
}

fn gaps(mut gaps: Vec<Value>) -> String {
    let amount = |gap: &Value| pick(gap, &["amount", "amount"]).parse::<Decimal>().unwrap_or_default();
    let counted = |gap: &Value| gap.get("inTotals") == Some(&Value::Bool(true));
    gaps.sort_by_key(|gap| (!counted(gap), -amount(gap)));
    let rows = gaps.iter().map(|gap| {
        let counts = if counted(gap) { "yes" } else { "no" };
        vec![pick(gap, &["kind"]), pick(gap, &["label"]), cents(amount(gap)), counts.to_owned(), pick(gap, &["state"])]
    });
    table(&["Kind", "About", "USD", "Counted", "State"], rows)
}

fn pick(value: &Value, path: &[&str]) -> String {
    let found = path.iter().try_fold(value, |v, name| v.get(name));
    match found {
        Some(Value::String(text)) => text.chars().map(|c| if c.is_control() { '\u{FFFD}' } else { c }).collect(),
        Some(Value::Null) | None => "–".to_owned(),
        Some(other) => other.to_string(),
    }
}

/// An amount for the eye: to the cent, where the answers of the API hold every digit.
fn cents(amount: Decimal) -> String {
    let mut amount = amount.round_dp(2);
    amount.rescale(2);
    amount.to_string()
}

/// A table with its columns aligned, numbers to the right.
fn table(heads: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let rows: Vec<Vec<String>> = rows.collect();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|r| r.get(column)).map(|c| c.chars().count());
        cells.chain(heads.get(column).map(|h| h.chars().count())).max().unwrap_or(0)
    };
    let numeric = |column: usize| {
        let mut cells = rows.iter().filter_map(|r| r.get(column)).filter(|c| *c != "–").peekable();
        cells.peek().is_some() && cells.all(|c| c.parse::<Decimal>().is_ok())
    };
    let line = |cells: &[String]| {
        let padded = cells.iter().enumerate().map(|(i, cell)| {
            let space = " ".repeat(width(i).saturating_sub(cell.chars().count()));
            if numeric(i) { format!("{space}{cell}") } else { format!("{cell}{space}") }
        });
        format!("  {}", padded.collect::<Vec<_>>().join("  ").trim_end())
    };
    let heads: Vec<String> = heads.iter().map(|h| (*h).to_owned()).collect();
    let rule: Vec<String> = (0..heads.len()).map(|i| "─".repeat(width(i))).collect();
    let mut lines = vec![line(&heads), line(&rule)];
    lines.extend(rows.iter().map(|row| line(row)));
    lines.push(String::new());
    lines.join("\n")
}
