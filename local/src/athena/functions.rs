//! Where DataFusion and Athena mean different things by the same SQL, Athena's meaning.
//!
//! `element_at` on a map answers the value or NULL; DataFusion's answers a list. A text cast to a decimal may have an
//! exponent and is rounded half-up, as Trino's `varchar` to `decimal` does
//! (`new BigDecimal(text).setScale(scale, HALF_UP)`); DataFusion's knows no exponent. `regexp_like` is here because
//! DataFusion's needs a feature of the whole crate.

mod regexp_like;

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Decimal128Array, Int32Array, MapArray};
use datafusion::arrow::compute::{cast, take};
use datafusion::arrow::datatypes::{DataType, Int32Type};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, DataFusionError, Result, ScalarValue};
use datafusion::execution::FunctionRegistry;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::expr_rewriter::FunctionRewrite;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ExprSchemable, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::prelude::SessionContext;

use super::columns::text_map_as_read;

/// Gives a session Athena's meanings.
///
/// # Errors
/// When the session takes no rewrites, which the default one does.
pub(super) fn register(context: &SessionContext) -> Result<()> {
    context.register_udf(ScalarUDF::from(ElementAt { signature: Signature::any(2, Volatility::Immutable) }));
    context.register_udf(ScalarUDF::from(regexp_like::RegexpLike::new()));
    context.state_ref().write().register_function_rewrite(Arc::new(CastsOfText))
}

/// `element_at(map, key)`.
#[derive(Debug, PartialEq, Eq, Hash)]
struct ElementAt {
    signature: Signature,
}

impl ScalarUDFImpl for ElementAt {
    fn name(&self) -> &'static str {
        "element_at"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, argument_types: &[DataType]) -> Result<DataType> {
        match argument_types {
            [map, _] if *map == text_map_as_read() => Ok(DataType::Utf8),
            _ => Err(DataFusionError::Plan("element_at takes a map of the table and a key".to_owned())),
        }
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = arguments.number_rows;
        let [map, key] = arguments.args.as_slice() else {
            return Err(DataFusionError::Plan("element_at takes a map and a key".to_owned()));
        };
        let map = map.to_array(rows)?;
        let map = map.as_map();
        let names = map.keys().as_dictionary::<Int32Type>();
        let texts = names.values().as_string::<i32>();
        let found = match key {
            // Each entry of the dictionary is compared once, not once per row.
            ColumnarValue::Scalar(ScalarValue::Utf8(Some(key)) | ScalarValue::Utf8View(Some(key))) => {
                let is_key: Vec<bool> = (0..texts.len()).map(|entry| texts.value(entry) == key.as_str()).collect();
                look_up(map, |_, entry| is_key.get(entry) == Some(&true))?
            }
            other => {
                let wanted = cast(&other.to_array(rows)?, &DataType::Utf8)?;
                let wanted = wanted.as_string::<i32>();
                look_up(map, |row, entry| wanted.is_valid(row) && wanted.value(row) == texts.value(entry))?
            }
        };
        Ok(ColumnarValue::Array(found))
    }
}

/// The value in each row's map of the first name, by its entry in the names' dictionary, that is the row's key.
fn look_up(map: &MapArray, is_key: impl Fn(usize, usize) -> bool) -> Result<ArrayRef> {
    let (names, values) = (map.keys().as_dictionary::<Int32Type>(), map.values().as_dictionary::<Int32Type>());
    let found = map.offsets().windows(2).enumerate().map(|(row, bounds)| {
        let [from, to] = bounds else { return None };
        let mut entries = usize::try_from(*from).ok()?..usize::try_from(*to).ok()?;
        let at = entries.find(|&at| names.key(at).is_some_and(|entry| is_key(row, entry)))?;
        if map.is_valid(row) { values.key(at).and_then(|entry| i32::try_from(entry).ok()) } else { None }
    });
    Ok(take(values.values(), &found.collect::<Int32Array>(), None)?)
}

/// Puts [`TextToDecimal`] in the place of casts from text to decimals.
#[derive(Debug)]
struct CastsOfText;

impl FunctionRewrite for CastsOfText {
    fn name(&self) -> &'static str {
        "athena_casts_of_text"
    }

    fn rewrite(&self, expr: Expr, schema: &DFSchema, _: &ConfigOptions) -> Result<Transformed<Expr>> {
        let (inner, wanted, on_nonsense) = match &expr {
            Expr::Cast(cast) => (&cast.expr, cast.field.data_type(), OnNonsense::Fail),
            Expr::TryCast(cast) => (&cast.expr, cast.field.data_type(), OnNonsense::Null),
            _ => return Ok(Transformed::no(expr)),
        };
        let DataType::Decimal128(precision, scale) = *wanted else { return Ok(Transformed::no(expr)) };
        if !matches!(inner.get_type(schema)?, DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8) {
            return Ok(Transformed::no(expr));
        }
        let signature = Signature::any(1, Volatility::Immutable);
        let function = ScalarUDF::from(TextToDecimal { precision, scale, on_nonsense, signature });
        let call = ScalarFunction::new_udf(Arc::new(function), vec![inner.as_ref().clone()]);
        Ok(Transformed::yes(Expr::ScalarFunction(call)))
    }
}

/// What a cast does with a text that is no decimal, or one that is too large.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum OnNonsense {
    Fail,
    Null,
}

/// `cast(text AS decimal)` and `try_cast(text AS decimal)`.
#[derive(Debug, PartialEq, Eq, Hash)]
struct TextToDecimal {
    precision: u8,
    scale: i8,
    on_nonsense: OnNonsense,
    signature: Signature,
}

impl ScalarUDFImpl for TextToDecimal {
    fn name(&self) -> &'static str {
        "athena_text_to_decimal"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Decimal128(self.precision, self.scale))
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [texts] = arguments.args.as_slice() else {
            return Err(DataFusionError::Plan("a cast takes one value".to_owned()));
        };
        let texts = cast(&texts.to_array(arguments.number_rows)?, &DataType::Utf8)?;
        let mut decimals = Vec::with_capacity(texts.len());
        for text in texts.as_string::<i32>() {
            let decimal = text.and_then(|t| unscaled_decimal(t, self.precision, self.scale));
            if let (Some(text), None, OnNonsense::Fail) = (text, decimal, self.on_nonsense) {
                let (precision, scale) = (self.precision, self.scale);
                let why =
                    format!("INVALID_CAST_ARGUMENT: Cannot cast VARCHAR '{text}' to DECIMAL({precision}, {scale})");
                return Err(DataFusionError::Execution(why));
            }
            decimals.push(decimal);
        }
        let decimals = Decimal128Array::from(decimals).with_precision_and_scale(self.precision, self.scale)?;
        Ok(ColumnarValue::Array(Arc::new(decimals)))
    }
}

/// The decimal of a text such as `-12.5`, `1.5E-7` or `1e+16`, times ten to the scale, rounded half away from zero.
fn unscaled_decimal(text: &str, precision: u8, scale: i8) -> Option<i128> {
    let text = text.trim();
    let (is_negative, unsigned) = match text.strip_prefix(['-', '+']) {
        Some(unsigned) => (text.starts_with('-'), unsigned),
        None => (false, text),
    };
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (unsigned, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let value = whole.bytes().chain(fraction.bytes()).try_fold(0_i128, |value, digit| {
        let digit = digit.is_ascii_digit().then(|| i128::from(digit - b'0'))?;
        value.checked_mul(10)?.checked_add(digit)
    })?;
    let shift = exponent.checked_sub(i32::try_from(fraction.len()).ok()?)?.checked_add(i32::from(scale))?;
    let power = |places: u32| 10_i128.checked_pow(places);
    let shifted = if value == 0 {
        0
    } else if shift >= 0 {
        value.checked_mul(power(shift.unsigned_abs())?)?
    } else {
        // Beyond 38 places nothing is left of any value that fits.
        power(shift.unsigned_abs()).map_or(0, |divisor| (value + divisor / 2) / divisor)
    };
    let fits = shifted < power(u32::from(precision))?;
    fits.then_some(if is_negative { -shifted } else { shifted })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_doubles_shortest_text_becomes_ten_places_half_up() {
        let check = |text: &str, expected: Option<i128>| assert_eq!(unscaled_decimal(text, 38, 10), expected, "{text}");
        check("0.1", Some(1_000_000_000));
        check("1.0E-10", Some(1));
        check("5e-11", Some(1));
        check("4.9e-11", Some(0));
        check("-5e-11", Some(-1));
        check("-1.5e-10", Some(-2));
        check("0.12345678905", Some(1_234_567_891));
        check("1e+16", Some(100_000_000_000_000_000_000_000_000));
        check("9.99e27", Some(99_900_000_000_000_000_000_000_000_000_000_000_000));
        check("1e28", None);
        check("1.7976931348623157e308", None);
        check("1e-320", Some(0));
        check("0.0", Some(0));
        for nonsense in ["NaN", "inf", "-Infinity", "", ".", "1.2.3", "12a", "e5", "1e", "--1"] {
            check(nonsense, None);
        }
    }
}
