//! The product's clock: the wall clock until somebody sets it, then running on from there.
//!
//! Any time may be set before the first write, a later one only afterwards: what is recorded must not lie in the
//! future. The clock stands still while the stack is down, so that a week that was cut off goes on as the same week.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use lambda::{Clock, SetClock};
use serde::{Deserialize, Serialize};

/// The clock's file in the data folder.
const CLOCK_FILE: &str = "clock.json";
/// How often the hands are noted while the stack runs.
const NOTED_EVERY: Duration = Duration::from_secs(1);
/// A restart begins this much later than the last note, so that the clock never goes back.
const AHEAD: SignedDuration = SignedDuration::from_secs(2);

/// The clock and what is known about it. Clones share it.
#[derive(Debug, Clone)]
pub struct ProductClock {
    hands: SetClock,
    kept: Arc<Mutex<Kept>>,
    path: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Kept {
    at: Timestamp,
    was_set: bool,
    was_written_under: bool,
}

/// Why the clock cannot be set or kept.
#[derive(Debug, thiserror::Error)]
pub enum ClockError {
    /// The time lies before what is recorded.
    #[error("the clock shows `{shows}` and something is recorded already; it is set forward only")]
    Backward {
        /// What the clock shows.
        shows: Timestamp,
    },
    /// The clock's file cannot be read or written.
    #[error("the clock's file `{}` cannot be read or written; give a data folder that can", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl ProductClock {
    /// The clock as it was kept, or the wall clock.
    ///
    /// # Errors
    /// When the file is there and cannot be read.
    pub fn open(data: Option<&Path>) -> Result<Self, ClockError> {
        let path = data.map(|folder| folder.join(CLOCK_FILE));
        let wall = Timestamp::now();
        let unset = Kept { at: wall, was_set: false, was_written_under: false };
        let kept = match path.as_deref().map(fs::read) {
            None => unset,
            Some(Err(error)) if error.kind() == io::ErrorKind::NotFound => unset,
            Some(read) => read
                .and_then(|json| serde_json::from_slice(&json).map_err(io::Error::from))
                .map_err(|source| ClockError::File { path: path.clone().unwrap_or_default(), source })?,
        };
        // Unset, it is the wall clock again, unless that went back behind what is recorded.
        let resumed = kept.at.saturating_add(AHEAD).unwrap_or(kept.at);
        let at = if kept.was_set { resumed } else { wall.max(kept.at) };
        Ok(Self { hands: SetClock::running_from(at), kept: Arc::new(Mutex::new(kept)), path })
    }

    /// The clock as the functions are given it.
    #[must_use]
    pub fn clock(&self) -> Clock {
        Clock::Set(self.hands.clone())
    }

    /// What the clock shows.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.hands.now()
    }

    /// Whether somebody set it: then schedules run only when asked for.
    #[must_use]
    pub fn was_set(&self) -> bool {
        self.lock().was_set
    }

    /// Sets the clock.
    ///
    /// # Errors
    /// [`ClockError::Backward`] once something is recorded; a file error when it cannot be kept, and then it is not
    /// set.
    pub fn set(&self, to: Timestamp) -> Result<(), ClockError> {
        let mut kept = self.lock();
        let shows = self.hands.now();
        if kept.was_written_under && to < shows {
            return Err(ClockError::Backward { shows });
        }
        let after = Kept { at: to, was_set: true, ..*kept };
        self.write(after)?;
        *kept = after;
        self.hands.set(to);
        Ok(())
    }

    /// Notes that something was recorded under this time: from now on the clock goes forward only.
    ///
    /// # Errors
    /// When that cannot be kept.
    pub fn note_write(&self) -> Result<(), ClockError> {
        let mut kept = self.lock();
        if !kept.was_written_under {
            let after = Kept { was_written_under: true, at: self.hands.now(), ..*kept };
            self.write(after)?;
            *kept = after;
        }
        Ok(())
    }

    /// Notes the hands every second, for as long as it is polled: what a restart goes on from.
    pub async fn keep_noting(&self) {
        let mut ticks = tokio::time::interval(NOTED_EVERY);
        loop {
            ticks.tick().await;
            if let Err(error) = self.note_hands() {
                tracing::warn!(error = %error, "the product's clock could not be noted");
            }
        }
    }

    fn note_hands(&self) -> Result<(), ClockError> {
        let mut kept = self.lock();
        if kept.was_set {
            kept.at = self.hands.now();
            self.write(*kept)?;
        }
        Ok(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Beside and renamed: a crash leaves the old note or the new one.
    fn write(&self, kept: Kept) -> Result<(), ClockError> {
        let Some(path) = &self.path else { return Ok(()) };
        let beside = path.with_extension("new");
        let written = serde_json::to_vec(&kept).map_err(io::Error::from).and_then(|json| {
            let mut file = fs::File::create(&beside)?;
            file.write_all(&json)?;
            file.sync_all()?;
            fs::rename(&beside, path)
        });
        written.map_err(|source| ClockError::File { path: path.clone(), source })
    }
}
