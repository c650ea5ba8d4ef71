use super::*;

type Tested = Result<(), Box<dyn std::error::Error>>;

fn at(text: &str) -> Result<Timestamp, jiff::Error> {
    text.parse()
}

/// A month about which nothing is wrong.
fn healthy() -> Result<Examined, Box<dyn std::error::Error>> {
    let mut columns: BTreeSet<String> = VITAL_COLUMNS.iter().map(|column| (*column).to_owned()).collect();
    columns.insert(PRINCIPAL_COLUMN.to_owned());
    let rows_by_term = Term::all_of(&BillSettings::default()).into_iter().map(|term| (term, 1)).collect();
    let census = Census {
        all_rows: 100,
        ai_rows: 10,
        bedrock_rows: 5,
        bedrock_rows_with_caller: 4,
        claude_rows: 5,
        claude_rows_with_workspace: 3,
        tagged_rows: 3,
        rows_by_term,
        ..Census::default()
    };
    Ok(Examined {
        month: "2026-08".parse()?,
        delivered_at: Some(at("2026-08-24T01:00:00Z")?),
        columns,
        unreadable_files: BTreeMap::new(),
        differing_files: BTreeMap::new(),
        census: Some(census),
    })
}

fn judged(
    change: impl FnOnce(&mut Examined, &mut BillSettings),
) -> Result<Vec<(Severity, String)>, Box<dyn std::error::Error>> {
    let (mut month, mut settings) = (healthy()?, BillSettings::default());
    change(&mut month, &mut settings);
    let found = examine(&[month], &settings, &VITAL_COLUMNS, at("2026-08-24T07:00:00Z")?);
    Ok(found.into_iter().map(|finding| (finding.severity, finding.kind)).collect())
}

#[test]
fn each_illness_has_its_finding_and_health_has_none() -> Tested {
    use Severity::{Error, Note, Warning};
    type Change = Box<dyn FnOnce(&mut Examined, &mut BillSettings)>;
    let census = |change: fn(&mut Census)| -> Change {
        Box::new(move |month, _| {
            if let Some(census) = &mut month.census {
                change(census);
            }
        })
    };
    let check = |change: Change, expected: &[(Severity, &str)]| -> Tested {
        let expected: Vec<(Severity, String)> = expected.iter().map(|(s, kind)| (*s, (*kind).to_owned())).collect();
        assert_eq!(judged(change)?, expected);
        Ok(())
    };
    let long_ago = at("2026-08-20T00:00:00Z")?;
    check(Box::new(|_, _| ()), &[])?;
    check(Box::new(move |m, _| m.delivered_at = Some(long_ago)), &[(Error, "stale-export")])?;
    check(Box::new(|m, _| m.delivered_at = None), &[])?;
    check(Box::new(|m, _| m.columns.retain(|column| column != PRINCIPAL_COLUMN)), &[(Error, "principal-data-off")])?;
    check(
        Box::new(|m, _| m.columns.retain(|column| column != "line_item_unblended_cost")),
        &[(Error, "missing-columns")],
    )?;
    check(
        Box::new(|m, _| drop(m.unreadable_files.insert("x.parquet".to_owned(), "it breaks off".to_owned()))),
        &[(Error, "unreadable-file")],
    )?;
    check(
        Box::new(|m, _| drop(m.differing_files.insert("x.parquet".to_owned(), BTreeSet::from(["tags".to_owned()])))),
        &[(Warning, "mixed-columns")],
    )?;
    check(census(|c| c.all_rows = 0), &[(Error, "no-rows")])?;
    check(census(|c| c.ai_rows = 0), &[(Warning, "no-ai-rows")])?;
    check(census(|c| c.unreadable_costs = 1), &[(Error, "unreadable-costs")])?;
    check(census(|c| c.unreadable_amounts = 1), &[(Warning, "unreadable-amounts")])?;
    check(census(|c| c.bedrock_rows_with_caller = 0), &[(Error, "callers-blank")])?;
    check(census(|c| c.claude_rows_with_workspace = 0), &[(Error, "workspaces-blank")])?;
    check(census(|c| c.tagged_rows = 0), &[(Warning, "tag-key-inactive")])?;
    check(census(|c| c.rows_by_term = BTreeMap::new()), &[(Note, "term-matches-nothing")])?;
    check(
        Box::new(|_, settings| settings.claude_product_codes.push("abc".to_owned())),
        &[(Warning, "term-matches-nothing")],
    )?;
    check(
        census(|c| {
            c.lookalikes.push(Lookalike {
                product: "Claude Something".to_owned(),
                usage_type: "X".to_owned(),
                cost: Decimal::ONE,
                currency: "USD".to_owned(),
                rows: 3,
            });
        }),
        &[(Warning, "looks-like-ai")],
    )
}

#[test]
fn callers_are_not_missed_before_aws_named_them() -> Tested {
    let mut month = healthy()?;
    month.month = "2026-03".parse()?;
    if let Some(census) = &mut month.census {
        census.bedrock_rows_with_caller = 0;
    }
    let found = examine(&[month], &BillSettings::default(), &[], at("2026-03-24T07:00:00Z")?);
    assert!(found.iter().all(|finding| finding.severity == Severity::Note), "{found:?}");
    Ok(())
}

#[test]
fn an_export_without_a_month_and_one_without_the_current_are_told_apart() -> Tested {
    let settings = BillSettings::default();
    let none = examine(&[], &settings, &[], at("2026-09-01T07:00:00Z")?);
    assert_eq!(none.first().map(|f| (f.severity, f.kind.as_str())), Some((Severity::Error, "no-data")));
    let mut august = healthy()?;
    august.delivered_at = Some(at("2026-09-01T02:00:00Z")?);
    let early = examine(&[august], &settings, &[], at("2026-09-01T07:00:00Z")?);
    assert_eq!(early.first().map(|f| (f.severity, f.kind.as_str())), Some((Severity::Note, "no-current-month")));
    Ok(())
}

/// A row of the census with these columns set, of usage in dollars.
fn row(set: &[(&str, &str)]) -> Result<CensusRow, UnreadableCensus> {
    let default = |column: &str| match column {
        "line_item_type" => "Usage",
        "currency" => "USD",
        "cost" | "has_caller" | "has_workspace" | "has_tag" => "0",
        _ => "",
    };
    let value =
        |column: &str| set.iter().find(|(name, _)| *name == column).map_or(default(column), |(_, value)| *value);
    CensusRow::parse(&COLUMNS.map(|column| Some(value(column).to_owned())))
}

#[test]
fn rows_are_counted_by_platform_caller_workspace_and_term() -> Result<(), UnreadableCensus> {
    let settings = BillSettings::default();
    let mut census = Census::default();
    let (sold, bedrock, ccu) =
        (("billing_entity", "AWS Marketplace"), ("product_code", "AmazonBedrock"), ("usage_type", "USE1-CCU"));
    for row in [
        row(&[("row_count", "2"), bedrock])?,
        row(&[("row_count", "3"), bedrock, ("has_caller", "1")])?,
        row(&[("row_count", "5"), sold, ccu])?,
        row(&[("row_count", "7"), sold, ccu, ("has_tag", "1")])?,
        row(&[("row_count", "11"), bedrock, ("line_item_type", "Tax")])?,
        row(&[("row_count", "13"), sold, ("product_name", "Claude for Sheets"), ("cost", "1.5")])?,
        row(&[("row_count", "17"), sold, ("product_name", "Claude for Sheets"), ("cost", "2.5")])?,
        row(&[("row_count", "19"), ("has_workspace", "1"), sold])?,
        row(&[("row_count", "23"), ("has_caller", "1"), ("product_code", "x")])?,
    ] {
        census.count(&row, &settings);
    }
    assert_eq!((census.bedrock_rows, census.bedrock_rows_with_caller), (2 + 3 + 23, 3 + 23));
    assert_eq!((census.claude_rows, census.claude_rows_with_workspace, census.tagged_rows), (5 + 7 + 19, 7 + 19, 7));
    assert_eq!(census.rows_by_term.get(&Term::BedrockProductCode("AmazonBedrock".to_owned())), Some(&16));
    assert_eq!(census.rows_by_term.get(&Term::ClaudeUsage(vec!["ccu".to_owned()])), Some(&12));
    let looks: Vec<(&str, u64, Decimal)> =
        census.lookalikes.iter().map(|look| (look.product.as_str(), look.rows, look.cost)).collect();
    assert_eq!(looks, [("Claude for Sheets", 30, Decimal::from(4))]);
    assert!(CensusRow::parse(&[]).is_err() && row(&[("row_count", "many")]).is_err());
    Ok(())
}
