//! Actual against estimate: the difference, its percentage and its colour.

use rust_decimal::{Decimal, RoundingStrategy};
use serde::{Deserialize, Serialize};

use crate::base::money::Money;

/// Percent of the estimate up to which a difference, either way, is on track.
const ON_TRACK_PERCENT: u32 = 2;
/// Percent above the estimate up to which it is to be watched.
const WATCH_PERCENT: u32 = 10;

/// The colour of a card.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Band {
    /// More than 2 % below the estimate.
    Under,
    /// Within 2 % of it.
    OnTrack,
    /// Above it by more than 2 and up to 10 %.
    Watch,
    /// Above it by more than 10 %.
    Over,
    /// There is nothing to compare with.
    NoEstimate,
}

/// How actual spend stands to the estimate's share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Variance {
    /// Actual minus estimate.
    pub amount: Option<Money>,
    /// The same in percent of the estimate, to two places; none of an estimate of zero.
    pub percent: Option<Decimal>,
    /// The colour, decided on the exact figures.
    pub band: Band,
}

impl Variance {
    /// Compares an actual amount of US dollars with the estimate's share of the period.
    #[must_use]
    pub fn of(actual: Decimal, estimate: Option<Decimal>) -> Self {
        let Some(estimate) = estimate else { return Self { amount: None, percent: None, band: Band::NoEstimate } };
        let difference = actual - estimate;
        Self {
            amount: Some(Money::usd(difference.normalize())),
            percent: percent_of(difference, estimate),
            band: band_of(difference, estimate),
        }
    }
}

/// A difference in percent of a base, half-up to two places; none of a base of zero.
pub(super) fn percent_of(difference: Decimal, base: Decimal) -> Option<Decimal> {
    let percent = (difference * Decimal::ONE_HUNDRED).checked_div(base)?;
    Some(percent.round_dp_with_strategy(2, RoundingStrategy::MidpointAwayFromZero))
}

/// Products instead of a quotient, so that the borders are exact and an estimate of zero needs no exception.
fn band_of(difference: Decimal, estimate: Decimal) -> Band {
    let hundredfold = difference * Decimal::ONE_HUNDRED;
    let percent = |of: u32| estimate * Decimal::from(of);
    if hundredfold < -percent(ON_TRACK_PERCENT) {
        Band::Under
    } else if hundredfold <= percent(ON_TRACK_PERCENT) {
        Band::OnTrack
    } else if hundredfold <= percent(WATCH_PERCENT) {
        Band::Watch
    } else {
        Band::Over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bands_have_exact_borders() {
        let check = |actual: &str, estimate: Option<&str>, band: Band, percent: Option<&str>| {
            let parse = |t: &str| t.parse::<Decimal>().unwrap_or_default();
            let variance = Variance::of(parse(actual), estimate.map(parse));
            assert_eq!((variance.band, variance.percent), (band, percent.map(parse)), "{actual} {estimate:?}");
        };
        check("100", Some("100"), Band::OnTrack, Some("0"));
        check("102", Some("100"), Band::OnTrack, Some("2"));
        check("102.0000000001", Some("100"), Band::Watch, Some("2"));
        check("110", Some("100"), Band::Watch, Some("10"));
        check("110.0000000001", Some("100"), Band::Over, Some("10"));
        check("98", Some("100"), Band::OnTrack, Some("-2"));
        check("97.9999999999", Some("100"), Band::Under, Some("-2"));
        check("0", Some("100"), Band::Under, Some("-100"));
        check("0", Some("0"), Band::OnTrack, None);
        check("0.0000000001", Some("0"), Band::Over, None);
        check("5", None, Band::NoEstimate, None);
        check("0", None, Band::NoEstimate, None);
    }
}
