//! The query's condition as files apply it while they are read: first what follows from it and is cheap to ask, of all
//! rows; then the condition itself, of those that are left.
//!
//! Of a bill's rows few are AI, and a few short columns rule most of the others out: only of the rest the other columns
//! become texts, and long runs of them are not read at all. A text that a file keeps in a dictionary is judged once per
//! entry, not once per row.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, BooleanBufferBuilder, DictionaryArray, RecordBatch, RecordBatchOptions,
    new_null_array,
};
use datafusion::arrow::compute::{and, and_not, cast, is_null, or, prep_null_mask_filter, take};
use datafusion::arrow::datatypes::{DataType, Field, Int32Type, Schema, SchemaRef};
use datafusion::arrow::error::ArrowError;
use datafusion::catalog::Session;
use datafusion::common::DFSchema;
use datafusion::error::Result as EngineResult;
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator, and as both, or as either};
use datafusion::physical_plan::PhysicalExpr;

use super::columns;
use super::rows::wanted_rows;

/// What rows of the table have to meet.
#[derive(Debug, Clone)]
pub(super) struct Filter {
    /// What follows from the whole and looks at short columns only, where that is something else.
    pub(super) weaker: Option<Conditioned>,
    /// All of it.
    pub(super) whole: Conditioned,
}

/// A condition over some of the table's columns.
#[derive(Debug, Clone)]
pub(super) struct Conditioned {
    /// The columns that it looks at.
    pub(super) columns: SchemaRef,
    condition: Condition,
}

/// A condition, taken apart down to where one expression decides. What is neither true nor false is not met.
#[derive(Debug, Clone)]
enum Condition {
    Both(Box<Condition>, Box<Condition>),
    Either(Box<Condition>, Box<Condition>),
    One(Leaf),
}

/// An expression over some of a condition's columns, and where those stand among them.
#[derive(Debug, Clone)]
struct Leaf {
    positions: Vec<usize>,
    columns: SchemaRef,
    decides: Arc<dyn PhysicalExpr>,
    judged: Option<Judged>,
}

/// What was said of a dictionary's entries: batches of one row group share it.
#[derive(Debug, Clone)]
struct Judged {
    entries: ArrayRef,
    met: BooleanArray,
    null_is_met: bool,
}

impl Filter {
    /// The filter that asks all of these; none if there are none.
    ///
    /// # Errors
    /// When the engine cannot evaluate one.
    pub(super) fn of(state: &dyn Session, table: &SchemaRef, filters: &[Expr]) -> EngineResult<Option<Self>> {
        let Some(whole) = conjunction(filters.iter().cloned()) else { return Ok(None) };
        let weaker = weakened(&whole, table).filter(|weaker| *weaker != whole);
        let weaker = weaker.map(|weaker| Conditioned::of(state, table, &weaker)).transpose()?;
        Ok(Some(Self { weaker, whole: Conditioned::of(state, table, &whole)? }))
    }
}

/// What follows from a condition and asks for short columns only; nothing if that is nothing.
fn weakened(condition: &Expr, table: &SchemaRef) -> Option<Expr> {
    match condition {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::And, right }) => {
            match (weakened(left, table), weakened(right, table)) {
                (Some(left), Some(right)) => Some(both(left, right)),
                (one, other) => one.or(other),
            }
        }
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Or, right }) => {
            Some(either(weakened(left, table)?, weakened(right, table)?))
        }
        other => other.column_refs().iter().all(|column| is_short(table, &column.name)).then(|| other.clone()),
    }
}

/// A column of the files that is neither a map nor one that says what the file's folder says.
fn is_short(table: &SchemaRef, name: &str) -> bool {
    let is_text = table.field_with_name(name).is_ok_and(|field| *field.data_type() == DataType::Utf8);
    is_text && name != columns::PARTITION && name != columns::EXECUTION
}

impl Conditioned {
    fn of(state: &dyn Session, table: &SchemaRef, condition: &Expr) -> EngineResult<Self> {
        let columns: SchemaRef = Arc::new(table.project(&positions(condition, table))?);
        let condition = Condition::of(state, &columns, condition)?;
        Ok(Self { columns, condition })
    }

    /// Which rows meet the condition. The batch has its columns; its texts may be dictionaries or views.
    ///
    /// # Errors
    /// When an expression fails on a row.
    pub(super) fn met(&mut self, batch: &RecordBatch) -> Result<BooleanArray, ArrowError> {
        let all = BooleanArray::from(vec![true; batch.num_rows()]);
        self.condition.met(batch, &all)
    }
}

/// Where the columns that an expression names stand in a schema.
fn positions(named_in: &Expr, schema: &Schema) -> Vec<usize> {
    let named: BTreeSet<&str> = named_in.column_refs().iter().map(|column| column.name.as_str()).collect();
    let numbered = schema.fields().iter().enumerate();
    numbered.filter(|(_, field)| named.contains(field.name().as_str())).map(|(at, _)| at).collect()
}

impl Condition {
    fn of(state: &dyn Session, columns: &SchemaRef, condition: &Expr) -> EngineResult<Self> {
        let part = |of: &Expr| Self::of(state, columns, of).map(Box::new);
        match condition {
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::And, right }) => {
                Ok(Self::Both(part(left)?, part(right)?))
            }
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::Or, right }) => {
                Ok(Self::Either(part(left)?, part(right)?))
            }
            leaf => {
                let positions = positions(leaf, columns);
                let columns: SchemaRef = Arc::new(columns.project(&positions)?);
                let decides = state.create_physical_expr(leaf.clone(), &DFSchema::try_from(Arc::clone(&columns))?)?;
                Ok(Self::One(Leaf { positions, columns, decides, judged: None }))
            }
        }
    }

    /// Those rows `among` the given ones that meet the condition: what decided already is not asked again.
    fn met(&mut self, batch: &RecordBatch, among: &BooleanArray) -> Result<BooleanArray, ArrowError> {
        match self {
            Self::Both(one, other) => other.met(batch, &one.met(batch, among)?),
            Self::Either(one, other) => {
                let met = one.met(batch, among)?;
                or(&met, &other.met(batch, &and_not(among, &met)?)?)
            }
            Self::One(leaf) if among.has_true() => leaf.met(batch, among),
            Self::One(_) => Ok(among.clone()),
        }
    }
}

impl Leaf {
    fn met(&mut self, batch: &RecordBatch, among: &BooleanArray) -> Result<BooleanArray, ArrowError> {
        let batch = batch.project(&self.positions)?;
        if let [column] = batch.columns()
            && let Some(texts) = column.as_dictionary_opt::<Int32Type>()
        {
            return and(among, &self.met_by_entries(texts)?);
        }
        let asked = wanted_rows(&batch, among)?;
        let plain = |(field, column): (&Arc<Field>, &ArrayRef)| cast(column, field.data_type());
        let plain = self.columns.fields().iter().zip(asked.columns()).map(plain).collect::<Result<Vec<_>, _>>()?;
        let met = self.decide(plain, asked.num_rows())?;
        // Back to where the rows stand.
        let mut placed = BooleanBufferBuilder::new(among.len());
        placed.append_n(among.len(), false);
        among.values().set_indices().zip(met.values()).for_each(|(row, met)| placed.set_bit(row, met));
        Ok(BooleanArray::new(placed.finish(), None))
    }

    /// Judges each entry of a dictionary, and NULL where a row has none.
    fn met_by_entries(&mut self, texts: &DictionaryArray<Int32Type>) -> Result<BooleanArray, ArrowError> {
        let is_of_these = |judged: &Judged| judged.entries.to_data().ptr_eq(&texts.values().to_data());
        let judged = match self.judged.take().filter(is_of_these) {
            Some(judged) => judged,
            None => Judged {
                entries: Arc::clone(texts.values()),
                met: self.decide(vec![Arc::clone(texts.values())], texts.values().len())?,
                null_is_met: self.decide(vec![new_null_array(&DataType::Utf8, 1)], 1)?.has_true(),
            },
        };
        let of_rows = take(&judged.met, texts.keys(), None)?;
        let met = is_true(of_rows.as_boolean());
        let has_null = of_rows.null_count() > 0;
        let met = if has_null && judged.null_is_met { or(&met, &is_null(&of_rows)?)? } else { met };
        self.judged = Some(judged);
        Ok(met)
    }

    fn decide(&self, columns: Vec<ArrayRef>, rows: usize) -> Result<BooleanArray, ArrowError> {
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&self.columns), columns, &options)?;
        let met = self.decides.evaluate(&batch).and_then(|met| met.into_array(rows));
        let met = met.map_err(|error| ArrowError::ExternalError(Box::new(error)))?;
        let met =
            met.as_boolean_opt().ok_or_else(|| ArrowError::CastError("a condition is true or false".to_owned()))?;
        Ok(is_true(met))
    }
}

/// NULL as false.
fn is_true(met: &BooleanArray) -> BooleanArray {
    if met.null_count() > 0 { prep_null_mask_filter(met) } else { met.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::arrow::array::StringArray;
    use datafusion::prelude::SessionContext;

    use crate::athena::columns::dictionary_of_texts;

    /// What is met of these rows, as texts and as dictionaries; and what follows from it over short columns.
    fn met(condition: &str) -> anyhow::Result<(Vec<bool>, Vec<bool>)> {
        let text = |name: &str| Field::new(name, DataType::Utf8, true);
        let map = Field::new("product", columns::text_map_as_read(), true);
        let table: SchemaRef = Arc::new(Schema::new(vec![text("code"), text("entity"), map]));
        let context = SessionContext::new();
        let state = context.state();
        let expr = state.create_logical_expr(condition, &DFSchema::try_from(Arc::clone(&table))?)?;
        let filter = Filter::of(&state, &table, &[expr])?.ok_or_else(|| anyhow::anyhow!("there is a filter"))?;
        let codes: ArrayRef = Arc::new(StringArray::from(vec![Some("A"), None, Some("B"), Some("A"), Some(""), None]));
        let entities: ArrayRef =
            Arc::new(StringArray::from(vec![Some("AWS"), Some("AWS"), Some("M"), Some("M"), None, Some("M")]));
        let maps = new_null_array(&columns::text_map_as_read(), codes.len());
        let rows = |texts: &DataType| -> anyhow::Result<RecordBatch> {
            let columns = [("code", cast(&codes, texts)?, true), ("entity", cast(&entities, texts)?, true)];
            Ok(RecordBatch::try_from_iter_with_nullable(columns.into_iter().chain([(
                "product",
                Arc::clone(&maps),
                true,
            )]))?)
        };
        let ask = |conditioned: &Conditioned, rows: &RecordBatch| -> anyhow::Result<Vec<bool>> {
            let mut conditioned = conditioned.clone();
            let at = conditioned.columns.fields().iter().map(|field| rows.schema().index_of(field.name()));
            let rows = rows.project(&at.collect::<Result<Vec<_>, _>>()?)?;
            Ok(conditioned.met(&rows)?.iter().map(|met| met == Some(true)).collect())
        };
        let (plain, kept) = (rows(&DataType::Utf8)?, rows(&dictionary_of_texts())?);
        let whole = ask(&filter.whole, &plain)?;
        assert_eq!(whole, ask(&filter.whole, &kept)?, "{condition}");
        let weaker = filter.weaker.as_ref().unwrap_or(&filter.whole);
        assert!(weaker.columns.fields().iter().all(|field| *field.data_type() == DataType::Utf8), "{condition}");
        assert_eq!(ask(weaker, &plain)?, ask(weaker, &kept)?, "{condition}");
        Ok((whole, ask(weaker, &plain)?))
    }

    #[test]
    fn texts_and_dictionaries_are_judged_alike_and_what_is_neither_true_nor_false_is_not_met() -> anyhow::Result<()> {
        let check = |condition: &str, expected: [u8; 6]| -> anyhow::Result<()> {
            let expected = expected.map(|met| met == 1).to_vec();
            assert_eq!(met(condition)?.0, expected, "{condition}");
            Ok(())
        };
        check("code = 'A'", [1, 0, 0, 1, 0, 0])?;
        check("code <> ''", [1, 0, 1, 1, 0, 0])?;
        check("code IS NULL", [0, 1, 0, 0, 0, 1])?;
        check("code = 'A' OR entity = 'M'", [1, 0, 1, 1, 0, 1])?;
        check("entity = 'M' AND (code = 'B' OR code IS NULL)", [0, 0, 1, 0, 0, 1])?;
        check("NOT (code = 'A' AND entity = 'M')", [1, 1, 1, 0, 1, 0])
    }

    #[test]
    fn what_looks_into_a_map_is_left_to_the_whole_condition_and_no_row_is_lost_before() -> anyhow::Result<()> {
        let (whole, weaker) = met("code = 'A' OR (entity = 'M' AND (code = 'Z' OR product IS NULL))")?;
        assert_eq!(weaker, [true, false, true, true, false, true]);
        assert!(whole.iter().zip(&weaker).all(|(whole, weaker)| *weaker || !*whole));
        Ok(())
    }
}
