-- The control totals of one billing period, per currency: what the groups of facts.sql must add up to, found without
-- grouping, and beside it the whole bill. What stands in braces is put in by query.rs; the terms are those of facts.sql.
WITH ai AS (
  SELECT
    coalesce(line_item_currency_code, '') AS currency,
    coalesce(sum(try_cast(cast(line_item_unblended_cost AS varchar) AS decimal(38, 10))), cast(0 AS decimal(38, 10))) AS cost,
    count(*) AS row_count,
    -- A cost that is missing, NaN, infinite or too large for the decimal.
    count(*) - count(try_cast(cast(line_item_unblended_cost AS varchar) AS decimal(38, 10))) AS unreadable_rows,
    -- An amount of usage that is the same. Usage has one; on a line of another kind a missing amount says nothing.
    count(CASE WHEN line_item_line_item_type LIKE '%Usage' OR cast(line_item_usage_amount AS varchar) <> '' THEN 1 END)
      - count(try_cast(cast(line_item_usage_amount AS varchar) AS decimal(38, 10))) AS unreadable_amounts
  FROM cur
  WHERE billing_period = ?{and_execution}
    AND (
      {ai_terms}
    )
  GROUP BY coalesce(line_item_currency_code, '')
),
whole AS (
  SELECT
    coalesce(line_item_currency_code, '') AS currency,
    coalesce(sum(try_cast(cast(line_item_unblended_cost AS varchar) AS decimal(38, 10))), cast(0 AS decimal(38, 10))) AS cost,
    count(*) AS row_count,
    coalesce(min(cast(cast(line_item_usage_start_date AS date) AS varchar)), '') AS first_usage_day,
    coalesce(max(cast(cast(line_item_usage_start_date AS date) AS varchar)), '') AS last_usage_day,
    count(*) - count(try_cast(cast(line_item_unblended_cost AS varchar) AS decimal(38, 10))) AS unreadable_rows
  FROM cur
  WHERE billing_period = ?{and_execution}
  GROUP BY coalesce(line_item_currency_code, '')
)
SELECT
  whole.currency AS currency,
  coalesce(ai.cost, cast(0 AS decimal(38, 10))) AS ai_cost,
  coalesce(ai.row_count, 0) AS ai_rows,
  whole.cost AS all_cost,
  whole.row_count AS all_rows,
  whole.first_usage_day AS first_usage_day,
  whole.last_usage_day AS last_usage_day,
  whole.cost - coalesce(ai.cost, cast(0 AS decimal(38, 10))) AS non_ai_cost,
  coalesce(ai.unreadable_rows, 0) AS ai_unreadable_rows,
  whole.unreadable_rows AS unreadable_rows,
  coalesce(ai.unreadable_amounts, 0) AS ai_unreadable_amounts
FROM whole
LEFT JOIN ai ON whole.currency = ai.currency
ORDER BY whole.currency
