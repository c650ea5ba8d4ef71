-- The bill's AI lines of one billing period, one row per group. Each column reads as text; NULL and '' are the same blank.
-- The subset of SQL that Trino (Athena), DataFusion and DuckDB run alike. Parameters stand in WHERE only, because Athena
-- takes them nowhere else. What stands in braces is put in by query.rs: the workspace tag's key, from an allow-list of
-- characters; the AI terms of ai_terms.sql; for an export that creates new files, the execution that is read.
WITH lines AS (
  SELECT
    coalesce(line_item_line_item_type, '') AS line_item_type,
    coalesce(bill_billing_entity, '') AS billing_entity,
    -- AWS fills the invoice id when a month is final.
    CASE WHEN coalesce(bill_invoice_id, '') = '' THEN '0' ELSE '1' END AS invoiced,
    coalesce(cast(cast(line_item_usage_start_date AS date) AS varchar), '') AS usage_day,
    coalesce(line_item_usage_account_id, '') AS account_id,
    coalesce(nullif(product_region_code, ''), nullif(element_at(product, 'region_code'), ''), element_at(product, 'region'), '') AS region,
    -- A session ARN names each call's session: without the session a role is one group, with it thousands.
    CASE
      WHEN strpos(line_item_iam_principal, ':assumed-role/') > 0
        THEN split_part(line_item_iam_principal, '/', 1) || '/' || split_part(line_item_iam_principal, '/', 2)
      ELSE coalesce(line_item_iam_principal, '')
    END AS principal,
    coalesce(line_item_resource_id, '') AS resource_id,
    coalesce(
      nullif(element_at(tags, 'resourceTags/{workspace_tag}'), ''),
      nullif(element_at(resource_tags, 'user_{workspace_tag_normalised}'), ''),
      nullif(element_at(resource_tags, 'user_{workspace_tag}'), ''),
      ''
    ) AS workspace_tag,
    coalesce(line_item_product_code, '') AS product_code,
    coalesce(product_servicecode, '') AS product_servicecode,
    coalesce(product_product_family, '') AS product_family,
    coalesce(element_at(product, 'product_name'), '') AS product_name,
    coalesce(element_at(product, 'provider'), '') AS product_provider,
    coalesce(element_at(product, 'model'), '') AS product_model,
    coalesce(element_at(product, 'inference_type'), '') AS inference_type,
    coalesce(element_at(product, 'feature'), '') AS feature,
    coalesce(line_item_usage_type, '') AS usage_type,
    coalesce(line_item_operation, '') AS operation,
    coalesce(pricing_unit, '') AS pricing_unit,
    coalesce(line_item_unblended_rate, '') AS unblended_rate,
    coalesce(line_item_currency_code, '') AS currency,
    coalesce(line_item_line_item_description, '') AS description,
    -- Exact money: a double's shortest decimal, rounded half-up. Trino's direct cast does that, but DuckDB's multiplies in
    -- binary (1e16 becomes …00.4764729344); by way of the text all engines agree. NaN, infinities and what does not fit
    -- become NULL, and control.sql counts them.
    try_cast(cast(line_item_usage_amount AS varchar) AS decimal(38, 10)) AS quantity,
    try_cast(cast(line_item_unblended_cost AS varchar) AS decimal(38, 10)) AS cost
  FROM cur
  WHERE billing_period = ?{and_execution}
    AND (
      {ai_terms}
    )
)
SELECT
  line_item_type, billing_entity, invoiced, usage_day, account_id, region, principal, resource_id, workspace_tag,
  product_code, product_servicecode, product_family, product_name, product_provider, product_model, inference_type,
  feature, usage_type, operation, pricing_unit, unblended_rate, currency, description,
  coalesce(sum(quantity), cast(0 AS decimal(38, 10))) AS quantity,
  coalesce(sum(cost), cast(0 AS decimal(38, 10))) AS cost,
  count(*) AS row_count
FROM lines
GROUP BY
  line_item_type, billing_entity, invoiced, usage_day, account_id, region, principal, resource_id, workspace_tag,
  product_code, product_servicecode, product_family, product_name, product_provider, product_model, inference_type,
  feature, usage_type, operation, pricing_unit, unblended_rate, currency, description
