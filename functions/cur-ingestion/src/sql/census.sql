-- What there is in one billing period, by product and usage type: of the lines that are AI, and of those that only look
-- like it. For the doctor, which says what terms and callers are missing; never for a total.
WITH lines AS (
  SELECT
    coalesce(line_item_line_item_type, '') AS line_item_type,
    coalesce(bill_billing_entity, '') AS billing_entity,
    coalesce(line_item_product_code, '') AS product_code,
    coalesce(product_servicecode, '') AS product_servicecode,
    coalesce(product_product_family, '') AS product_family,
    coalesce(element_at(product, 'product_name'), '') AS product_name,
    coalesce(line_item_usage_type, '') AS usage_type,
    coalesce(line_item_operation, '') AS operation,
    coalesce(line_item_line_item_description, '') AS description,
    coalesce(line_item_currency_code, '') AS currency,
    CASE WHEN coalesce(line_item_iam_principal, '') = '' THEN '0' ELSE '1' END AS has_caller,
    CASE WHEN strpos(line_item_resource_id, ':aws-external-anthropic:') > 0 THEN '1' ELSE '0' END AS has_workspace,
    CASE
      WHEN coalesce(
        nullif(element_at(tags, 'resourceTags/{workspace_tag}'), ''),
        nullif(element_at(resource_tags, 'user_{workspace_tag_normalised}'), ''),
        nullif(element_at(resource_tags, 'user_{workspace_tag}'), ''),
        ''
      ) = '' THEN '0'
      ELSE '1'
    END AS has_tag,
    try_cast(cast(line_item_unblended_cost AS varchar) AS decimal(38, 10)) AS cost
  FROM cur
  WHERE billing_period = ?{and_execution}
    AND (
      (
      {ai_terms}
      )
      OR regexp_like(lower(element_at(product, 'product_name')), ?)
      OR regexp_like(lower(line_item_product_code), ?)
      OR regexp_like(lower(line_item_usage_type), ?)
      OR regexp_like(lower(line_item_line_item_description), ?)
    )
)
SELECT
  line_item_type, billing_entity, product_code, product_servicecode, product_family, product_name, usage_type, operation,
  description, currency, has_caller, has_workspace, has_tag,
  coalesce(sum(cost), cast(0 AS decimal(38, 10))) AS cost,
  count(*) AS row_count
FROM lines
GROUP BY
  line_item_type, billing_entity, product_code, product_servicecode, product_family, product_name, usage_type, operation,
  description, currency, has_caller, has_workspace, has_tag
