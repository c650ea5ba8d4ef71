//! The doctor on a folder: reads what `domain::spend::bill::doctor` judges, and prints what it finds.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use anyhow::Context as _;
use cur_ingestion::query::{COLUMNS_READ, CONTROL_COLUMNS};
use domain::spend::bill::doctor::{Census, CensusRow, Examined, Finding, Severity, examine as judge};
use domain::spend::bill::settings::BillSettings;
use jiff::Timestamp;

use crate::athena::{Athena, Delivery, Export, for_each_row};
use crate::progress::Progress;
use crate::queries::{self, Question};

/// What is wrong with the export in a folder, the worst first.
///
/// # Errors
/// When the folder is no export at all.
pub async fn examine(cur: &Path, now: Timestamp) -> anyhow::Result<Vec<Finding>> {
    let settings = BillSettings::default();
    let (export, folder) = (Export::open(cur)?, tempfile::tempdir()?);
    let athena = queries::open(folder.path(), cur)?;
    let watched = athena.clone();
    let _progress = Progress::watch("reading the bill", "pieces of files", move || watched.pieces());
    let (mut months, mut findings) = (Vec::new(), Vec::new());
    for month in export.months()? {
        let delivery = match export.delivery(month) {
            Ok(Some(delivery)) => delivery,
            Ok(None) => continue,
            Err(error) => {
                findings.push(Finding {
                    severity: Severity::Error,
                    kind: "unreadable-delivery".to_owned(),
                    billing_period: Some(month),
                    seen: format!("{:#}", anyhow::Error::from(error)),
                    next: "copy the month again, files and manifest of one delivery".to_owned(),
                });
                continue;
            }
        };
        let mut examined = files_of(&delivery);
        match census_of(&athena, folder.path(), &delivery, &settings).await {
            Ok(census) => examined.census = Some(census),
            // A file without a readable end is named already.
            Err(error) if examined.unreadable_files.is_empty() => {
                examined.unreadable_files.insert("the data".to_owned(), format!("{error:#}"));
            }
            Err(_) => {}
        }
        months.push(examined);
    }
    findings.extend(judge(&months, &settings, &COLUMNS_READ, now));
    findings.sort();
    Ok(findings)
}

/// The findings as a table for people.
#[must_use]
pub fn report(cur: &Path, findings: &[Finding]) -> String {
    let mut text = format!("{}\n\n", cur.display());
    if findings.is_empty() {
        text.push_str("Nothing is wrong with it.\n");
    }
    for finding in findings {
        let severity = match finding.severity {
            Severity::Error => "ERROR",
            Severity::Warning => "WARNING",
            Severity::Note => "note",
        };
        let month = finding.billing_period.map_or_else(|| "-".to_owned(), |month| month.to_string());
        // Writing to a text does not fail.
        let _ = writeln!(text, "{severity:<8} {month:<8} {:<20} {}", finding.kind, printable(&finding.seen));
        let _ = writeln!(text, "{:<38} -> {}", "", finding.next);
    }
    text
}

/// Text of the bill as a terminal shows it: control characters would act on it.
fn printable(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { '\u{fffd}' } else { character }).collect()
}

/// What the files of a month say without their rows.
fn files_of(delivery: &Delivery) -> Examined {
    let mut unreadable_files = BTreeMap::new();
    let mut columns_of: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for file in &delivery.files {
        let name = file.path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        match file.column_names() {
            Ok(columns) => {
                columns_of.insert(name, columns);
            }
            Err(error) => {
                unreadable_files.insert(name, error.to_string());
            }
        }
    }
    let all: BTreeSet<String> = columns_of.values().flatten().cloned().collect();
    let lacks = |columns: &BTreeSet<String>| all.difference(columns).cloned().collect::<BTreeSet<String>>();
    let differing = columns_of.iter().map(|(file, columns)| (file.clone(), lacks(columns)));
    let columns = if all.is_empty() { delivery.manifest.columns.clone() } else { all.clone() };
    Examined {
        month: delivery.month,
        delivered_at: None,
        columns,
        unreadable_files,
        differing_files: differing.filter(|(_, lacks)| !lacks.is_empty()).collect(),
        census: None,
    }
}

async fn census_of(
    athena: &Athena,
    folder: &Path,
    delivery: &Delivery,
    settings: &BillSettings,
) -> anyhow::Result<Census> {
    let mut census = Census::default();
    let is_asked = |question: &Question| ["control", "census"].iter().any(|name| question.name.starts_with(name));
    for question in queries::of_delivery(delivery, settings)?.into_iter().filter(is_asked) {
        let (result, _) = queries::ask(athena, folder, &question).await?;
        read(&mut census, &question, &result, settings).with_context(|| format!("the answer to {}", question.name))?;
        std::fs::remove_file(&result)?;
    }
    Ok(census)
}

fn read(census: &mut Census, question: &Question, result: &Path, settings: &BillSettings) -> std::io::Result<()> {
    let is_census = question.name.starts_with("census");
    for_each_row(result, |row| {
        if is_census {
            census.count(&CensusRow::parse(row).map_err(std::io::Error::other)?, settings);
            return Ok(());
        }
        let text = |column: &str| text_of(row, &CONTROL_COLUMNS, column);
        let count = |column: &str| text(column).parse::<u64>().map_err(std::io::Error::other);
        census.all_rows += count("all_rows")?;
        census.ai_rows += count("ai_rows")?;
        census.unreadable_costs += count("unreadable_rows")?;
        census.unreadable_amounts += count("ai_unreadable_amounts")?;
        census.last_usage_day = census.last_usage_day.max(text("last_usage_day").parse().ok());
        Ok(())
    })
}

fn text_of<'r>(row: &'r [Option<String>], columns: &[&str], column: &str) -> &'r str {
    let at = columns.iter().position(|name| *name == column);
    at.and_then(|at| row.get(at)).and_then(Option::as_deref).unwrap_or_default()
}
