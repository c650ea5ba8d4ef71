//! One line of the bill, before it is written.

use std::borrow::Cow;

use jiff::civil::Date;
use rust_decimal::Decimal;

use super::organisation::{Account, Product, Region, Seller};

/// A line item of one day, with what the product reads of it. Money and quantities are exact.
#[derive(Debug, Clone)]
pub struct Line {
    /// The UTC day.
    pub day: Date,
    /// `line_item_line_item_type`.
    pub line_item_type: &'static str,
    /// Whether it is AI, as the tables say.
    pub is_ai: bool,
    /// `bill_billing_entity`.
    pub billing_entity: &'static str,
    /// `line_item_legal_entity`.
    pub legal_entity: &'static str,
    /// `line_item_usage_account_id` and `_name`.
    pub account: (Cow<'static, str>, Cow<'static, str>),
    /// `product_region_code`.
    pub region: &'static str,
    /// `line_item_iam_principal`; AWS writes NULL and the empty string alike.
    pub principal: Option<String>,
    /// `line_item_resource_id`.
    pub resource_id: Option<String>,
    /// `line_item_product_code`.
    pub product_code: &'static str,
    /// `product_servicecode`.
    pub servicecode: &'static str,
    /// `product_product_family`.
    pub family: &'static str,
    /// The `product` map.
    pub product: Vec<(&'static str, String)>,
    /// The `tags` map.
    pub tags: Vec<(&'static str, Cow<'static, str>)>,
    /// The `resource_tags` map.
    pub resource_tags: Vec<(&'static str, Cow<'static, str>)>,
    /// `line_item_usage_type`.
    pub usage_type: String,
    /// `line_item_operation`.
    pub operation: &'static str,
    /// `pricing_unit`.
    pub unit: &'static str,
    /// `line_item_unblended_rate`.
    pub rate: Decimal,
    /// `line_item_usage_amount`.
    pub quantity: Decimal,
    /// `line_item_currency_code`.
    pub currency: &'static str,
    /// What `line_item_unblended_cost` holds instead of the cost; for lines that no bill should have.
    pub cost_text: Option<&'static str>,
    /// `line_item_line_item_description`.
    pub description: String,
}

impl Line {
    /// `line_item_unblended_cost`: quantity times rate, before any rounding.
    #[must_use]
    pub fn cost(&self) -> Decimal {
        (self.quantity * self.rate).normalize()
    }

    /// A line of a product with nothing used yet.
    pub(super) fn of(product: &Product, account: Account, region: Region, day: Date) -> Self {
        let mut in_map = vec![("product_name", product.name.to_owned())];
        for (key, value) in [("provider", product.provider), ("model", product.model)] {
            if !value.is_empty() {
                in_map.push((key, value.to_owned()));
            }
        }
        Self {
            day,
            line_item_type: "Usage",
            is_ai: product.is_ai,
            billing_entity: match product.seller {
                Seller::Aws => "AWS",
                Seller::Marketplace => "AWS Marketplace",
            },
            legal_entity: product.legal_entity,
            account: (account.id.into(), account.name.into()),
            region: region.name,
            principal: None,
            resource_id: None,
            product_code: product.code,
            servicecode: product.servicecode,
            family: product.family,
            product: in_map,
            tags: Vec::new(),
            resource_tags: Vec::new(),
            usage_type: String::new(),
            operation: "",
            unit: "",
            rate: Decimal::ONE,
            quantity: Decimal::ZERO,
            currency: "USD",
            cost_text: None,
            description: String::new(),
        }
    }
}

/// Dollars from billionths.
pub(super) fn nanos(amount: i64) -> Decimal {
    Decimal::new(amount, 9).normalize()
}
