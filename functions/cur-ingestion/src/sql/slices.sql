-- The bill's AI lines of one billing period by day, account and line-item type: asked only when facts.sql and control.sql
-- do not agree, to say where. The terms are those of facts.sql; a test holds the texts together.
SELECT
  coalesce(line_item_currency_code, '') AS currency,
  coalesce(cast(cast(line_item_usage_start_date AS date) AS varchar), '') AS usage_day,
  coalesce(line_item_usage_account_id, '') AS account_id,
  coalesce(line_item_line_item_type, '') AS line_item_type,
  coalesce(sum(try_cast(cast(line_item_unblended_cost AS varchar) AS decimal(38, 10))), cast(0 AS decimal(38, 10))) AS cost,
  count(*) AS row_count,
  count(*) - count(try_cast(cast(line_item_unblended_cost AS varchar) AS decimal(38, 10))) AS unreadable_rows
FROM cur
WHERE billing_period = ?
  AND (
    strpos(?, ',' || line_item_product_code || ',') > 0
    OR strpos(?, ',' || product_servicecode || ',') > 0
    OR strpos(?, ',' || product_product_family || ',') > 0
    OR line_item_iam_principal <> ''
    OR (
      bill_billing_entity = 'AWS Marketplace'
      AND (
        strpos(?, ',' || line_item_operation || ',') > 0
        OR element_at(product, 'product_name') LIKE ?
        OR line_item_resource_id LIKE ?
        OR lower(line_item_line_item_description) LIKE ?
        OR lower(element_at(product, 'product_name')) LIKE ?
        OR lower(line_item_usage_type) LIKE ?
        OR lower(line_item_usage_type) LIKE ?
        OR strpos(?, ',' || line_item_product_code || ',') > 0
      )
    )
  )
GROUP BY
  coalesce(line_item_currency_code, ''),
  coalesce(cast(cast(line_item_usage_start_date AS date) AS varchar), ''),
  coalesce(line_item_usage_account_id, ''),
  coalesce(line_item_line_item_type, '')
