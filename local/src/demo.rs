//! The demo: one governance week of both platforms, played through the API by six people, on the shipped bill.
//!
//! Every write carries an idempotency key of its own, so a demo that was cut off plays on from where it was: what took
//! effect answers as it did then. The folder `--data` remembers that it ended, and a later start only shows the result.
//! It plays in a folder of its own: nobody's data becomes part of it.

mod bill;
mod cast;
mod governance;
mod player;
mod print;

use std::path::Path;

use anyhow::{Context as _, bail};
use jiff::Timestamp;

use crate::stack::Local;
use player::{Player, say};

/// The Monday on which the demo plays, in the morning: the week before has its cards.
const MONDAY: &str = "2026-08-24T07:00:00Z";

/// The file by which a data folder says that all in it is the demo's.
const MARK_FILE: &str = "demo";
const MARK: &str = "Everything in this folder is the demo's. `--data` plays it on from where it was.\n";

/// Takes a data folder for the demo: a new one, an empty one, or one that it was given before.
///
/// # Errors
/// When the folder holds anything else: six invented people would decide in somebody's real data.
pub fn claim_folder(folder: &Path) -> anyhow::Result<()> {
    let unwritable = || format!("the data folder `{}` cannot be written", folder.display());
    let mark = folder.join(MARK_FILE);
    if mark.is_file() {
        return Ok(());
    }
    std::fs::create_dir_all(folder).with_context(unwritable)?;
    if std::fs::read_dir(folder).with_context(unwritable)?.next().is_some() {
        bail!(
            "`{}` holds data that is not the demo's, and the demo would decide in it; start with --empty or --cur to \
             go on with what is there, or give the demo a folder of its own",
            folder.display()
        );
    }
    std::fs::write(&mark, MARK).with_context(unwritable)
}

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
        "The stack is empty and serves.\n  \
         API      {api_url}/v1  (document: {api_url}/v1/openapi.json)\n  \
         Tokens   curl -s {api_url}/_local/tokens -d \
         '{{\"sub\":\"lena\",\"name\":\"Lena\",\"email\":\"lena@example.com\",\"groups\":[\"finops-lead\"]}}'\n  \
         AWS CLI  aws --endpoint-url {aws_url} …\n\
         The README goes on from here. Ctrl-C ends."
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_demo_plays_on_in_its_own_folder_and_in_nobody_elses() -> anyhow::Result<()> {
        let parent = tempfile::tempdir()?;
        let (own, others) = (parent.path().join("own"), parent.path().join("others"));
        claim_folder(&own)?;
        std::fs::write(own.join("governance.sqlite"), "the demo's")?;
        claim_folder(&own)?;
        std::fs::create_dir(&others)?;
        std::fs::write(others.join("governance.sqlite"), "somebody's")?;
        let refused = claim_folder(&others).map_err(|why| why.to_string());
        assert!(refused.is_err_and(|why| why.contains("not the demo's") && why.contains("--empty")));
        assert_eq!(std::fs::read_dir(&others)?.count(), 1, "and nothing is written there");
        Ok(())
    }
}
