//! What a bill written by hand adds up to, worked out from the product's rules alone: whole numbers of 10⁻¹⁰ of a
//! unit of money, plain loops, and nothing that the product itself computes with.

use std::collections::{BTreeMap, BTreeSet};

use crate::bill::Line;

/// Money in whole 10⁻¹⁰.
pub type Units = i128;

/// Places after the point that a cost keeps.
const PLACES: i64 = 10;

/// A cost as the bill writes it, half-up to ten places.
#[must_use]
pub fn units_of(text: &str) -> Units {
    let (negative, digits) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (mantissa, exponent) = digits.split_once(['e', 'E']).unwrap_or((digits, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let decimals = i64::try_from(fraction.len()).unwrap_or(i64::MAX);
    let shift = PLACES + exponent.parse::<i64>().unwrap_or(0) - decimals;
    let number: Units = format!("{whole}{fraction}").parse().unwrap_or(0);
    let magnitude = match u32::try_from(shift) {
        Ok(up) => number * Units::from(10_u8).pow(up),
        Err(_) => {
            let divisor = Units::from(10_u8).pow(u32::try_from(-shift).unwrap_or(0));
            (number * 2 + divisor) / (divisor * 2)
        }
    };
    if negative { -magnitude } else { magnitude }
}

/// The same, of an answer of the API.
#[must_use]
pub fn units_in(amount: &serde_json::Value) -> Units {
    units_of(amount.as_str().unwrap_or("no amount"))
}

/// Who holds what, as the test set it up.
#[derive(Debug, Clone, Default)]
pub struct Holdings {
    /// Role names in lower case with their account, and the workload that claims them, from a day of August on.
    pub roles: BTreeMap<(&'static str, &'static str), (String, u32)>,
    /// Workspaces' ARNs, and the workload that claims them.
    pub workspaces: BTreeMap<&'static str, String>,
    /// The one workspace's name, account, region and ARN.
    pub named: BTreeMap<(&'static str, &'static str, &'static str), &'static str>,
    /// Roles that a task made and nobody claims: account and name.
    pub unclaimed: BTreeSet<(&'static str, &'static str)>,
    /// Role names that an approval holds in some account.
    pub approved_elsewhere: BTreeSet<&'static str>,
}

/// Who answers for a line.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Answer {
    /// A workload.
    Workload(String),
    /// Nobody: the gap's kind and what it is about.
    Gap(&'static str, String),
    /// It is no usage.
    Excluded(&'static str),
    /// It is no AI.
    NotAi,
}

const BEDROCK_CODES: [&str; 4] =
    ["AmazonBedrock", "AmazonBedrockService", "AmazonBedrockFoundationModels", "AmazonBedrockAgentCore"];
const INVOKES: [&str; 2] = ["InvokeModelInference", "InvokeModelStreamingInference"];

fn is_sold(line: &Line) -> bool {
    line.entity == "AWS Marketplace"
}

fn is_bedrock(line: &Line) -> bool {
    BEDROCK_CODES.contains(&line.code)
        || !line.principal.is_empty()
        || (is_sold(line) && INVOKES.contains(&line.operation))
        || (is_sold(line) && line.product_name.ends_with("(Amazon Bedrock Edition)"))
}

fn is_claude_platform(line: &Line) -> bool {
    let says = |text: &str| text.to_lowercase().contains("claude platform");
    is_sold(line)
        && (line.resource.contains(":aws-external-anthropic:")
            || says(&line.description)
            || says(line.product_name)
            || line.usage_type.to_lowercase().contains("ccu"))
}

/// Account and name of the role that called, whatever form the bill names it in.
fn role_of(principal: &str) -> Option<(String, String)> {
    let parts: Vec<&str> = principal.split(':').collect();
    let (account, resource) = (parts.get(4)?, parts.get(5)?);
    let steps: Vec<&str> = resource.split('/').collect();
    let name = match steps.first() {
        Some(&"assumed-role") => steps.get(1)?,
        Some(&"role") => steps.last()?,
        _ => return None,
    };
    Some(((*account).to_owned(), (*name).to_owned()))
}

impl Holdings {
    /// Who answers for a line.
    #[must_use]
    pub fn answer(&self, line: &Line) -> Answer {
        if !is_bedrock(line) && !is_claude_platform(line) {
            return Answer::NotAi;
        }
        match line.kind {
            "Usage" => {}
            "Credit" => return Answer::Excluded("credit"),
            "Refund" => return Answer::Excluded("refund"),
            "Tax" => return Answer::Excluded("tax"),
            _ => return Answer::Excluded("fee"),
        }
        if is_claude_platform(line) && (!is_bedrock(line) || line.resource.contains(":aws-external-anthropic:")) {
            self.of_workspace(line)
        } else {
            self.of_caller(line)
        }
    }

    fn of_workspace(&self, line: &Line) -> Answer {
        let by_name = |name: &str| {
            let mut found = self.named.iter().filter(|((known, account, region), _)| {
                *known == name && *account == line.account && (line.region.is_empty() || *region == line.region)
            });
            found.next().map(|(_, arn)| (*arn).to_owned())
        };
        let arn = match line.tag {
            _ if line.resource.contains(":workspace/wrkspc_") => line.resource.clone(),
            None => return Answer::Gap("untagged-workspace", format!("account {}, no workspace", line.account)),
            Some((_, _, name)) => match by_name(name) {
                Some(arn) => arn,
                None => return Answer::Gap("untagged-workspace", format!("workspace tag `{name}`")),
            },
        };
        match self.workspaces.get(arn.as_str()) {
            Some(workload) => Answer::Workload(workload.clone()),
            None => Answer::Gap("not-business-approved", arn),
        }
    }

    fn of_caller(&self, line: &Line) -> Answer {
        if line.principal.is_empty() {
            return Answer::Gap("no-principal", format!("account {}, no caller", line.account));
        }
        let Some((account, name)) = role_of(&line.principal) else {
            return Answer::Gap("not-business-approved", line.principal.clone());
        };
        let folded = name.to_lowercase();
        let key = (account.as_str(), folded.as_str());
        let holds = |(held, from): &&(String, u32)| line.day >= *from && !held.is_empty();
        if let Some((workload, _)) = self.roles.get(&key).filter(holds) {
            return Answer::Workload(workload.clone());
        }
        let partition = line.principal.split(':').nth(1).unwrap_or_default();
        let about = format!("arn:{partition}:iam::{account}:role/{name}");
        let kind = if folded.starts_with("awsreservedsso_") || folded.contains("administrator") {
            "role-recommendation"
        } else if self.unclaimed.contains(&key) {
            "unclaimed"
        } else if self.approved_elsewhere.contains(folded.as_str()) {
            "outside-approved-scope"
        } else {
            "not-business-approved"
        };
        Answer::Gap(kind, about)
    }
}

/// A gap, as far as the bill makes it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GapSum {
    /// Its money.
    pub amount: Units,
    /// Its lines.
    pub rows: u64,
    /// The day of its first line.
    pub first: u32,
    /// The day of its last line.
    pub last: u32,
}

impl GapSum {
    /// Adds what another one holds.
    pub fn add(&mut self, other: &Self) {
        self.first = if self.first == 0 { other.first } else { self.first.min(other.first) };
        self.last = self.last.max(other.last);
        self.amount += other.amount;
        self.rows += other.rows;
    }
}

/// Everything that a bill adds up to, in one currency.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sums {
    /// All AI lines.
    pub cur: Units,
    /// What workloads answer for.
    pub attributed: Units,
    /// What nobody answers for.
    pub gap: Units,
    /// What is no usage.
    pub excluded: Units,
    /// All other lines.
    pub non_ai: Units,
    /// By workload, gap kind and exclusion.
    pub by_answer: BTreeMap<String, Units>,
    /// By account, exclusions apart.
    pub by_account: BTreeMap<String, Units>,
    /// By region, exclusions apart.
    pub by_region: BTreeMap<String, Units>,
    /// By day, exclusions apart.
    pub by_day: BTreeMap<String, Units>,
    /// By kind and what it is about.
    pub gaps: BTreeMap<(String, String), GapSum>,
    /// By workload and day of August.
    pub by_workload_day: BTreeMap<(String, u32), Units>,
}

/// The sums of a bill, by currency.
#[must_use]
pub fn sums(lines: &[Line], holdings: &Holdings) -> BTreeMap<&'static str, Sums> {
    let mut all: BTreeMap<&'static str, Sums> = BTreeMap::new();
    for line in lines {
        let sums = all.entry(line.currency).or_default();
        let cost = units_of(&line.cost);
        let answer = holdings.answer(line);
        if answer == Answer::NotAi {
            sums.non_ai += cost;
            continue;
        }
        sums.cur += cost;
        let mut key = match &answer {
            Answer::Workload(workload) => workload.clone(),
            Answer::Gap(kind, _) => format!("gap:{kind}"),
            Answer::Excluded(why) => format!("excluded:{why}"),
            Answer::NotAi => String::new(),
        };
        *sums.by_answer.entry(key.clone()).or_default() += cost;
        let place = |of: &str| if of.is_empty() { "unnamed".to_owned() } else { of.to_owned() };
        let mut group = |groups: fn(&mut Sums) -> &mut BTreeMap<String, Units>, name: String| {
            let name = if key.starts_with("excluded:") { key.clone() } else { name };
            *groups(sums).entry(name).or_default() += cost;
        };
        group(|sums| &mut sums.by_account, line.account.to_owned());
        group(|sums| &mut sums.by_region, place(line.region));
        group(|sums| &mut sums.by_day, format!("2026-08-{:02}", line.day));
        match answer {
            Answer::Workload(workload) => {
                sums.attributed += cost;
                *sums.by_workload_day.entry((workload, line.day)).or_default() += cost;
            }
            Answer::Gap(kind, about) => {
                sums.gap += cost;
                let gap = GapSum { amount: cost, rows: 1, first: line.day, last: line.day };
                sums.gaps.entry((kind.to_owned(), about)).or_default().add(&gap);
            }
            Answer::Excluded(_) => sums.excluded += cost,
            Answer::NotAi => key.clear(),
        }
    }
    all
}
