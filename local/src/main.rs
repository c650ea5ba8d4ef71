//! `cargo run -p local`: starts the stack, plays the demo, serves.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use local::server::listen;
use local::stack::{Local, Options};

/// FinOps Center on one machine: the whole backend in one process, on loopback only.
#[derive(Debug, Parser)]
#[command(
    version,
    about,
    after_help = "Large exports are for a release build: cargo run --release -p local -- --cur DIR"
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

async fn serve(arguments: Arguments) -> anyhow::Result<()> {
    // The ports first: who cannot serve should not play.
    let api = listen(arguments.port).await?;
    let aws = listen(arguments.aws_port.unwrap_or(arguments.port.saturating_add(1))).await?;
    let (api_url, aws_url) = (format!("http://{}", api.local_addr()?), format!("http://{}", aws.local_addr()?));
    let plays = !arguments.empty && arguments.cur.is_none();
    let options = Options { data: arguments.data, cur: arguments.cur, aws_url: aws_url.clone(), ..Options::default() };
    let local = Local::start(options).await?;
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
