//! A row of a query's result.

/// A row of a result: each column's text, or nothing.
pub(crate) type Row = Vec<Option<String>>;
