use jiff::civil::date;
use proptest::prelude::*;
use rust_decimal::Decimal;

use super::*;
use crate::base::aws::{RoleRef, WorkspaceArn};
use crate::spend::bill::attributed::{AttributedMonth, Grounds};
use crate::spend::bill::facts::{AnchorDay, fold};
use crate::spend::bill::line::samples::{aliases, group};
use crate::spend::bill::reconciliation::{Control, ControlTotal, Measure, reconcile, total};
use crate::spend::bill::summary::{GroupBy, summarise};

type Outcome = Result<(), Box<dyn std::error::Error>>;

const APP: &str = "arn:aws:sts::111122223333:assumed-role/finops-ai-checkout";
const CREATED: &str = "arn:aws:iam::111122223333:role/created-role";
const LITE: &str = "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0";
const PRO: &str = "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-pro-v1:0";
const CLAIMED: &str = "arn:aws:aws-external-anthropic:us-west-2:111122223333:workspace/wrkspc_A";
const OPEN: &str = "arn:aws:aws-external-anthropic:us-west-2:111122223333:workspace/wrkspc_B";
const DATA: &str = "222233334444";
const TWIN: &str = "arn:aws:aws-external-anthropic:us-east-1:111122223333:workspace/wrkspc_C";

struct Fixture {
    settings: BillSettings,
    aliases: &'static Aliases,
    governance: Governance,
}

impl Fixture {
    fn context(&self) -> Context<'_> {
        Context { settings: &self.settings, aliases: self.aliases, governance: &self.governance }
    }
}

/// `checkout` claims its role until the 20th and a workspace; another role and workspace are created and unclaimed.
fn fixture() -> Result<Fixture, Box<dyn std::error::Error>> {
    let mut governance = Governance::default();
    let role = |arn: &str| RoleRef::parse_arn(arn).ok_or("a role");
    let workspace = |arn: &str| WorkspaceArn::parse(arn).ok_or("a workspace");
    let (checkout, search): (WorkloadId, WorkloadId) = ("wkl_checkout".parse()?, "wkl_search".parse()?);
    let claim = |id: &str, workload: &WorkloadId, from, to| -> Result<ClaimDays, crate::base::ids::MalformedId> {
        Ok(ClaimDays { claim_id: id.parse()?, workload_id: workload.clone(), from, to })
    };
    let app = SpendAnchor::role(role(APP)?);
    governance.add_claim(app.clone(), claim("clm_1", &checkout, date(2026, 8, 1), Some(date(2026, 8, 20)))?);
    governance.add_claim(app, claim("clm_2", &search, date(2026, 8, 20), None)?);
    governance
        .add_claim(SpendAnchor::workspace(workspace(CLAIMED)?), claim("clm_3", &checkout, date(2026, 8, 1), None)?);
    for (arn, name) in [(CLAIMED, "checkout"), (OPEN, "twin"), (TWIN, "twin")] {
        governance.add_workspace(workspace(arn)?, name);
    }
    governance.add_created(SpendAnchor::role(role(CREATED)?));
    governance.add_created(SpendAnchor::workspace(workspace(OPEN)?));
    let scope = |platform, model: &str, region: &str| -> Result<LiveScope, Box<dyn std::error::Error>> {
        Ok(LiveScope {
            approval_id: "apr_1".parse()?,
            workload_id: checkout.clone(),
            platform,
            model_id: model.parse()?,
            account_id: "111122223333".parse()?,
            region: region.parse()?,
            from: date(2026, 8, 1),
            to: None,
        })
    };
    governance.add_role_scope(&role(APP)?, scope(Platform::Bedrock, "amazon.nova-lite-v1:0", "us-east-1")?);
    governance
        .add_workspace_scope(workspace(CLAIMED)?, scope(Platform::ClaudePlatform, "claude-sonnet-4-6", "us-west-2")?);
    governance.add_profile(
        "arn:aws:bedrock:us-east-1:111122223333:application-inference-profile/p1".to_owned(),
        "amazon.nova-lite-v1:0".parse()?,
    );
    Ok(Fixture { settings: BillSettings::default(), aliases: aliases()?, governance })
}

fn verdict(attribution: &Attribution) -> String {
    let beyond = attribution.findings.iter().find_map(|f| match f {
        Finding::BeyondApproval { kind, .. } => Some(format!(" beyond {}", kind.as_str())),
        _ => None,
    });
    let verdict = match &attribution.verdict {
        Verdict::Workload { workload_id, claim_id } => format!("{workload_id} by {claim_id}"),
        Verdict::Gap { kind, .. } => format!("gap {}", kind.as_str()),
        Verdict::Excluded { why } => format!("excluded {why}"),
    };
    verdict + &beyond.unwrap_or_default()
}

#[test]
fn every_row_has_one_answer() -> Outcome {
    let fixture = fixture()?;
    let check = |set: &[(&str, &str)], expected: &str| -> Outcome {
        let (fact, attribution) = attribute(&group(set)?, &fixture.context());
        assert_eq!(verdict(&attribution), expected, "{set:?}");
        assert_eq!(
            attribute_fact(&fact, &fixture.context()).verdict,
            attribution.verdict,
            "from the stored fact: {set:?}"
        );
        Ok(())
    };
    let bedrock = ("product_code", "AmazonBedrock");
    let sold = ("billing_entity", "AWS Marketplace");
    let ccu = ("usage_type", "USW2-CCU-Units");
    check(&[bedrock, ("principal", APP), ("resource_id", LITE)], "wkl_checkout by clm_1")?;
    check(
        &[
            bedrock,
            (
                "principal",
                &APP.to_uppercase().replace("ARN:AWS:STS", "arn:aws:sts").replace("ASSUMED-ROLE", "assumed-role"),
            ),
            ("resource_id", LITE),
        ],
        "wkl_checkout by clm_1",
    )?;
    check(&[bedrock, ("principal", APP), ("resource_id", LITE), ("usage_day", "2026-08-19")], "wkl_checkout by clm_1")?;
    check(
        &[bedrock, ("principal", APP), ("resource_id", LITE), ("usage_day", "2026-08-20")],
        "wkl_search by clm_2 beyond not-business-approved",
    )?;
    check(
        &[bedrock, ("principal", APP), ("resource_id", LITE), ("usage_day", "2026-07-31")],
        "gap not-business-approved",
    )?;
    check(&[bedrock, ("principal", APP), ("resource_id", PRO)], "wkl_checkout by clm_1 beyond not-business-approved")?;
    check(
        &[bedrock, ("principal", APP), ("resource_id", LITE), ("region", "eu-west-1")],
        "wkl_checkout by clm_1 beyond outside-approved-scope",
    )?;
    check(
        &[bedrock, ("principal", &APP.replace('1', "4")), ("resource_id", LITE), ("account_id", "444422223333")],
        "gap outside-approved-scope",
    )?;
    check(&[bedrock, ("principal", CREATED), ("resource_id", PRO)], "gap unclaimed")?;
    check(&[bedrock, ("principal", "arn:aws:iam::111122223333:user/BedrockAPIKey-a")], "gap not-business-approved")?;
    check(&[bedrock, ("principal", "arn:aws:iam::111122223333:root")], "gap not-business-approved")?;
    check(
        &[bedrock, ("principal", "arn:aws:sts::111122223333:assumed-role/AWSReservedSSO_Dev_0a1b2c/me@acme.org")],
        "gap role-recommendation",
    )?;
    check(&[bedrock], "gap no-principal")?;
    check(&[sold], "gap no-principal")?;
    check(&[sold, ("resource_id", CLAIMED)], "wkl_checkout by clm_3")?;
    check(&[sold, ccu, ("workspace_tag", "checkout"), ("region", "us-west-2")], "wkl_checkout by clm_3")?;
    check(&[sold, ccu, ("workspace_tag", "checkout"), ("region", "")], "wkl_checkout by clm_3")?;
    check(&[sold, ccu, ("workspace_tag", "checkout"), ("region", "eu-west-1")], "gap untagged-workspace")?;
    check(&[sold, ccu, ("workspace_tag", "twin"), ("region", "us-west-2")], "gap unclaimed")?;
    check(&[sold, ccu, ("workspace_tag", "twin"), ("region", "")], "gap untagged-workspace")?;
    check(&[sold, ccu, ("workspace_tag", "default")], "gap untagged-workspace")?;
    check(&[sold, ccu], "gap untagged-workspace")?;
    check(&[sold, ("resource_id", &OPEN.replace("wrkspc_B", "wrkspc_Z"))], "gap not-business-approved")?;
    check(&[sold, ("resource_id", &CLAIMED.replace("wrkspc_A", "default"))], "gap untagged-workspace")?;
    check(&[bedrock, ("principal", APP), ("line_item_type", "Credit")], "excluded credit")?;
    check(&[bedrock, ("line_item_type", "Tax")], "excluded tax")?;
    check(&[bedrock, ("line_item_type", "NewKind")], "excluded NewKind")
}

#[test]
fn a_tag_with_two_workspaces_is_never_settled_by_taking_the_first() -> Outcome {
    let fixture = fixture()?;
    let set = [("billing_entity", "AWS Marketplace"), ("usage_type", "CCU"), ("workspace_tag", "twin"), ("region", "")];
    let (_, attribution) = attribute(&group(&set)?, &fixture.context());
    assert_eq!(attribution.findings, vec![Finding::AmbiguousWorkspaceTag { tag: "twin".to_owned() }]);
    Ok(())
}

#[test]
fn a_workload_and_an_approval_are_suggested_where_they_are_the_only_ones() -> Outcome {
    let role = RoleRef::parse_arn(APP).ok_or("a role")?;
    let scope = |of: (&str, &str), model: &str, account: &str, from| -> Result<LiveScope, Box<dyn std::error::Error>> {
        let (approval, workload) = of;
        Ok(LiveScope {
            approval_id: approval.parse()?,
            workload_id: workload.parse()?,
            platform: Platform::Bedrock,
            model_id: model.parse()?,
            account_id: account.parse()?,
            region: "us-east-1".parse()?,
            from,
            to: None,
        })
    };
    let (lite, pro, here) = ("amazon.nova-lite-v1:0", "amazon.nova-pro-v1:0", "111122223333");
    let (first, later) = (date(2026, 8, 1), date(2026, 8, 20));
    let (one, other, second) = (("apr_1", "wkl_1"), ("apr_2", "wkl_2"), ("apr_3", "wkl_1"));
    let check = |scopes: &[LiveScope], expected: (Option<&str>, Option<&str>)| -> Outcome {
        for scopes in [scopes.to_vec(), scopes.iter().rev().cloned().collect()] {
            let mut governance = Governance::default();
            scopes.iter().for_each(|scope| governance.add_role_scope(&role, scope.clone()));
            let fixture = Fixture { settings: BillSettings::default(), aliases: aliases()?, governance };
            let set = [("product_code", "AmazonBedrock"), ("principal", APP), ("resource_id", LITE)];
            let (_, found) = attribute(&group(&set)?, &fixture.context());
            let found = (found.suggested_workload, found.approval_id);
            assert_eq!((found.0.as_ref().map(|id| id.as_str()), found.1.as_ref().map(|id| id.as_str())), expected);
        }
        Ok(())
    };
    check(&[], (None, None))?;
    check(&[scope(one, pro, here, first)?], (Some("wkl_1"), Some("apr_1")))?;
    check(&[scope(one, lite, here, first)?, scope(other, lite, here, first)?], (None, None))?;
    check(&[scope(one, lite, here, first)?, scope(second, lite, here, first)?], (Some("wkl_1"), None))?;
    check(&[scope(one, lite, here, first)?, scope(other, pro, here, first)?], (Some("wkl_1"), Some("apr_1")))?;
    check(&[scope(one, lite, here, first)?, scope(other, lite, here, later)?], (Some("wkl_1"), Some("apr_1")))?;
    check(&[scope(one, pro, here, first)?, scope(other, lite, DATA, first)?], (Some("wkl_1"), Some("apr_1")))
}

#[test]
fn an_explanation_names_the_rules_in_order() -> Outcome {
    use Rule::{
        AnchorByRole, KindByInferenceType, ModelByApplicationProfile, OwnerByClaim, PlatformByProductCode, TokensByUnit,
    };
    let fixture = fixture()?;
    let profile = "arn:aws:bedrock:us-east-1:111122223333:application-inference-profile/p1";
    let set = [
        ("product_code", "AmazonBedrock"),
        ("principal", APP),
        ("resource_id", profile),
        ("inference_type", "input tokens"),
        ("pricing_unit", "1K tokens"),
    ];
    let (fact, attribution) = attribute(&group(&set)?, &fixture.context());
    assert_eq!(
        attribution.because,
        vec![
            PlatformByProductCode,
            ModelByApplicationProfile,
            KindByInferenceType,
            TokensByUnit,
            AnchorByRole,
            OwnerByClaim,
        ]
    );
    assert_eq!((fact.key.model.label(), attribution.model.label()), (profile, "amazon.nova-lite-v1:0"));
    Ok(())
}

/// Any row that the query could answer with, hostile text included.
fn any_row() -> impl Strategy<Value = Vec<Option<String>>> {
    let pick = |of: &'static [&'static str]| prop::sample::select(of);
    let who = pick(&["", APP, CREATED, "arn:aws:iam::111122223333:user/u", "'; DROP TABLE", "AWSReservedSSO_x"]);
    let what = pick(&["", LITE, PRO, CLAIMED, OPEN, "arn:", "日本語#/%"]);
    let of = pick(&["Usage", "Usage", "Usage", "Credit", "Refund", "Tax", "Mystery", ""]);
    let code = pick(&["AmazonBedrock", "", "AmazonEC2"]);
    let sold = pick(&["AWS", "AWS Marketplace"]);
    let money = pick(&["USD", "USD", "EUR"]);
    let text = (who, what, of, code, sold, money, pick(&["", "checkout", "twin", "default"]));
    (text, 1_u32..29, -10_i64.pow(12)..10_i64.pow(12), 1_u64..9).prop_map(|(text, day, units, rows)| {
        let (who, what, of, code, sold, money, tag) = text;
        let cost = Decimal::new(units, 10).to_string();
        crate::spend::bill::line::samples::row(&[
            ("principal", who),
            ("resource_id", what),
            ("line_item_type", of),
            ("product_code", code),
            ("billing_entity", sold),
            ("currency", money),
            ("workspace_tag", tag),
            ("cost", &cost),
            ("usage_day", &format!("2026-08-{day:02}")),
            ("row_count", &rows.to_string()),
        ])
    })
}

fn fold_rows(rows: &[Vec<Option<String>>], fixture: &Fixture) -> Result<Vec<AnchorDay>, TestCaseError> {
    let read = |row: &Vec<Option<String>>| -> Result<Fact, TestCaseError> {
        let group = LineGroup::parse(row).map_err(|e| TestCaseError::fail(e.to_string()))?;
        Ok(read_group(&group, &fixture.settings, fixture.aliases).fact)
    };
    Ok(fold(rows.iter().map(read).collect::<Result<Vec<_>, _>>()?))
}

/// The control query, in whole units of 10⁻¹⁰ so that it shares no arithmetic with the code.
fn control_of(rows: &[Vec<Option<String>>]) -> Result<Control, TestCaseError> {
    let mut sums: std::collections::BTreeMap<crate::base::money::Currency, (i128, u64)> =
        std::collections::BTreeMap::new();
    for row in rows {
        let group = LineGroup::parse(row).map_err(|e| TestCaseError::fail(e.to_string()))?;
        let sum = sums.entry(group.currency.clone()).or_default();
        let mut exact = group.cost;
        exact.rescale(10);
        sum.0 += exact.mantissa();
        sum.1 += group.rows;
    }
    let total = |(units, ai_rows): (i128, u64)| {
        let ai_cost = Decimal::from_i128_with_scale(units, 10);
        let (all_cost, all_rows) = (ai_cost + Decimal::ONE, ai_rows + 1);
        ControlTotal { ai_cost, ai_rows, all_cost, all_rows, ..ControlTotal::default() }
    };
    Ok(sums.into_iter().map(|(currency, sum)| (currency, total(sum))).collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_cent_is_accounted_for_in_any_order_and_split(
        rows in prop::collection::vec(any_row(), 0..60), cut in 0_usize..60, seed in any::<u64>(),
    ) {
        let fixture = fixture().map_err(|e| TestCaseError::fail(e.to_string()))?;
        let control = control_of(&rows)?;
        let days = fold_rows(&rows, &fixture)?;

        let mut shuffled = rows.clone();
        shuffled.sort_by_key(|row| crate::base::digest::Digest::of(&(seed, row)));
        let (left, right) = shuffled.split_at(cut.min(shuffled.len()));
        let parts = fold_rows(left, &fixture)?.into_iter().chain(fold_rows(right, &fixture)?);
        prop_assert_eq!(&fold(parts.flat_map(|day| day.facts)), &days);

        let grounds = Grounds { settings: fixture.settings.clone(), governance: fixture.governance.clone(), assumed: None };
        let month = AttributedMonth::of(days, &grounds, fixture.aliases);
        let totals = month.totals(&control);
        prop_assert_eq!(reconcile(&totals, &control), Ok(()));
        for (currency, totals) in &totals {
            prop_assert!(totals.adds_up());
            for by in [GroupBy::Workload, GroupBy::Model, GroupBy::Account, GroupBy::Region, GroupBy::UsageKind, GroupBy::Day] {
                let groups = summarise(month.facts.iter().filter(|row| row.fact.key.currency == *currency), by);
                prop_assert_eq!(groups.iter().map(|g| g.amount).sum::<Decimal>(), totals.cur);
            }
        }
    }

    #[test]
    fn a_lost_row_fails_the_run_and_names_the_slice(rows in prop::collection::vec(any_row(), 1..20)) {
        let fixture = fixture().map_err(|e| TestCaseError::fail(e.to_string()))?;
        let control = control_of(&rows)?;
        let kept: Vec<_> = rows.iter().skip(1).cloned().collect();
        let facts: Vec<Fact> = fold_rows(&kept, &fixture)?.into_iter().flat_map(|day| day.facts).collect();
        let verdicts: Vec<Verdict> = facts.iter().map(|f| attribute_fact(f, &fixture.context()).verdict).collect();
        let mismatches = reconcile(&total(facts.iter().zip(&verdicts), &control), &control);
        prop_assert!(mismatches.is_err_and(|m| m.iter().any(|m| m.measure == Measure::Rows)));
    }
}
