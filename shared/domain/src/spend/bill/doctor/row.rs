//! A row of `census.sql`, parsed.

use rust_decimal::Decimal;

use super::super::line::LineItemType;
use super::super::number::parse_decimal;

/// The columns of `census.sql`, in their order.
pub const COLUMNS: [&str; 15] = [
    "line_item_type",
    "billing_entity",
    "product_code",
    "product_servicecode",
    "product_family",
    "product_name",
    "usage_type",
    "operation",
    "description",
    "currency",
    "has_caller",
    "has_workspace",
    "has_tag",
    "cost",
    "row_count",
];

/// Rows of the bill of one product and usage type.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "named as the columns of the query, which are those of CUR 2.0")]
pub struct CensusRow {
    pub line_item_type: LineItemType,
    pub billing_entity: String,
    pub product_code: String,
    pub product_servicecode: String,
    pub product_family: String,
    pub product_name: String,
    pub usage_type: String,
    pub operation: String,
    pub description: String,
    pub currency: String,
    /// A principal is named.
    pub has_caller: bool,
    /// The resource is a Claude workspace.
    pub has_workspace: bool,
    /// The workspace tag is there.
    pub has_tag: bool,
    pub cost: Decimal,
    pub rows: u64,
}

/// A row that is none of the census.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("column {0} of the census cannot be read; the query and this version do not match")]
pub struct UnreadableCensus(pub &'static str);

impl CensusRow {
    /// Reads a result row in the order of [`COLUMNS`].
    ///
    /// # Errors
    /// [`UnreadableCensus`] when a sum or count is none, or there are not as many columns.
    pub fn parse(fields: &[Option<String>]) -> Result<Self, UnreadableCensus> {
        let text = |column: &'static str| {
            let at = COLUMNS.iter().position(|name| *name == column);
            let field = at.filter(|_| fields.len() == COLUMNS.len()).and_then(|at| fields.get(at));
            field.map(|field| field.as_deref().unwrap_or_default().to_owned()).ok_or(UnreadableCensus(column))
        };
        let flag = |column| text(column).map(|text| text == "1");
        Ok(Self {
            line_item_type: text("line_item_type")?.into(),
            billing_entity: text("billing_entity")?,
            product_code: text("product_code")?,
            product_servicecode: text("product_servicecode")?,
            product_family: text("product_family")?,
            product_name: text("product_name")?,
            usage_type: text("usage_type")?,
            operation: text("operation")?,
            description: text("description")?,
            currency: text("currency")?,
            has_caller: flag("has_caller")?,
            has_workspace: flag("has_workspace")?,
            has_tag: flag("has_tag")?,
            cost: parse_decimal(&text("cost")?).map_err(|_| UnreadableCensus("cost"))?,
            rows: text("row_count")?.parse().map_err(|_| UnreadableCensus("row_count"))?,
        })
    }
}
