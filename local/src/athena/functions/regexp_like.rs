//! `regexp_like(text, pattern)`: whether the pattern is found anywhere in the text.

use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};

use datafusion::arrow::array::{Array, AsArray, BooleanArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{DataFusionError, Result, ScalarValue};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};
use regex::Regex;

/// Athena's function, for patterns that are constants.
#[derive(Debug)]
pub(super) struct RegexpLike {
    signature: Signature,
    /// A query asks each of its patterns for every batch, and compiling one takes longer than a batch.
    compiled: Mutex<BTreeMap<String, Regex>>,
}

impl RegexpLike {
    pub(super) fn new() -> Self {
        Self { signature: Signature::any(2, Volatility::Immutable), compiled: Mutex::default() }
    }

    fn compiled(&self, pattern: &str) -> Result<Regex> {
        // A panic while the lock is held leaves whole patterns.
        let mut compiled = self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = compiled.get(pattern) {
            return Ok(known.clone());
        }
        let made = Regex::new(pattern)
            .map_err(|error| DataFusionError::Execution(format!("INVALID_FUNCTION_ARGUMENT: {error}")))?;
        compiled.insert(pattern.to_owned(), made.clone());
        Ok(made)
    }
}

impl PartialEq for RegexpLike {
    fn eq(&self, other: &Self) -> bool {
        self.signature == other.signature
    }
}

impl Eq for RegexpLike {}

impl Hash for RegexpLike {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.signature.hash(state);
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
        let pattern = self.compiled(pattern)?;
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
