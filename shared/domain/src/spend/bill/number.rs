//! Numbers of the bill. AWS writes costs as doubles; their shortest decimal is kept, half-up to ten places.
//!
//! No floating point is involved: the text is read digit by digit, so a value is rounded once and nowhere else.

use rust_decimal::Decimal;

use crate::base::money::COST_DECIMAL_PLACES;

/// Digits before the decimal point that one row may have. Above any bill, and thousands of such rows still add up
/// within the 28 digits a [`Decimal`] holds.
pub const INTEGER_DIGITS_MAX: i64 = 15;

/// Largest exponent read; a double has none beyond it.
const EXPONENT_MAX: i64 = 400;

/// Text that is not a finite number of a size that a bill may hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MalformedNumber {
    /// `NaN`, `Infinity`, letters, two points …
    #[error("`{0}` is not a decimal number")]
    NotANumber(String),
    /// More than [`INTEGER_DIGITS_MAX`] digits before the point.
    #[error("`{0}` is larger than any row of a bill may be")]
    TooLarge(String),
}

/// Reads a decimal as SQL engines print it, exponents included, half-up (away from zero) to ten places, without
/// trailing zeros. A blank reads as zero: SQL sums of nothing are NULL.
///
/// # Errors
/// [`MalformedNumber`] for whatever is not a finite number, or too large.
pub fn parse_decimal(text: &str) -> Result<Decimal, MalformedNumber> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(Decimal::ZERO);
    }
    let Written { negative, digits, point } =
        Written::read(text).ok_or_else(|| MalformedNumber::NotANumber(text.to_owned()))?;
    let too_large = || MalformedNumber::TooLarge(text.to_owned());
    if point > INTEGER_DIGITS_MAX {
        return Err(too_large());
    }
    let digit_at = |place: i64| usize::try_from(place).ok().and_then(|p| digits.get(p)).map_or(0, |d| i128::from(*d));
    let kept = point + i64::from(COST_DECIMAL_PLACES);
    let mut units = (0..kept).fold(0_i128, |sum, place| sum * 10 + digit_at(place));
    if digit_at(kept) >= 5 {
        units += 1;
    }
    let signed = if negative { -units } else { units };
    Decimal::try_from_i128_with_scale(signed, COST_DECIMAL_PLACES).map(|d| d.normalize()).map_err(|_| too_large())
}

/// A number's significant digits and how many of them stand before the point; the count may be negative.
struct Written {
    negative: bool,
    digits: Vec<u8>,
    point: i64,
}

impl Written {
    fn read(text: &str) -> Option<Self> {
        let (negative, unsigned) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
        let exponent: i64 = exponent.parse().ok().filter(|e: &i64| e.abs() <= EXPONENT_MAX)?;
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all: Vec<u8> = whole.bytes().chain(fraction.bytes()).collect();
        if all.is_empty() || !all.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let digits: Vec<u8> = all.iter().skip_while(|b| **b == b'0').map(|b| b - b'0').collect();
        let leading_zeros = i64::try_from(all.len() - digits.len()).ok()?;
        let point = if digits.is_empty() { 0 } else { i64::try_from(whole.len()).ok()? + exponent - leading_zeros };
        Some(Self { negative, digits, point })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_are_read_as_written_and_rounded_half_up_once() {
        let check = |text: &str, expected: &str| {
            assert_eq!(parse_decimal(text).map(|d| d.to_string()).as_deref(), Ok(expected), "{text}");
        };
        check("", "0");
        check("0", "0");
        check("-0.0", "0");
        check("12.3400000000", "12.34");
        check("+7.", "7");
        check(".5", "0.5");
        check("1.0E-7", "0.0000001");
        check("1.23e3", "1230");
        check("2.5E-10", "0.0000000003");
        check("0.00000000005", "0.0000000001");
        check("0.000000000049999999999999999999999999999999", "0");
        check("-0.00000000005", "-0.0000000001");
        check("9E-400", "0");
        check("999999999999999.99999999999", "1000000000000000");
    }

    #[test]
    fn what_is_no_finite_number_is_refused() {
        for bad in ["NaN", "Infinity", "-", ".", "1.2.3", "1e", "1e999", "0x10", "1,000", "--1", "é"] {
            assert!(matches!(parse_decimal(bad), Err(MalformedNumber::NotANumber(_))), "{bad}");
        }
        for bad in ["1000000000000000", "1e300"] {
            assert!(matches!(parse_decimal(bad), Err(MalformedNumber::TooLarge(_))), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn ten_places_survive_the_round_trip(units in -10_i128.pow(24)..10_i128.pow(24)) {
            let number = Decimal::from_i128_with_scale(units, COST_DECIMAL_PLACES);
            prop_assert_eq!(parse_decimal(&number.to_string()), Ok(number.normalize()));
        }

        #[test]
        fn no_text_makes_it_panic(text in ".{0,40}") {
            let _ = parse_decimal(&text);
        }
    }
}
