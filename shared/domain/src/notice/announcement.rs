//! Which models the Leads were told of: each once, however many runs of discovery see it.
//!
//! The first run sees some ninety models. They are told in one message, as are those of any later run, because a
//! message per model would be a storm that nobody reads; and a run that is cut off leaves what it did not announce to
//! the next.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::base::outcome::Outcome;
use crate::base::platform::ModelKey;

/// Models in one announcement: their keys have to fit an event's 24 KB, at up to 160 characters each.
pub const MODELS_PER_ANNOUNCEMENT: usize = 120;

/// The models that were announced so far. It only grows: some hundred keys, far below an item's 400 KB.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Announced {
    /// Their keys.
    pub models: BTreeSet<ModelKey>,
}

/// One announcement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announcement {
    /// What has been announced after it.
    pub announced: Announced,
    /// The models that it announces.
    pub models: Vec<ModelKey>,
}

/// The next announcement of those models that nobody was told of.
pub fn decide_announcement<'a>(
    before: &Announced,
    known: impl IntoIterator<Item = &'a ModelKey>,
) -> Outcome<Announcement> {
    let fresh: BTreeSet<&ModelKey> = known.into_iter().filter(|key| !before.models.contains(key)).collect();
    let models: Vec<ModelKey> = fresh.into_iter().take(MODELS_PER_ANNOUNCEMENT).cloned().collect();
    if models.is_empty() {
        return Outcome::AlreadyDone;
    }
    let mut announced = before.clone();
    announced.models.extend(models.iter().cloned());
    Outcome::Changed(Announcement { announced, models })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::text::MalformedText;

    #[test]
    fn every_model_is_announced_once_and_no_announcement_is_too_large() -> Result<(), MalformedText> {
        let known =
            (0..250).map(|n| format!("bedrock.model-{n:03}").parse()).collect::<Result<BTreeSet<ModelKey>, _>>()?;
        let (mut before, mut told) = (Announced::default(), Vec::new());
        while let Outcome::Changed(next) = decide_announcement(&before, &known) {
            assert!(next.models.len() <= MODELS_PER_ANNOUNCEMENT);
            told.push(next.models.len());
            before = next.announced;
        }
        assert_eq!(told, [120, 120, 10]);
        assert_eq!(before.models, known);
        Ok(())
    }
}
