-- Which lines of the bill are AI: a line is, when any of these holds. One text for both queries, so that the groups and the
-- control totals mean the same rows; domain::bill::matching tells the platforms apart by the same terms.
strpos(?, ',' || line_item_product_code || ',') > 0
OR strpos(?, ',' || product_servicecode || ',') > 0
OR strpos(?, ',' || product_product_family || ',') > 0
OR line_item_iam_principal <> ''
OR (
  bill_billing_entity = 'AWS Marketplace'
  AND (
    strpos(?, ',' || line_item_operation || ',') > 0
    OR strpos(?, ',' || line_item_product_code || ',') > 0
    OR strpos(line_item_resource_id, ':aws-external-anthropic:') > 0
    OR regexp_like(element_at(product, 'product_name'), ?)
    OR regexp_like(lower(element_at(product, 'product_name')), ?)
    OR regexp_like(lower(line_item_line_item_description), ?)
    OR regexp_like(lower(line_item_usage_type), ?)
  )
)
