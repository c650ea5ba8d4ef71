//! Money as exact decimals with a currency. Amounts of different currencies are kept apart, never added.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::checked_text;

checked_text! {
    /// An ISO 4217 currency code.
    Currency, "currency", "must be a three-letter currency code such as USD",
    |t| t.len() == 3 && t.bytes().all(|b| b.is_ascii_uppercase())
}

impl Currency {
    /// US dollars: what AWS bills in unless the payer chose otherwise, and what estimates are in.
    #[must_use]
    pub fn usd() -> Self {
        Self("USD".to_owned())
    }
}

/// An amount on the wire: `{"amount":"123.45","currency":"USD"}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Money {
    /// The amount, a decimal string.
    #[serde(with = "rust_decimal::serde::str")]
    #[schemars(with = "String")]
    pub amount: Decimal,
    /// The currency.
    pub currency: Currency,
}

impl Money {
    /// An amount of US dollars.
    #[must_use]
    pub fn usd(amount: Decimal) -> Self {
        Self { amount, currency: Currency::usd() }
    }

    /// Whether this is a sum somebody may plan with: US dollars, not negative, whole cents, below [`PLANNED_USD_MAX`].
    #[must_use]
    pub fn is_plausible_plan(&self) -> bool {
        self.currency == Currency::usd()
            && self.amount >= Decimal::ZERO
            && self.amount <= Decimal::from(PLANNED_USD_MAX)
            && self.amount.normalize().scale() <= 2
    }
}

/// Largest monthly estimate or baseline accepted, in US dollars: above any AWS bill, below where decimals lose places.
pub const PLANNED_USD_MAX: u64 = 1_000_000_000;

/// Decimal places kept of a cost in the bill. AWS writes doubles; their shortest decimal is rounded half-up to this.
pub const COST_DECIMAL_PLACES: u32 = 10;

/// Claude Consumption Units for an amount of US dollars: AWS Marketplace sells one for one cent, never discounted.
#[must_use]
pub fn ccu_of_usd(usd: Decimal) -> Decimal {
    (usd * Decimal::ONE_HUNDRED).normalize()
}
