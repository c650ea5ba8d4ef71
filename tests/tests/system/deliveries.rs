//! Three deliveries of one month, written by hand: the first, one restated downwards, the invoiced one. Every total,
//! gap, card and adjustment is held against [`system_tests::ledger`], which adds up the same lines in whole numbers.

use std::collections::BTreeMap;

use anyhow::Context as _;
use local::stack::Options;
use serde_json::{Value, json};
use system_tests::bill::{self, Line};
use system_tests::ledger::{GapSum, Holdings, Sums, Units, sums, units_in};
use system_tests::{
    ADA, CHECKOUT, DATA, LENA, PETRA, Person, SAMIR, SPEND_TABLE, WORKSPACE_ARN, World, approval, places, text,
};

use super::week::{claim, desk};

const CHECKOUT_ROLE: &str = "finops-ai-checkout";
const REPORTS_ROLE: &str = "finops-ai-reports";
const UNKNOWN_WORKSPACE: &str = "arn:aws:aws-external-anthropic:us-west-2:222233334444:workspace/wrkspc_01Unknown";
/// The periods of August 2026, by their first and last days.
const PERIODS: [(u32, u32); 6] = [(1, 1), (2, 8), (9, 15), (16, 22), (23, 29), (30, 31)];
/// When the deliveries were made, and on which Monday they are looked at.
pub(super) const AS_OF: [(&str, &str); 3] = [
    ("2026-08-23T03:00:00Z", "2026-08-24T07:00:00Z"),
    ("2026-08-30T03:00:00Z", "2026-08-31T07:00:00Z"),
    ("2026-09-04T03:00:00Z", "2026-09-07T07:00:00Z"),
];

/// A line as it stands in each of the three deliveries; a blank cost is a line that is not there.
type Thrice = (Line, [&'static str; 3]);

fn bedrock(day: u32, principal: &str, costs: [&'static str; 3]) -> Thrice {
    let usage_type = "USE1-NovaLite-input-tokens".to_owned();
    let principal = principal.to_owned();
    (Line { day, principal, code: "AmazonBedrock", usage_type, unit: "1K tokens", ..Line::default() }, costs)
}

fn claude(
    day: u32,
    resource: &str,
    tag: Option<(&'static str, &'static str, &'static str)>,
    costs: [&'static str; 3],
) -> Thrice {
    let line = Line {
        day,
        account: DATA,
        region: "us-west-2",
        resource: resource.to_owned(),
        tag,
        entity: "AWS Marketplace",
        code: "6hx2aproductcode",
        usage_type: "USW2-CCU-Units".to_owned(),
        unit: "Units",
        description: "Claude Platform on AWS, consumption".to_owned(),
        ..Line::default()
    };
    (line, costs)
}

fn month() -> Vec<Thrice> {
    let app = format!("arn:aws:sts::{CHECKOUT}:assumed-role/{CHECKOUT_ROLE}/i-0abc");
    let same_app = format!("arn:aws:iam::{CHECKOUT}:role/service/FinOps-AI-Checkout");
    let elsewhere = format!("arn:aws:sts::{DATA}:assumed-role/{CHECKOUT_ROLE}/x");
    let reports = format!("arn:aws:sts::{CHECKOUT}:assumed-role/{REPORTS_ROLE}/report@acme.org");
    let by_name = |map, key| Some((map, key, "support-desk"));
    let (line, costs) = bedrock(12, &app, ["3.3", "3.3", "3.1"]);
    let haiku = Line {
        entity: "AWS Marketplace",
        code: "5zd8productcode",
        product_name: "Claude 3 Haiku (Amazon Bedrock Edition)",
        usage_type: "USE1-MP:USE1_OutputTokenCount-Units".to_owned(),
        unit: "Units",
        ..line
    };
    let mut lines = vec![
        bedrock(1, &app, ["0.1", "0.1", "0.1"]),
        bedrock(2, &app, ["0.2", "0.1", "0.1"]),
        bedrock(9, &same_app, ["17.0000000001", "16.5", "16.5"]),
        (haiku, costs),
        bedrock(17, &app, ["12.5", "11.25", "11.2500000001"]),
        bedrock(17, &app, ["0.0000001234567", "0.00000000005", "0.00000000004"]),
        bedrock(20, &same_app, ["100000.01", "99999.99", "99999.99"]),
        bedrock(21, &app, ["5", "", "4.75"]),
        bedrock(25, &app, ["", "7.25", "7"]),
        bedrock(31, &app, ["", "", "0.3"]),
        bedrock(5, &elsewhere, ["2.5", "2.25", "2.25"]),
        bedrock(6, &reports, ["1.75", "1.5", "1.5"]),
        bedrock(6, &format!("arn:aws:iam::{CHECKOUT}:user/BedrockAPIKey-x"), ["9", "", ""]),
        bedrock(7, &format!("arn:aws:iam::{CHECKOUT}:root"), ["0.5", "0.5", "0.5"]),
        bedrock(7, "arn:aws-cn:sts::444455556666:assumed-role/app/x", ["0.6", "0.6", "0.6"]),
        bedrock(8, "arn:aws-us-gov:sts::555566667777:assumed-role/app/y", ["0.7", "0.65", "0.65"]),
        bedrock(8, "\"a\",'; DROP TABLE cur; --", ["0.8", "0.8", "0.8"]),
        bedrock(
            10,
            &format!("arn:aws:sts::{CHECKOUT}:assumed-role/AWSReservedSSO_Dev_0a/me@acme.org"),
            ["4", "3", "3"],
        ),
        bedrock(11, "", ["6.5", "6.25", "6.25"]),
        claude(3, WORKSPACE_ARN, None, ["42.13", "42.13", "42.12"]),
        claude(18, "", by_name("tags", "resourceTags/finops-workspace"), ["20", "18.5", "18.5"]),
        claude(19, "", by_name("resource_tags", "user_finops_workspace"), ["21", "21", "20.99"]),
        claude(19, "", Some(("tags", "resourceTags/finops-workspace", "=HYPERLINK(\"x\")")), ["1.1", "1.1", "1"]),
        claude(20, "", Some(("tags", "resourceTags/finops-workspace", "default")), ["1.2", "1.2", "1.2"]),
        claude(20, "", None, ["1.3", "1.25", "1.25"]),
        claude(21, UNKNOWN_WORKSPACE, None, ["2.2", "2.2", "2.2"]),
    ];
    let (line, costs) = claude(22, "", by_name("tags", "resourceTags/finops-workspace"), ["0.07", "0.06", "0.06"]);
    lines.push((Line { region: "", ..line }, costs));
    for (kind, costs) in [("Credit", ["-5", "-4", "-4"]), ("Tax", ["1.01", "1", "1"]), ("Refund", ["-2", "-2", "-3"])] {
        let (line, _) = bedrock(20, &app, costs);
        lines.push((Line { kind, ..line }, costs));
    }
    let (line, costs) = bedrock(13, "", ["3.5", "3.25", "3.25"]);
    lines.push((Line { currency: "EUR", ..line }, costs));
    lines.push((Line { day: 14, ..Line::default() }, ["250.5", "249", "249"]));
    lines
}

/// The lines of a delivery, 0 to 2.
pub(super) fn delivery(number: usize) -> Vec<Line> {
    let invoice = if number == 2 { "EUINV26-1" } else { "" };
    let of = |(line, costs): Thrice| {
        let cost = costs.get(number).copied().unwrap_or_default().to_owned();
        (!cost.is_empty()).then_some(Line { cost, invoice, ..line })
    };
    month().into_iter().filter_map(of).collect()
}

/// A stack whose bill is in a folder of the test's own.
pub(super) struct Hand {
    folder: tempfile::TempDir,
    pub(super) world: World,
    holdings: Holdings,
    checkout: String,
    desk: String,
}

impl Hand {
    async fn empty() -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        bill::write(folder.path(), "none", &[], 1)?;
        let world = World::start(Options { cur: Some(folder.path().to_owned()), ..Options::default() }).await?;
        let (checkout, desk) = (String::new(), String::new());
        Ok(Self { folder, world, holdings: Holdings::default(), checkout, desk })
    }

    /// With a claimed role, one that is ready to claim, and a claimed workspace, all since the first of August.
    pub(super) async fn governed() -> anyhow::Result<Self> {
        let mut hand = Self::empty().await?;
        let world = &hand.world;
        world.at("2026-08-01T07:00:00Z")?;
        world.organisation().await?;
        let checkout = world.ready_workload(PETRA, "Checkout").await?;
        let reports = world.ready_workload(PETRA, "Reports").await?;
        for (workload, role) in [(&checkout, CHECKOUT_ROLE), (&reports, REPORTS_ROLE)] {
            let body = approval(&places(role, &[(CHECKOUT, "us-east-1")]));
            let granted = world.granted(PETRA, workload, &body).await?;
            world.implement(&granted.id, CHECKOUT, role).await?;
        }
        let support = world.space("Support", &[SAMIR]).await?;
        let desk = desk(world, &support).await?.workload;
        let role = format!("arn:aws:iam::{CHECKOUT}:role/{CHECKOUT_ROLE}");
        claim(world, PETRA, &checkout, "iam-role", &role).await?;
        claim(world, SAMIR, &desk, "workspace", WORKSPACE_ARN).await?;
        world.settle().await?;
        hand.holdings = Holdings {
            roles: BTreeMap::from([((CHECKOUT, CHECKOUT_ROLE), (checkout.clone(), 1))]),
            workspaces: BTreeMap::from([(WORKSPACE_ARN, desk.clone())]),
            named: BTreeMap::from([(("support-desk", DATA, "us-west-2"), WORKSPACE_ARN)]),
            unclaimed: [(CHECKOUT, REPORTS_ROLE)].into(),
            approved_elsewhere: [CHECKOUT_ROLE].into(),
        };
        (hand.checkout, hand.desk) = (checkout, desk);
        Ok(hand)
    }

    pub(super) async fn read(&self, execution: &str, lines: &[Line], files: usize, as_of: &str) -> anyhow::Result<()> {
        bill::write(self.folder.path(), execution, lines, files)?;
        bill::deliver(&self.world.local, as_of)?;
        let month = json!({ "billingPeriod": bill::MONTH });
        let asked = self.world.post(LENA, "/v1/ingestions", &month).await?;
        anyhow::ensure!([202, 409].contains(&asked.status), "{}", asked.body);
        self.world.settle().await.map(drop)
    }

    /// Every figure of the month against the sums of these lines.
    async fn check(&self, lines: &[Line], what: &str) -> anyhow::Result<()> {
        let expected = sums(lines, &self.holdings);
        for by in ["workload", "account", "region", "day", "model", "usage-kind"] {
            let path = format!("/v1/spend?billingPeriod={}&groupBy={by}", bill::MONTH);
            let view = self.world.get(LENA, &path).await?.ok()?;
            assert_eq!((&view["complete"], &view["stale"]), (&json!(true), &json!(false)), "{what}");
            let others = view["otherCurrencies"].as_array().cloned().unwrap_or_default();
            assert_eq!(others.len() + 1, expected.len(), "{what}: currencies stay apart");
            for view in std::iter::once(&view).chain(&others) {
                let currency = text(view, "/totals/cur/currency")?;
                let sums = expected.get(currency.as_str()).with_context(|| format!("{currency} in the ledger"))?;
                check_currency(view, sums, by, &format!("{what}, {currency} by {by}"));
            }
        }
        self.check_explanations(&expected, what).await?;
        self.check_gaps(&expected, what).await
    }

    /// Every fact says by which rule each question about it was decided, and the facts are the bill.
    async fn check_explanations(&self, expected: &BTreeMap<&'static str, Sums>, what: &str) -> anyhow::Result<()> {
        let mut explained: BTreeMap<String, Units> = BTreeMap::new();
        for fact in self.world.list(ADA, &format!("/v1/spend/explain?billingPeriod={}", bill::MONTH)).await? {
            *explained.entry(text(&fact, "/amount/currency")?).or_default() += units_in(&fact["amount"]["amount"]);
            let decided =
                |question: &str| fact["decidedBy"][question].as_array().is_some_and(|rules| !rules.is_empty());
            for question in ["platform", "model", "usage-kind", "anchor"] {
                assert!(decided(question), "{what}: {question} of {fact}");
            }
            assert!(decided("owner") != decided("exclusion"), "{what}: {fact}");
            let is_counted = [json!("tokens"), json!("CCU")].contains(&fact["unit"]);
            assert!(!is_counted || decided("quantity"), "{what}: {fact}");
        }
        let expected: BTreeMap<String, Units> =
            expected.iter().map(|(currency, sums)| ((*currency).to_owned(), sums.cur)).collect();
        assert_eq!(explained, expected, "{what}");
        Ok(())
    }

    async fn check_gaps(&self, expected: &BTreeMap<&'static str, Sums>, what: &str) -> anyhow::Result<()> {
        let mut found: BTreeMap<String, BTreeMap<(String, String), GapSum>> = BTreeMap::new();
        for gap in self.gaps().await? {
            if gap["inTotals"] != json!(true) || gap["vanished"] == json!(true) {
                continue;
            }
            let day =
                |field: &str| -> anyhow::Result<u32> { Ok(text(&gap, field)?.trim_start_matches("2026-08-").parse()?) };
            let sum = GapSum {
                amount: units_in(&gap["amount"]["amount"]),
                rows: gap["rows"].as_u64().unwrap_or_default(),
                first: day("/firstSeen")?,
                last: day("/lastSeen")?,
            };
            // A tag without a region is a gap beside the same tag in one: people read the same label.
            let key = (text(&gap, "/kind")?, text(&gap, "/label")?);
            let known = found.entry(text(&gap, "/amount/currency")?).or_default().entry(key).or_default();
            known.add(&sum);
        }
        let expected: BTreeMap<String, _> =
            expected.iter().map(|(currency, sums)| ((*currency).to_owned(), sums.gaps.clone())).collect();
        assert_eq!(found, expected, "{what}");
        Ok(())
    }

    pub(super) async fn gaps(&self) -> anyhow::Result<Vec<Value>> {
        self.world.list(LENA, &format!("/v1/gaps?billingPeriod={}", bill::MONTH)).await
    }

    pub(super) async fn cards(&self, who: Person) -> anyhow::Result<BTreeMap<u32, Value>> {
        let mut cards = BTreeMap::new();
        for card in self.world.list(who, "/v1/spend-cards?from=2026-08-01").await? {
            anyhow::ensure!(card["kind"] == "period", "there is an open card for every adjustment: {card}");
            cards.insert(text(&card, "/period/from")?.trim_start_matches("2026-08-").parse()?, card);
        }
        Ok(cards)
    }

    /// Signs the card of the period that begins on this day; answers what was signed.
    pub(super) async fn sign(&self, who: Person, from: u32) -> anyhow::Result<Units> {
        let card = self.cards(who).await?.remove(&from).context("a card to sign")?;
        let path = format!("/v1/spend-cards/{}/approve", text(&card, "/id")?);
        let signed = self.world.post(who, &path, &json!({ "version": card["version"] })).await?.ok()?;
        self.world.settle().await?;
        Ok(units_in(&signed["actual"]["amount"]))
    }

    /// Every card of a workload against the ledger: open ones follow the bill, signed ones stand, and what moved under
    /// them is an adjustment, exactly once, on a card that is open.
    async fn check_cards(
        &self,
        who: Person,
        workload: &str,
        lines: &[Line],
        signed: &BTreeMap<u32, Units>,
        periods: usize,
    ) -> anyhow::Result<()> {
        let all = sums(lines, &self.holdings);
        let spent = &all.get("USD").context("dollars")?.by_workload_day;
        let in_period = |(from, to): (u32, u32)| -> Units {
            (from..=to).filter_map(|day| spent.get(&(workload.to_owned(), day))).sum()
        };
        let cards = self.cards(who).await?;
        let due: Vec<(u32, u32)> = PERIODS.into_iter().take(periods).collect();
        assert_eq!(
            cards.keys().copied().collect::<Vec<u32>>(),
            due.iter().map(|(from, _)| *from).collect::<Vec<u32>>()
        );
        let mut adjusted: BTreeMap<u32, Units> = BTreeMap::new();
        let mut shown = 0;
        for period in &due {
            let card = cards.get(&period.0).context("a card")?;
            let actual = units_in(&card["actual"]["amount"]);
            assert_eq!(actual, signed.get(&period.0).copied().unwrap_or_else(|| in_period(*period)), "{period:?}");
            shown += actual;
            for adjustment in card["adjustments"].as_array().into_iter().flatten() {
                assert_eq!(card["state"], "open", "a signed card never changes");
                let of: u32 = text(adjustment, "/period/from")?.trim_start_matches("2026-08-").parse()?;
                let before = adjusted.insert(of, units_in(&adjustment["amount"]["amount"]));
                assert_eq!((before, &adjustment["reason"]), (None, &json!("restated")), "{of}: once");
                shown += adjusted.get(&of).copied().unwrap_or_default();
            }
        }
        let moved = |period: &&(u32, u32)| signed.get(&period.0).map(|then| (period.0, in_period(**period) - then));
        let expected: BTreeMap<u32, Units> = due.iter().filter_map(|p| moved(&p)).filter(|(_, by)| *by != 0).collect();
        assert_eq!(adjusted, expected, "adjustments of {workload}");
        assert_eq!(shown, due.iter().map(|period| in_period(*period)).sum::<Units>(), "cards add up to the bill");
        Ok(())
    }
}

fn check_currency(view: &Value, sums: &Sums, by: &str, what: &str) {
    let total = |name: &str| units_in(&view["totals"][name]["amount"]);
    let found = ["cur", "attributed", "gap", "excluded", "nonAi"].map(total);
    assert_eq!(found, [sums.cur, sums.attributed, sums.gap, sums.excluded, sums.non_ai], "{what}");
    let groups = view["groups"].as_array().cloned().unwrap_or_default();
    let name = |group: &Value| group["key"].as_str().unwrap_or_default().to_owned();
    let found: BTreeMap<String, Units> = groups.iter().map(|g| (name(g), units_in(&g["amount"]["amount"]))).collect();
    assert_eq!(found.values().sum::<Units>(), sums.cur, "{what}");
    let expected = match by {
        "workload" => &sums.by_answer,
        "account" => &sums.by_account,
        "region" => &sums.by_region,
        "day" => &sums.by_day,
        _ => return,
    };
    assert_eq!(&found, expected, "{what}");
}

/// Plays the three deliveries in their order, with signatures between them.
async fn three_deliveries(files: [usize; 3], arrange: fn(Vec<Line>) -> Vec<Line>) -> anyhow::Result<()> {
    let hand = Hand::governed().await?;
    let mut signed: [BTreeMap<u32, Units>; 2] = Default::default();
    for (number, ((as_of, monday), files)) in AS_OF.into_iter().zip(files).enumerate() {
        hand.world.at(monday)?;
        let lines = arrange(delivery(number));
        hand.read(&format!("delivery-{number}"), &lines, files, as_of).await?;
        hand.check(&lines, &format!("delivery {number}")).await?;
        hand.world.schedule("spend-cards").await?;
        let periods = [4, 5, 6].get(number).copied().unwrap_or_default();
        for (who, workload, signed) in [(PETRA, &hand.checkout, &signed[0]), (SAMIR, &hand.desk, &signed[1])] {
            hand.check_cards(who, workload, &lines, signed, periods).await?;
        }
        if number == 0 {
            for from in [9, 16] {
                signed[0].insert(from, hand.sign(PETRA, from).await?);
            }
            signed[1].insert(16, hand.sign(SAMIR, 16).await?);
        }
        // The same again, by every way in which it may come again, writes no fact and no figure.
        let before = hand.world.items(SPEND_TABLE).await?;
        hand.read(&format!("delivery-{number}"), &lines, files, as_of).await?;
        for schedule in ["cur-ingestion", "ingestion-sweep", "spend-cards", "cur-ingestion"] {
            hand.world.schedule(schedule).await?;
        }
        assert_eq!(hand.world.items(SPEND_TABLE).await?, before, "delivery {number} again");
        hand.check(&lines, &format!("delivery {number} again")).await?;
    }
    for who in [PETRA, SAMIR] {
        assert!(hand.cards(who).await?.values().all(|card| card["final"] == json!(true)), "every row is invoiced");
    }
    let gone = hand.gaps().await?;
    let key_user =
        gone.iter().find(|gap| gap["label"].as_str().is_some_and(|label| label.ends_with("BedrockAPIKey-x")));
    let end = key_user.map(|gap| (&gap["state"], &gap["vanished"], &gap["amount"]["amount"]));
    assert_eq!(end, Some((&json!("recalled"), &json!(true), &json!("0"))), "what the bill took back is no gap");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_deliveries_of_a_month_add_up_as_worked_out_by_hand() -> anyhow::Result<()> {
    three_deliveries([1, 1, 1], |lines| lines).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_other_files_and_backwards_they_add_up_to_the_same() -> anyhow::Result<()> {
    // More files than lines leaves empty ones, as an overwriting export does.
    three_deliveries([3, 40, 7], |lines| lines.into_iter().rev().collect()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_whatever_order_deliveries_arrive_the_newest_is_what_counts() -> anyhow::Result<()> {
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let hand = Hand::empty().await?;
        let mut newest = 0;
        for number in order {
            let (as_of, _) = AS_OF.get(number).copied().context("a delivery")?;
            newest = newest.max(number);
            hand.read(&format!("delivery-{number}"), &delivery(number), number + 1, as_of).await?;
            hand.check(&delivery(newest), &format!("{order:?} after {number}")).await?;
        }
        let runs = hand.world.list(LENA, "/v1/ingestions?billingPeriod=2026-08").await?;
        let read = order.iter().enumerate().filter(|(at, n)| order.iter().take(*at).all(|earlier| earlier < n)).count();
        assert_eq!(runs.len(), read, "{order:?}: an older delivery after a newer one begins no run");
    }
    Ok(())
}
