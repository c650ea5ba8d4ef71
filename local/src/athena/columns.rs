//! The columns of the table `cur`: all of CUR 2.0, typed as AWS types them.
//!
//! The set is fixed, as a Glue table's is: a column that a file lacks reads NULL, a column that the table lacks is not
//! read. Source: the CUR 2.0 table dictionary, cur/latest/userguide/table-dictionary-cur2.

use std::sync::{Arc, LazyLock};

use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};

/// The partition key, which is no column of the files.
pub const PARTITION: &str = "billing_period";

/// The partition key beside it of a table over an export that creates new files: the execution's folder. Athena takes
/// its value from the query (partition projection, type `injected`), and refuses a query that names none.
pub const EXECUTION: &str = "execution";

/// The column without which nothing can be attributed to a caller.
pub const PRINCIPAL: &str = "line_item_iam_principal";

const TEXTS: &str = "
    bill_bill_type bill_billing_entity bill_invoice_id bill_invoicing_entity bill_payer_account_id bill_payer_account_name
    capacity_reservation_capacity_reservation_arn capacity_reservation_capacity_reservation_status
    capacity_reservation_capacity_reservation_type
    identity_line_item_id identity_time_interval
    line_item_availability_zone line_item_blended_rate line_item_currency_code line_item_iam_principal
    line_item_legal_entity line_item_line_item_description line_item_line_item_type line_item_net_unblended_rate
    line_item_operation line_item_product_code line_item_resource_id line_item_tax_type line_item_unblended_rate
    line_item_usage_account_id line_item_usage_account_name line_item_usage_type line_item_user_identifier
    pricing_currency pricing_lease_contract_length pricing_offering_class pricing_public_on_demand_rate
    pricing_purchase_option pricing_rate_code pricing_rate_id pricing_term pricing_unit
    product_comment product_fee_code product_fee_description product_from_location product_from_location_type
    product_from_region_code product_instance_family product_instance_type product_instancesku product_location
    product_location_type product_operation product_pricing_unit product_product_family product_region_code
    product_servicecode product_sku product_to_location product_to_location_type product_to_region_code product_usagetype
    reservation_availability_zone reservation_end_time reservation_modification_status
    reservation_normalized_units_per_reservation reservation_number_of_reservations reservation_reservation_a_r_n
    reservation_start_time reservation_subscription_id reservation_total_reserved_normalized_units
    reservation_total_reserved_units reservation_units_per_reservation
    savings_plan_end_time savings_plan_instance_type_family savings_plan_offering_type savings_plan_payment_option
    savings_plan_purchase_term savings_plan_region savings_plan_savings_plan_a_r_n savings_plan_start_time
    split_line_item_parent_resource_id";

const DOUBLES: &str = "
    discount_bundled_discount discount_total_discount
    line_item_blended_cost line_item_net_unblended_cost line_item_normalization_factor line_item_normalized_usage_amount
    line_item_unblended_cost line_item_usage_amount
    pricing_public_on_demand_cost
    reservation_amortized_upfront_cost_for_usage reservation_amortized_upfront_fee_for_billing_period
    reservation_effective_cost reservation_net_amortized_upfront_cost_for_usage
    reservation_net_amortized_upfront_fee_for_billing_period reservation_net_effective_cost
    reservation_net_recurring_fee_for_usage reservation_net_unused_amortized_upfront_fee_for_billing_period
    reservation_net_unused_recurring_fee reservation_net_upfront_value reservation_recurring_fee_for_usage
    reservation_unused_amortized_upfront_fee_for_billing_period reservation_unused_normalized_unit_quantity
    reservation_unused_quantity reservation_unused_recurring_fee reservation_upfront_value
    savings_plan_amortized_upfront_commitment_for_billing_period
    savings_plan_net_amortized_upfront_commitment_for_billing_period
    savings_plan_net_recurring_commitment_for_billing_period savings_plan_net_savings_plan_effective_cost
    savings_plan_recurring_commitment_for_billing_period savings_plan_savings_plan_effective_cost
    savings_plan_savings_plan_rate savings_plan_total_commitment_to_date savings_plan_used_commitment
    split_line_item_actual_usage split_line_item_net_split_cost split_line_item_net_unused_cost
    split_line_item_public_on_demand_split_cost split_line_item_public_on_demand_unused_cost
    split_line_item_reserved_usage split_line_item_split_cost split_line_item_split_usage
    split_line_item_split_usage_ratio split_line_item_unused_cost";

const TIMESTAMPS: &str = "
    bill_billing_period_start_date bill_billing_period_end_date line_item_usage_start_date line_item_usage_end_date";

const MAPS: &str = "cost_category discount product resource_tags tags";

static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    let typed = [(TEXTS, DataType::Utf8), (DOUBLES, DataType::Float64), (TIMESTAMPS, timestamp()), (MAPS, text_map())];
    let mut fields: Vec<Field> = typed
        .into_iter()
        .flat_map(|(names, kind)| names.split_whitespace().map(move |name| Field::new(name, kind.clone(), true)))
        .collect();
    fields.sort_by(|a, b| a.name().cmp(b.name()));
    fields.push(Field::new(PARTITION, DataType::Utf8, true));
    Arc::new(Schema::new(fields))
});

/// The table's columns in alphabetical order, the partition key last.
#[must_use]
pub fn schema() -> SchemaRef {
    Arc::clone(&SCHEMA)
}

/// Athena's `timestamp`: milliseconds, without a zone.
#[must_use]
pub fn timestamp() -> DataType {
    DataType::Timestamp(TimeUnit::Millisecond, None)
}

/// Athena's `map<string,string>`.
#[must_use]
pub fn text_map() -> DataType {
    map_of(DataType::Utf8)
}

/// The same as it is read: its keys and values lie in dictionaries, as files keep them, for a bill names the same few
/// keys in every line.
#[must_use]
pub(super) fn text_map_as_read() -> DataType {
    map_of(dictionary_of_texts())
}

/// A text that lies in a dictionary.
#[must_use]
pub(super) fn dictionary_of_texts() -> DataType {
    DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))
}

fn map_of(texts: DataType) -> DataType {
    let entry = vec![Field::new("keys", texts.clone(), false), Field::new("values", texts, true)];
    DataType::Map(Arc::new(Field::new("entries", DataType::Struct(entry.into()), false)), false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_every_documented_column_once() {
        let schema = schema();
        let names: std::collections::BTreeSet<_> = schema.fields().iter().map(|f| f.name().clone()).collect();
        assert_eq!(names.len(), schema.fields().len());
        assert_eq!(names.len(), 132, "131 columns of CUR 2.0 and the partition key");
        assert!(names.contains(PRINCIPAL));
    }
}
