//! `regexp_like(text, pattern)`: whether the pattern is found anywhere in the text.

use std::sync::Arc;

use datafusion::arrow::array::{Array, AsArray, BooleanArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{DataFusionError, Result, ScalarValue};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};
use regex::Regex;

/// Athena's function, for patterns that are constants.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct RegexpLike {
    signature: Signature,
}

impl RegexpLike {
    pub(super) fn new() -> Self {
        Self { signature: Signature::any(2, Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for RegexpLike {
    fn name(&self) -> &'static str {
        "regexp_like"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [texts, ColumnarValue::Scalar(ScalarValue::Utf8(Some(pattern)) | ScalarValue::Utf8View(Some(pattern)))] =
            arguments.args.as_slice()
        else {
            return Err(DataFusionError::Plan("regexp_like takes a text and a constant pattern".to_owned()));
        };
        let pattern = Regex::new(pattern)
            .map_err(|error| DataFusionError::Execution(format!("INVALID_FUNCTION_ARGUMENT: {error}")))?;
        let texts = cast(&texts.to_array(arguments.number_rows)?, &DataType::Utf8)?;
        let texts = texts.as_string::<i32>();
        // Rows repeat one another: the text of the row before answers for the next that is the same.
        let mut before: Option<(&str, bool)> = None;
        let found: BooleanArray = (0..texts.len())
            .map(|row| {
                let text = texts.is_valid(row).then(|| texts.value(row))?;
                let is_found = match before {
                    Some((same, is_found)) if same == text => is_found,
                    _ => pattern.is_match(text),
                };
                before = Some((text, is_found));
                Some(is_found)
            })
            .collect();
        Ok(ColumnarValue::Array(Arc::new(found)))
    }
}
