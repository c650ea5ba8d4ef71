//! The time, as a value that is handed in. On Lambda it is the system's; the local stack and the tests set it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

/// Where the time comes from.
#[derive(Debug, Clone)]
pub enum Clock {
    /// The system's clock.
    System,
    /// A clock that somebody sets: it stands still, or runs on from where it was set.
    Set(SetClock),
}

impl Clock {
    /// The time now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        match self {
            Self::System => Timestamp::now(),
            Self::Set(clock) => clock.now(),
        }
    }

    /// Lets some time pass. Under a clock that somebody sets, no time passes by itself: others get their turn, and
    /// that is all, so that whoever waits for AWS to settle waits for nothing where nothing lags.
    pub async fn pause(&self, duration: Duration) {
        match self {
            Self::System => tokio::time::sleep(duration).await,
            Self::Set(_) => tokio::task::yield_now().await,
        }
    }
}

/// A clock that is set by hand. Clones share the same hands.
#[derive(Debug, Clone)]
pub struct SetClock(Arc<Mutex<Hands>>);

#[derive(Debug)]
struct Hands {
    at: Timestamp,
    running_since: Option<Instant>,
}

impl SetClock {
    /// A clock that stands still until it is set again.
    #[must_use]
    pub fn still_at(at: Timestamp) -> Self {
        Self(Arc::new(Mutex::new(Hands { at, running_since: None })))
    }

    /// A clock that runs on from `at`.
    #[must_use]
    pub fn running_from(at: Timestamp) -> Self {
        Self(Arc::new(Mutex::new(Hands { at, running_since: Some(Instant::now()) })))
    }

    /// What the clock shows.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        let hands = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let run = hands.running_since.map_or(SignedDuration::ZERO, |since| {
            SignedDuration::try_from(since.elapsed()).unwrap_or(SignedDuration::ZERO)
        });
        hands.at.saturating_add(run).unwrap_or(hands.at)
    }

    /// Sets the hands; a running clock runs on from there. Whether it may go back is the caller's rule.
    pub fn set(&self, at: Timestamp) {
        let mut hands = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        hands.at = at;
        hands.running_since = hands.running_since.map(|_| Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_clock_shows_what_it_was_set_to_on_every_clone() -> Result<(), jiff::Error> {
        let monday: Timestamp = "2026-08-24T09:00:00Z".parse()?;
        let hands = SetClock::still_at(Timestamp::UNIX_EPOCH);
        let clock = Clock::Set(hands.clone());
        hands.set(monday);
        assert_eq!(clock.now(), monday);
        let running = SetClock::running_from(monday);
        assert!(running.now() >= monday);
        Ok(())
    }
}
