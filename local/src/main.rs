//! `cargo run -p local`: starts the stack, plays the demo, serves.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use domain::spend::bill::doctor::Severity;
use local::progress::Progress;
use local::sample::{ACCOUNTS, Large};
use local::server::listen;
use local::stack::{Local, Options};

/// Reading a bill and emulating the tables is a good part allocation, which this allocator is quicker at.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// FinOps Center on one machine: the whole backend in one process, on loopback only.
#[derive(Debug, Parser)]
#[command(
    version,
    about,
    after_help = "Large exports are for an optimised build: cargo run --profile fast -p local -- --cur DIR"
)]
struct Arguments {
    /// Keep everything in this folder; without it, nothing outlives the process
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Read the bill from your own CUR 2.0 export instead of the shipped sample; starts without the demo
    #[arg(long, value_name = "DIR")]
    cur: Option<PathBuf>,
    /// Start without the demo: nobody, nothing decided; the bill is the sample's, or that of --cur
    #[arg(long)]
    empty: bool,
    /// Serve the API on this port of 127.0.0.1
    #[arg(long, default_value_t = 3000)]
    port: u16,
    /// Answer the AWS CLI on this port of 127.0.0.1; the one after --port if left out
    #[arg(long)]
    aws_port: Option<u16>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write the sample export that the demo reads
    Sample {
        /// The folder to write to
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
    /// Write a large export in the sample's likeness; the same parameters write the same files anywhere
    Generate(Generate),
    /// Say what is wrong with an export, and what to do next
    Doctor {
        /// The export's folder; the sample if left out
        #[arg(long, value_name = "DIR")]
        cur: Option<PathBuf>,
        /// Judge as of this moment, such as 2026-08-24T07:00:00Z; now if left out
        #[arg(long, value_name = "TIME")]
        now: Option<jiff::Timestamp>,
    },
    /// Write the queries that an ingestion of an export sends, and what the local Athena answers
    Queries {
        /// The export's folder; the sample if left out
        #[arg(long, value_name = "DIR")]
        cur: Option<PathBuf>,
        /// The folder to write to
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        /// Do not ask them
        #[arg(long)]
        unanswered: bool,
    },
    /// Time the facts queries of an export; local/bench/run compares with another engine
    Bench {
        /// The export's folder
        #[arg(long, value_name = "DIR")]
        cur: PathBuf,
        /// Read it with the whole product instead, three times; changes the folder's manifests
        #[arg(long)]
        ingest: bool,
        /// Read it with the whole product, its callers claimed by this many workloads, up to their first spend cards
        #[arg(long, value_name = "WORKLOADS", conflicts_with = "ingest")]
        cards: Option<u64>,
    },
    /// Print the API's OpenAPI document
    Openapi,
    /// Print the authorisation table as the documentation shows it
    Authorisation,
    /// Write the schemas of the governance events
    Events {
        /// The folder to write to: events/published
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
}

/// How large, and how varied.
#[derive(Debug, clap::Args)]
struct Generate {
    /// Rows of both months together
    #[arg(long, default_value_t = 20_000_000)]
    rows: u64,
    /// How many rows in a hundred are AI
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(0..=100))]
    ai_percent: u64,
    /// Roles and workspaces that call models
    #[arg(long, default_value_t = 10_000)]
    anchors: u64,
    /// Sessions of each role
    #[arg(long, default_value_t = 100)]
    sessions: u64,
    /// Accounts that the callers are spread over
    #[arg(long, default_value_t = ACCOUNTS)]
    accounts: u64,
    /// Models at most
    #[arg(long, default_value_t = 100)]
    models: usize,
    /// Days of each month at most
    #[arg(long, default_value_t = 31)]
    days: i8,
    /// Another seed is another bill
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Write into an execution's folder, as an export that creates new files does
    #[arg(long)]
    create_new: bool,
    /// Add lines with costs that are no numbers, other currencies, hostile texts, unseen usage types
    #[arg(long)]
    oddities: bool,
    /// The folder to write to
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

impl Generate {
    fn large(&self) -> Large {
        Large {
            rows: self.rows,
            ai_percent: self.ai_percent,
            anchors: self.anchors,
            sessions: self.sessions,
            accounts: self.accounts,
            models: self.models,
            days: self.days,
            seed: self.seed,
            creates_new: self.create_new,
            with_oddities: self.oddities,
        }
    }
}

fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "warn".into()))
        .with_writer(std::io::stderr)
        .init();
    let arguments = Arguments::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error.into()),
    };
    match runtime.block_on(run(arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error),
    }
}

async fn run(arguments: Arguments) -> anyhow::Result<()> {
    match arguments.command {
        Some(Command::Sample { out }) => {
            local::sample::write(&out).with_context(|| format!("the sample cannot be written to `{}`", out.display()))
        }
        Some(Command::Generate(generate)) => {
            let (written, rows) = (Arc::new(AtomicU64::new(0)), generate.rows);
            let counted = Arc::clone(&written);
            let _progress = Progress::watch("generating", "rows", move || (counted.load(Ordering::Relaxed), rows));
            local::sample::write_large(&generate.out, &generate.large(), &written)
                .with_context(|| format!("the export cannot be written to `{}`", generate.out.display()))
        }
        Some(Command::Doctor { cur, now }) => doctor(cur, now).await,
        Some(Command::Queries { cur, out, unanswered }) => {
            let cur = cur.unwrap_or_else(local::sample::shipped);
            let questions = local::queries::write_questions(&cur, &out)?;
            if unanswered { Ok(()) } else { local::queries::write_answers(&cur, &out, &questions).await }
        }
        Some(Command::Bench { cur, cards: Some(workloads), .. }) => {
            say(&serde_json::to_string(&local::bench::open_cards(&cur, workloads).await?)?);
            Ok(())
        }
        Some(Command::Bench { cur, ingest: false, .. }) => {
            say(&serde_json::to_string(&local::bench::time_facts(&cur).await?)?);
            Ok(())
        }
        Some(Command::Bench { cur, ingest: true, .. }) => {
            say(&serde_json::to_string(&local::bench::ingest(&cur).await?)?);
            Ok(())
        }
        Some(Command::Openapi) => local::documents::openapi().await.map(|text| say(text.trim_end())),
        Some(Command::Authorisation) => {
            say(&local::documents::authorisation());
            Ok(())
        }
        Some(Command::Events { out }) => local::documents::write_event_schemas(&out)
            .with_context(|| format!("the schemas cannot be written to `{}`", out.display())),
        None => serve(arguments).await,
    }
}

async fn doctor(cur: Option<PathBuf>, now: Option<jiff::Timestamp>) -> anyhow::Result<()> {
    let cur = cur.unwrap_or_else(local::sample::shipped);
    let findings = local::doctor::examine(&cur, now.unwrap_or_else(jiff::Timestamp::now)).await?;
    say(local::doctor::report(&cur, &findings).trim_end());
    let errors = findings.iter().filter(|finding| finding.severity == Severity::Error).count();
    anyhow::ensure!(errors == 0, "{errors} of {} findings are errors", findings.len());
    Ok(())
}

async fn serve(arguments: Arguments) -> anyhow::Result<()> {
    // The ports first: who cannot serve should not play.
    let api = listen(arguments.port).await?;
    let aws = listen(arguments.aws_port.unwrap_or(arguments.port.saturating_add(1))).await?;
    let (api_url, aws_url) = (format!("http://{}", api.local_addr()?), format!("http://{}", aws.local_addr()?));
    let plays = !arguments.empty && arguments.cur.is_none();
    if let Some(folder) = arguments.data.as_deref().filter(|_| plays) {
        local::demo::claim_folder(folder)?;
    }
    let options = Options { data: arguments.data, cur: arguments.cur, aws_url: aws_url.clone(), ..Options::default() };
    let local = Local::start(options).await?;
    let athena = local.athena.clone();
    let _progress = Progress::watch("reading the bill", "pieces of files", move || athena.pieces());
    let (stopper, stopped) = tokio::sync::oneshot::channel::<()>();
    let play = async {
        if plays {
            local::demo::play(&local, &api_url).await?;
        } else {
            say(&local::demo::welcome(&api_url, &aws_url));
        }
        local.ready();
        tokio::signal::ctrl_c().await.context("Ctrl-C cannot be waited for")?;
        let _ = stopper.send(());
        anyhow::Ok(())
    };
    let serving = local.serve(api, aws, async {
        let _ = stopped.await;
    });
    let ((), played) = tokio::join!(serving, async {
        let played = play.await;
        if let Err(error) = &played {
            return Err(anyhow::anyhow!("{error:#}"));
        }
        played
    });
    played
}

#[expect(clippy::print_stdout, reason = "this is what the command is asked to print")]
fn say(text: &str) {
    println!("{text}");
}

#[expect(clippy::print_stderr, reason = "the one place where the process says why it ends")]
fn failed(error: &anyhow::Error) -> ExitCode {
    eprintln!("error: {error:#}");
    ExitCode::FAILURE
}
