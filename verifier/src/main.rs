//! `cargo run --release -p verifier -- FILE…`: verifies an export of the audit record. Ends with 0 if it is verified,
//! with 1 if anything is broken, with 2 if it could not be read.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser;
use domain::base::digest::Digest;
use jiff::civil::Date;
use verifier::{Range, Report, Seals, verify};

/// Names and hashes of things are what most allocations are for, which this allocator is quicker at.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Verify an export of FinOps Center's audit record, without the product.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Arguments {
    /// The export's files, JSON lines
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// A day's seal as it was kept outside the table, such as 2026-08-24=sha256:…; may be given again
    #[arg(long = "seal", value_name = "DAY=SEAL", value_parser = day_and_seal)]
    seals: Vec<(Date, Digest)>,
    /// Seals that were kept outside the table, JSON lines: objects of the bucket, events of the topic, or lines of
    /// the log
    #[arg(long = "seals", value_name = "FILE")]
    seal_files: Vec<PathBuf>,
    /// The first day that the export was to hold, if it has no records of it
    #[arg(long, value_name = "DAY")]
    from: Option<Date>,
    /// The last day that the export was to hold, if it has no records of it
    #[arg(long, value_name = "DAY")]
    to: Option<Date>,
}

fn day_and_seal(text: &str) -> Result<(Date, Digest), String> {
    let (day, seal) = text.split_once('=').ok_or("write a day, `=` and its seal, such as 2026-08-24=sha256:…")?;
    let day = day.parse().map_err(|error| format!("`{day}` is not a day: {error}"))?;
    let seal = Digest::try_from(seal.to_owned()).map_err(|error| error.to_string())?;
    Ok((day, seal))
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(report) => {
            say(&report);
            if report.is_verified() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            complain(&error);
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &Arguments) -> anyhow::Result<Report> {
    let mut told = Seals::default();
    for path in &arguments.seal_files {
        let text = std::fs::read_to_string(path).with_context(|| format!("`{}` cannot be read", path.display()))?;
        told.read(&text).with_context(|| format!("`{}`", path.display()))?;
    }
    for (day, seal) in &arguments.seals {
        told.add(*day, seal.clone());
    }
    verify(&arguments.files, &told, Range { from: arguments.from, to: arguments.to })
}

#[expect(clippy::print_stdout, reason = "this is what the command is asked to print")]
fn say(report: &Report) {
    println!("{report}");
}

#[expect(clippy::print_stderr, reason = "the one place where the process says why it ends")]
fn complain(error: &anyhow::Error) {
    eprintln!("error: {error:#}");
}
