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
    #[serde(with = "decimal_text")]
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

/// Decimals on the wire: text, since a reader of JSON may take a number for a binary fraction and lose what it cannot
/// hold.
pub mod decimal_text {
    use std::fmt;

    use rust_decimal::Decimal;
    pub use rust_decimal::serde::str::serialize;
    use serde::de::{Deserializer, Error, Visitor};

    /// Reads the text of a decimal.
    ///
    /// # Errors
    /// For a number, and for text that is no decimal.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Decimal, D::Error> {
        from.deserialize_any(Text)
    }

    struct Text;

    impl Visitor<'_> for Text {
        type Value = Decimal;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a decimal as text, such as \"12.50\"")
        }

        fn visit_str<E: Error>(self, given: &str) -> Result<Decimal, E> {
            let read = given.parse().or_else(|_| Decimal::from_scientific(given));
            read.map_err(|_| E::custom("write amounts as decimal text, such as \"12.50\""))
        }

        fn visit_f64<E: Error>(self, _: f64) -> Result<Decimal, E> {
            Err(a_number())
        }

        fn visit_u64<E: Error>(self, _: u64) -> Result<Decimal, E> {
            Err(a_number())
        }

        fn visit_i64<E: Error>(self, _: i64) -> Result<Decimal, E> {
            Err(a_number())
        }
    }

    fn a_number<E: Error>() -> E {
        E::custom("write amounts as text, such as \"12.50\", not as a JSON number")
    }
}

/// Claude Consumption Units for an amount of US dollars: AWS Marketplace sells one for one cent, never discounted.
#[must_use]
pub fn ccu_of_usd(usd: Decimal) -> Decimal {
    (usd * Decimal::ONE_HUNDRED).normalize()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_amount_is_text_and_a_number_is_refused_in_words() {
        let money = |amount: serde_json::Value| {
            let read = serde_json::from_value::<Money>(json!({ "amount": amount, "currency": "USD" }));
            read.map(|money| money.amount.to_string()).map_err(|why| why.to_string())
        };
        assert_eq!(money(json!("12.50")), Ok("12.50".to_owned()));
        for odd in [json!(12.5), json!(12), json!(-12), json!("12,50"), json!(""), json!(null), json!([])] {
            let refused = money(odd.clone());
            assert!(refused.as_ref().is_err_and(|why| why.contains("text, such as \"12.50\"")), "{odd}: {refused:?}");
        }
    }
}
