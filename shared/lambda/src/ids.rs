//! Entropy for new ids: random, or seeded where a run must be repeatable.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

/// Where new ids get their entropy from. Clones of a seeded source draw from the same sequence.
#[derive(Clone)]
pub struct Ids(Source);

#[derive(Clone)]
enum Source {
    Random,
    Seeded(Arc<Mutex<StdRng>>),
}

impl Ids {
    /// The operating system's randomness.
    #[must_use]
    pub const fn random() -> Self {
        Self(Source::Random)
    }

    /// The same sequence for the same seed: simulation only.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self(Source::Seeded(Arc::new(Mutex::new(StdRng::seed_from_u64(seed)))))
    }

    /// 128 bits for one new id.
    #[must_use]
    pub fn entropy(&self) -> u128 {
        match &self.0 {
            Source::Random => rand::rng().random(),
            Source::Seeded(rng) => rng.lock().unwrap_or_else(PoisonError::into_inner).random(),
        }
    }
}

impl fmt::Debug for Ids {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Source::Random => "Ids::random",
            Source::Seeded(_) => "Ids::seeded",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_ids_and_chance_does_not() {
        let (one, two) = (Ids::seeded(7), Ids::seeded(7));
        assert_eq!([one.entropy(), one.entropy()], [two.entropy(), two.entropy()]);
        assert_ne!(Ids::random().entropy(), Ids::random().entropy());
    }
}
