-- The bill's AI lines of one billing period by day, account and line-item type: asked only when facts.sql and control.sql
-- do not agree, to say where. What stands in braces is put in by query.rs.
SELECT
  coalesce(line_item_currency_code, '') AS currency,
  coalesce(cast(cast(line_item_usage_start_date AS date) AS varchar), '') AS usage_day,
  coalesce(line_item_usage_account_id, '') AS account_id,
  coalesce(line_item_line_item_type, '') AS line_item_type,
  coalesce(sum(try_cast(cast(line_item_unblended_cost AS varchar) AS decimal(38, 10))), cast(0 AS decimal(38, 10))) AS cost,
  count(*) AS row_count,
  count(*) - count(try_cast(cast(line_item_unblended_cost AS varchar) AS decimal(38, 10))) AS unreadable_rows
FROM cur
WHERE billing_period = ?{and_execution}
  AND (
    {ai_terms}
  )
GROUP BY
  coalesce(line_item_currency_code, ''),
  coalesce(cast(cast(line_item_usage_start_date AS date) AS varchar), ''),
  coalesce(line_item_usage_account_id, ''),
  coalesce(line_item_line_item_type, '')
