//! One group of CUR 2.0 rows as `facts.sql` answers it, parsed.
//!
//! Every column arrives as text, NULL and `''` being the same blank. Text columns are kept as they stand, hostile or
//! not, but for those longer than any text that AWS makes; only what is counted or compared by kind is parsed, and a
//! row that cannot be is a typed, counted refusal.

use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::number::{MalformedNumber, parse_decimal};
use crate::base::aws::Principal;
use crate::base::digest::Digest;
use crate::base::money::Currency;

/// The columns of `facts.sql`, in their order.
pub const COLUMNS: [&str; 26] = [
    "line_item_type",
    "billing_entity",
    "invoiced",
    "usage_day",
    "account_id",
    "region",
    "principal",
    "resource_id",
    "workspace_tag",
    "product_code",
    "product_servicecode",
    "product_family",
    "product_name",
    "product_provider",
    "product_model",
    "inference_type",
    "feature",
    "usage_type",
    "operation",
    "pricing_unit",
    "unblended_rate",
    "currency",
    "description",
    "quantity",
    "cost",
    "row_count",
];

/// What kind of charge a row is (`line_item_line_item_type`; FOCUS `ChargeCategory`). Only `Usage` is spend; each other
/// kind is an exclusion of its own name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
#[expect(missing_docs, reason = "AWS's own words: CUR 2.0 table dictionary, line item columns")]
pub enum LineItemType {
    Usage,
    DiscountedUsage,
    Credit,
    Refund,
    Tax,
    Fee,
    Discount,
    BundledDiscount,
    RiFee,
    SavingsPlanUpfrontFee,
    SavingsPlanRecurringFee,
    SavingsPlanCoveredUsage,
    SavingsPlanNegation,
    FlatRateSubscription,
    /// A kind not known here, by AWS's name; blank where the column is.
    Other(String),
}

/// Each known kind, as AWS writes it and as an exclusion is called.
const LINE_ITEM_TYPES: [(LineItemType, &str, &str); 14] = [
    (LineItemType::Usage, "Usage", "usage"),
    (LineItemType::DiscountedUsage, "DiscountedUsage", "discounted-usage"),
    (LineItemType::Credit, "Credit", "credit"),
    (LineItemType::Refund, "Refund", "refund"),
    (LineItemType::Tax, "Tax", "tax"),
    (LineItemType::Fee, "Fee", "fee"),
    (LineItemType::Discount, "Discount", "discount"),
    (LineItemType::BundledDiscount, "BundledDiscount", "bundled-discount"),
    (LineItemType::RiFee, "RIFee", "ri-fee"),
    (LineItemType::SavingsPlanUpfrontFee, "SavingsPlanUpfrontFee", "savings-plan-upfront-fee"),
    (LineItemType::SavingsPlanRecurringFee, "SavingsPlanRecurringFee", "savings-plan-recurring-fee"),
    (LineItemType::SavingsPlanCoveredUsage, "SavingsPlanCoveredUsage", "savings-plan-covered-usage"),
    (LineItemType::SavingsPlanNegation, "SavingsPlanNegation", "savings-plan-negation"),
    // The misspelling is AWS's.
    (LineItemType::FlatRateSubscription, "FlateRateSubscription", "flat-rate-subscription"),
];

impl LineItemType {
    /// AWS's name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Other(name) => name,
            known => LINE_ITEM_TYPES.iter().find(|(kind, ..)| kind == known).map_or("", |(_, aws, _)| aws),
        }
    }

    /// Under which name a charge of this kind is left out of spend; `None` for usage, which is spend.
    #[must_use]
    pub fn excluded_as(&self) -> Option<String> {
        match self {
            Self::Usage => None,
            Self::Other(name) if name.is_empty() => Some("unnamed-line-item-type".to_owned()),
            Self::Other(name) => Some(name.clone()),
            known => LINE_ITEM_TYPES.iter().find(|(kind, ..)| kind == known).map(|(.., slug)| (*slug).to_owned()),
        }
    }
}

impl From<String> for LineItemType {
    fn from(name: String) -> Self {
        LINE_ITEM_TYPES
            .iter()
            .find(|(_, aws, _)| *aws == name)
            .map_or_else(|| Self::Other(name), |(kind, ..)| kind.clone())
    }
}

impl From<LineItemType> for String {
    fn from(kind: LineItemType) -> String {
        kind.as_str().to_owned()
    }
}

/// Longest text of the bill that is kept as it is: longer than any ARN that AWS makes. Texts become parts of facts,
/// gaps and events, of which an item holds 400 KB and an event 24 KB.
const TEXT_BYTES_MAX: usize = 1024;

/// What is kept of a longer one, before its digest.
const TEXT_BYTES_KEPT: usize = 512;

/// Rows of the bill that are alike in everything but amount. CUR 2.0 column names stand behind each field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineGroup {
    /// `line_item_line_item_type`.
    pub line_item_type: LineItemType,
    /// `bill_billing_entity`: `AWS` or `AWS Marketplace`.
    pub billing_entity: String,
    /// Whether `bill_invoice_id` (FOCUS `InvoiceId`) is filled: the month is final for these rows.
    pub invoiced: bool,
    /// UTC day of `line_item_usage_start_date` (FOCUS `ChargePeriodStart`).
    pub usage_day: Date,
    /// `line_item_usage_account_id` (FOCUS `SubAccountId`); normally 12 digits, kept as it stands.
    pub account_id: String,
    /// `product_region_code` (FOCUS `RegionId`); blank on some Marketplace rows.
    pub region: String,
    /// `line_item_iam_principal`, sessions folded into their role.
    pub principal: Principal,
    /// `line_item_resource_id` (FOCUS `ResourceId`).
    pub resource_id: String,
    /// Value of the workspace tag, whichever map held it.
    pub workspace_tag: String,
    /// `line_item_product_code`.
    pub product_code: String,
    /// `product_servicecode`.
    pub product_servicecode: String,
    /// `product_product_family`.
    pub product_family: String,
    /// `product['product_name']`.
    pub product_name: String,
    /// `product['provider']`.
    pub product_provider: String,
    /// `product['model']`.
    pub product_model: String,
    /// `product['inference_type']`: `input tokens`, `output tokens` …
    pub inference_type: String,
    /// `product['feature']`: `On-Demand`, `Batch` …
    pub feature: String,
    /// `line_item_usage_type`.
    pub usage_type: String,
    /// `line_item_operation`.
    pub operation: String,
    /// `pricing_unit` (FOCUS `PricingUnit`).
    pub pricing_unit: String,
    /// `line_item_unblended_rate`, where it reads as a number.
    pub unblended_rate: Option<Decimal>,
    /// `line_item_currency_code` (FOCUS `BillingCurrency`).
    pub currency: Currency,
    /// `line_item_line_item_description` (FOCUS `ChargeDescription`).
    pub description: String,
    /// Sum of `line_item_usage_amount` (FOCUS `ConsumedQuantity`), in the row's own unit.
    pub quantity: Decimal,
    /// Sum of `line_item_unblended_cost` (FOCUS `BilledCost` before discounts), to ten places.
    pub cost: Decimal,
    /// How many rows of the bill these are.
    pub rows: u64,
}

/// Why a group of rows could not be read. It is counted and shown, and the run does not reconcile without it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnreadableRow {
    /// Not as many columns as the query names.
    #[error("a row of the bill has {found} columns instead of {expected}; the query and this version do not match")]
    ColumnCount {
        /// How many there are.
        found: usize,
        /// How many the query names.
        expected: usize,
    },
    /// The day of usage is not a date.
    #[error("usage day `{0}` is not a date; it reads YYYY-MM-DD")]
    UsageDay(String),
    /// A sum is not a number that a bill may hold.
    #[error("column {column} cannot be read")]
    Number {
        /// Which column.
        column: &'static str,
        /// What is wrong with it.
        source: MalformedNumber,
    },
    /// The number of rows is not a count.
    #[error("row count `{0}` is not a whole number")]
    RowCount(String),
    /// The currency is not a three-letter code.
    #[error("currency `{0}` is not a three-letter code such as USD")]
    Currency(String),
}

impl LineGroup {
    /// Reads a result row in the order of [`COLUMNS`].
    ///
    /// A blank currency is US dollars, in which AWS bills unless the payer chose otherwise; blank sums are zero.
    ///
    /// # Errors
    /// [`UnreadableRow`] when day, sums, count or currency cannot be read. Odd text elsewhere is kept.
    pub fn parse(fields: &[Option<String>]) -> Result<Self, UnreadableRow> {
        if fields.len() != COLUMNS.len() {
            return Err(UnreadableRow::ColumnCount { found: fields.len(), expected: COLUMNS.len() });
        }
        let mut texts = fields.iter().map(|field| field.as_deref().unwrap_or("").trim());
        let mut next = || bounded(texts.next().unwrap_or(""));
        // Struct fields are evaluated in the order written here, which is the order of the columns.
        Ok(Self {
            line_item_type: next().into(),
            billing_entity: next(),
            invoiced: next() == "1",
            usage_day: parse_day(&next())?,
            account_id: next(),
            region: next(),
            principal: Principal::parse(&next()),
            resource_id: next(),
            workspace_tag: next(),
            product_code: next(),
            product_servicecode: next(),
            product_family: next(),
            product_name: next(),
            product_provider: next(),
            product_model: next(),
            inference_type: next(),
            feature: next(),
            usage_type: next(),
            operation: next(),
            pricing_unit: next(),
            unblended_rate: parse_rate(&next()),
            currency: parse_currency(next())?,
            description: next(),
            quantity: parse_sum("quantity", &next())?,
            cost: parse_sum("cost", &next())?,
            rows: parse_count(next())?,
        })
    }
}

/// A text as it stands; of one that is too long its beginning, and a digest of the whole that tells it from others
/// alike.
#[must_use]
pub fn bounded(text: &str) -> String {
    if text.len() <= TEXT_BYTES_MAX {
        return text.to_owned();
    }
    let mut end = TEXT_BYTES_KEPT;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}\u{2026} {}", text.get(..end).unwrap_or_default(), Digest::of_bytes(text.as_bytes()))
}

fn parse_day(text: &str) -> Result<Date, UnreadableRow> {
    text.parse().map_err(|_| UnreadableRow::UsageDay(text.to_owned()))
}

fn parse_rate(text: &str) -> Option<Decimal> {
    if text.is_empty() { None } else { parse_decimal(text).ok() }
}

fn parse_sum(column: &'static str, text: &str) -> Result<Decimal, UnreadableRow> {
    parse_decimal(text).map_err(|source| UnreadableRow::Number { column, source })
}

fn parse_count(text: String) -> Result<u64, UnreadableRow> {
    text.parse().map_err(|_| UnreadableRow::RowCount(text))
}

fn parse_currency(text: String) -> Result<Currency, UnreadableRow> {
    if text.is_empty() {
        return Ok(Currency::usd());
    }
    Currency::try_from(text.clone()).map_err(|_| UnreadableRow::Currency(text))
}

#[cfg(test)]
pub(crate) mod samples {
    //! Rows for the tests of every module of the bill.

    use std::sync::LazyLock;

    use super::{COLUMNS, LineGroup, UnreadableRow};
    use crate::spend::bill::alias::{Aliases, MalformedAliases};

    static ALIASES: LazyLock<Result<Aliases, MalformedAliases>> = LazyLock::new(Aliases::shipped);

    /// The shipped table, read once: property tests ask for it thousands of times.
    pub(crate) fn aliases() -> Result<&'static Aliases, &'static MalformedAliases> {
        ALIASES.as_ref()
    }

    /// A row of usage on 2026-08-17, with the named columns set.
    pub(crate) fn row(set: &[(&str, &str)]) -> Vec<Option<String>> {
        let defaults = [
            ("line_item_type", "Usage"),
            ("billing_entity", "AWS"),
            ("invoiced", "0"),
            ("usage_day", "2026-08-17"),
            ("account_id", "111122223333"),
            ("region", "us-east-1"),
            ("currency", "USD"),
            ("quantity", "10"),
            ("cost", "1.25"),
            ("row_count", "1"),
        ];
        let value = |column: &str| {
            let named = |pairs: &[(&str, &str)]| pairs.iter().find(|(c, _)| *c == column).map(|(_, v)| (*v).to_owned());
            named(set).or_else(|| named(&defaults))
        };
        COLUMNS.iter().map(|column| value(column)).collect()
    }

    /// The same, parsed.
    pub(crate) fn group(set: &[(&str, &str)]) -> Result<LineGroup, UnreadableRow> {
        LineGroup::parse(&row(set))
    }
}

#[cfg(test)]
mod tests {
    use super::samples::{group, row};
    use super::*;

    #[test]
    fn a_group_is_read_column_by_column() -> Result<(), UnreadableRow> {
        let read = group(&[
            ("principal", "arn:aws:sts::111122223333:assumed-role/App"),
            ("unblended_rate", "0.0100000000"),
            ("quantity", "1.5E3"),
            ("invoiced", "1"),
            ("description", "=cmd()"),
        ])?;
        assert_eq!(read.line_item_type, LineItemType::Usage);
        assert!(read.invoiced && matches!(read.principal, Principal::Role(_)));
        assert_eq!((read.quantity.to_string(), read.cost.to_string()), ("1500".to_owned(), "1.25".to_owned()));
        assert_eq!(read.unblended_rate.map(|r| r.to_string()).as_deref(), Some("0.01"));
        assert_eq!((read.description.as_str(), read.rows), ("=cmd()", 1));
        Ok(())
    }

    #[test]
    fn null_and_empty_are_the_same_blank() -> Result<(), UnreadableRow> {
        let blank = group(&[("principal", ""), ("currency", ""), ("quantity", "")])?;
        assert_eq!(
            (blank.principal, blank.currency, blank.quantity),
            (Principal::Blank, Currency::usd(), Decimal::ZERO)
        );
        Ok(())
    }

    #[test]
    fn texts_beyond_any_bound_are_cut_and_stay_apart() -> Result<(), UnreadableRow> {
        let of = |end: &str| format!("{}{end}", "\u{e9}x".repeat(10_000));
        let tag = |text: &str| group(&[("workspace_tag", text)]).map(|group| group.workspace_tag);
        let (one, other) = (tag(&of("1"))?, tag(&of("2"))?);
        assert!(one.len() < TEXT_BYTES_MAX && one.starts_with("\u{e9}x") && one != other);
        assert_eq!(bounded(&one), one, "what is cut is not cut again");
        let longest = "t".repeat(TEXT_BYTES_MAX);
        assert_eq!(tag(&longest)?, longest);
        let session = format!("arn:aws:sts::111122223333:assumed-role/App/{}", of("s"));
        assert!(matches!(group(&[("principal", &session)])?.principal, Principal::Role(_)));
        Ok(())
    }

    #[test]
    fn what_cannot_be_counted_is_a_typed_refusal() {
        let check = |column: &'static str, value: &str, expected: fn(&UnreadableRow) -> bool| {
            assert!(group(&[(column, value)]).is_err_and(|e| expected(&e)), "{column} {value}");
        };
        check("usage_day", "2026-08-32", |e| matches!(e, UnreadableRow::UsageDay(_)));
        check("cost", "NaN", |e| matches!(e, UnreadableRow::Number { column: "cost", .. }));
        check("quantity", "Infinity", |e| matches!(e, UnreadableRow::Number { column: "quantity", .. }));
        check("row_count", "-1", |e| matches!(e, UnreadableRow::RowCount(_)));
        check("currency", "dollars", |e| matches!(e, UnreadableRow::Currency(_)));
        let mut short = row(&[]);
        short.pop();
        assert!(matches!(LineGroup::parse(&short), Err(UnreadableRow::ColumnCount { found: 25, expected: 26 })));
    }

    #[test]
    fn every_kind_but_usage_is_a_named_exclusion() {
        let check = |aws: &str, excluded: Option<&str>| {
            let kind = LineItemType::from(aws.to_owned());
            assert_eq!((kind.as_str(), kind.excluded_as().as_deref()), (aws, excluded));
        };
        check("Usage", None);
        check("Credit", Some("credit"));
        check("RIFee", Some("ri-fee"));
        check("FlateRateSubscription", Some("flat-rate-subscription"));
        check("EdpDiscount", Some("EdpDiscount"));
        check("", Some("unnamed-line-item-type"));
    }
}
