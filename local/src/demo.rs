//! The demo: one governance week of both platforms, played through the API by six people, on the shipped bill.
//!
//! Every write carries an idempotency key of its own, so a demo that was cut off plays on from where it was: what took
//! effect answers as it did then. The folder `--data` remembers that it ended, and a later start only shows the result.

mod bill;
mod cast;
mod governance;
mod player;
mod print;

use anyhow::Context as _;
use jiff::Timestamp;

use crate::stack::Local;
use player::{Player, say};

/// The Monday on which the demo plays, in the morning: the week before has its cards.
const MONDAY: &str = "2026-08-24T07:00:00Z";

/// Plays the demo, or shows its result if it was played on this data before, and says how to go on.
///
/// # Errors
/// When a step does not answer as it must.
pub async fn play(local: &Local, api_url: &str) -> anyhow::Result<()> {
    let began = std::time::Instant::now();
    if !local.clock.was_set() {
        local.clock.set(MONDAY.parse::<Timestamp>().context("the demo's Monday")?)?;
    }
    local.clock.note_write()?;
    let player = Player::new(local);
    say("FinOps Center: the governance week of Monday 2026-08-24, two platforms, six people.\n");
    governance::play(&player).await?;
    bill::play(&player).await?;
    print::epilogue(&player, api_url, began.elapsed()).await?;
    Ok(())
}

/// What somebody needs to know who started without the demo.
#[must_use]
pub fn welcome(api_url: &str, aws_url: &str) -> String {
    format!(
        "The stack is empty and serves.\n  API      {api_url}/v1  (document: {api_url}/v1/openapi.json)\n  Tokens   curl -s {api_url}/_local/tokens -d \
         '{{\"sub\":\"lena\",\"name\":\"Lena\",\"email\":\"lena@example.com\",\"groups\":[\"finops-lead\"]}}'\n  AWS CLI  \
         aws --endpoint-url {aws_url} …\nThe README goes on from here. Ctrl-C ends."
    )
}
