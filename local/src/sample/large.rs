//! A large export in the sample's likeness: the sample's lines as families of rows, with other callers, accounts and
//! quantities for each row.
//!
//! A row follows from the seed and its number alone, so the same parameters write the same files on any machine and
//! with any number of threads. Callers are skewed, as they are in bills: a few workloads make most of the lines.

use std::io;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;

use domain::base::aws::{Partition, RoleRef};
use domain::base::calendar::Month;
use domain::base::text::MalformedText;
use rust_decimal::Decimal;

use super::line::Line;
use super::writing::{MonthFolder, batch_of, execution_id, file_name};
use super::{EXPORT, lines, months};

/// Rows of a data file. AWS cuts large exports into chunks too.
const FILE_ROWS: u64 = 1_000_000;
/// Rows of a row group: bounds what a writing thread holds.
const ROW_GROUP_ROWS: usize = 131_072;
/// Rows made at once.
const BATCH_ROWS: u64 = 8_192;

/// What a large export is to hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Large {
    /// Rows of both months together.
    pub rows: u64,
    /// How many in a hundred are AI.
    pub ai_percent: u64,
    /// Roles and workspaces that call models.
    pub anchors: u64,
    /// Sessions that each role has.
    pub sessions: u64,
    /// Accounts that the callers are spread over.
    pub accounts: u64,
    /// Models at most, in the order in which the sample has them.
    pub models: usize,
    /// Days of each month at most.
    pub days: i8,
    /// Another seed is another bill.
    pub seed: u64,
    /// Writes files into an execution's folder, as an export that creates new files does.
    pub creates_new: bool,
    /// Adds lines such as bills have and demos have not: costs that are no numbers, other currencies, hostile texts.
    pub with_oddities: bool,
}

/// Writes the export below a folder; `written` is told the rows as they are.
///
/// # Errors
/// When the folder is not writable.
pub fn write_large(folder: &Path, large: &Large, written: &AtomicU64) -> io::Result<()> {
    for (month, rows) in months().into_iter().zip([large.rows.div_ceil(2), large.rows / 2]) {
        write_month(&folder.join(EXPORT), large, month, rows, written)?;
    }
    Ok(())
}

fn write_month(export: &Path, large: &Large, month: Month, rows: u64, written: &AtomicU64) -> io::Result<()> {
    let id = execution_id(format!("{large:?} {month}").as_bytes());
    let execution =
        large.creates_new.then(|| format!("{}T000000Z-{id}", month.next().to_string().replace('-', "") + "01"));
    let folder = MonthFolder::create(export, month, execution.as_deref())?;
    let families = Families::of(large, month);
    let files = usize::try_from(rows.div_ceil(FILE_ROWS)).map_err(io::Error::other)?;
    let (next, failed) = (AtomicUsize::new(0), Mutex::new(None));
    let work = || {
        loop {
            let file = next.fetch_add(1, Ordering::Relaxed);
            if file >= files {
                return;
            }
            if let Err(error) = write_file(&folder, large, month, rows, file, &families, written) {
                next.store(files, Ordering::Relaxed);
                if let Ok(mut failed) = failed.lock() {
                    failed.get_or_insert(error);
                }
            }
        }
    };
    thread::scope(|scope| {
        let threads = thread::available_parallelism().map_or(1, std::num::NonZero::get).min(files.max(1));
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    if let Some(error) = failed.into_inner().ok().flatten() {
        return Err(error);
    }
    folder.finish(&id, &(1..=files).map(file_name).collect::<Vec<_>>())
}

fn write_file(
    folder: &MonthFolder,
    large: &Large,
    month: Month,
    rows: u64,
    file: usize,
    families: &Families,
    written: &AtomicU64,
) -> io::Result<()> {
    let mut writer = folder.begin(&file_name(file + 1), ROW_GROUP_ROWS)?;
    let mut from = u64::try_from(file).map_err(io::Error::other)? * FILE_ROWS;
    let end = (from + FILE_ROWS).min(rows);
    while from < end {
        let to = (from + BATCH_ROWS).min(end);
        let lines: Option<Vec<Line>> = (from..to).map(|row| families.line(large, month, row)).collect();
        let lines = lines.ok_or_else(|| io::Error::other("the sample has no lines of that kind"))?;
        let first_row = usize::try_from(from).map_err(io::Error::other)?;
        let batch = batch_of(month, first_row, &lines).map_err(io::Error::other)?;
        writer.write(&batch).map_err(io::Error::other)?;
        written.fetch_add(to - from, Ordering::Relaxed);
        from = to;
    }
    writer.close().map_err(io::Error::other)?;
    Ok(())
}

/// The sample's lines of a month, which rows are made of.
struct Families {
    ai: Vec<Line>,
    others: Vec<Line>,
}

impl Families {
    fn of(large: &Large, month: Month) -> Self {
        let (mut ai, mut others): (Vec<Line>, Vec<Line>) =
            lines(month).into_iter().filter(|line| line.day.day() <= large.days.max(1)).partition(|line| line.is_ai);
        let mut models: Vec<String> = Vec::new();
        for line in &ai {
            let model = model_of(line);
            if models.len() < large.models.max(1) && !models.contains(&model) {
                models.push(model);
            }
        }
        ai.retain(|line| models.contains(&model_of(line)));
        // What is charged once a month in a bill is not charged once in three rows.
        ai.retain(|line| line.line_item_type == "Usage");
        others.retain(|line| line.line_item_type == "Usage");
        Self { ai, others }
    }

    /// The row of a number.
    fn line(&self, large: &Large, month: Month, row: u64) -> Option<Line> {
        let mut dice = Dice::of(large.seed, month, row);
        let is_ai = dice.below(100) < large.ai_percent;
        let families = if is_ai { &self.ai } else { &self.others };
        let anchor = skewed(&mut dice, large.anchors.max(1));
        // A caller keeps to what it does: one family in three for each anchor, every day of it.
        let family = if is_ai { anchor * 3 + dice.below(3) } else { dice.below(u64::MAX) };
        let day = dice.below(u64::MAX);
        let mut line = pick(families, family, day)?;
        line.quantity = vary(line.quantity, &mut dice);
        let account = account_of(anchor, large.accounts);
        line.account = (account.to_string().into(), format!("account-{}", anchor % large.accounts.max(1)).into());
        if is_ai {
            call(&mut line, anchor, dice.below(large.sessions.max(1)), account);
        } else {
            line.resource_id = Some(format!("arn:aws:x:us-east-1:{account}:resource/i-{:017x}", dice.below(5_000_000)));
        }
        if large.with_oddities && dice.below(40) == 0 {
            make_odd(&mut line, &mut dice);
        }
        Some(line)
    }
}

/// Accounts that callers are spread over, if nobody says otherwise.
pub const ACCOUNTS: u64 = 200;

/// The role that a caller of a large export has, of an export over [`ACCOUNTS`].
///
/// # Errors
/// Never: the names are made of digits.
pub fn caller_of(anchor: u64) -> Result<RoleRef, MalformedText> {
    let account_id = account_of(anchor, ACCOUNTS).to_string().parse()?;
    Ok(RoleRef { partition: Partition::Aws, account_id, name: role_name(anchor).parse()? })
}

fn account_of(anchor: u64, accounts: u64) -> u64 {
    100_000_000_000 + (anchor % accounts.max(1)) * 7_919
}

fn role_name(anchor: u64) -> String {
    format!("finops-ai-workload-{anchor:06}")
}

/// A line of a family on some day. The lines of a month stand in order of days, so that a stride leads through the
/// days.
fn pick(families: &[Line], family: u64, day: u64) -> Option<Line> {
    let first = families.first()?;
    let of_a_day = families.iter().take_while(|line| line.day == first.day).count().max(1);
    let days = (families.len() / of_a_day).max(1);
    let within = |number: u64, of: usize| usize::try_from(number % u64::try_from(of).unwrap_or(1)).unwrap_or_default();
    let at = within(day, days) * of_a_day + within(family, of_a_day);
    families.get(at).cloned()
}

fn model_of(line: &Line) -> String {
    let value = |name: &str| line.product.iter().find(|(key, _)| *key == name).map(|(_, value)| value.as_str());
    value("model").or_else(|| value("product_name")).unwrap_or_default().to_owned()
}

/// Makes a line the anchor's: its role and session, or its workspace.
fn call(line: &mut Line, anchor: u64, session: u64, account: u64) {
    let is_workspace = line.resource_id.as_ref().is_some_and(|id| id.contains("aws-external-anthropic"));
    match &line.principal {
        Some(principal) if principal.contains(":assumed-role/") => {
            line.principal = Some(format!(
                "arn:aws:sts::{account}:assumed-role/{}/session-{anchor:06}-{session:08}",
                role_name(anchor)
            ));
        }
        Some(principal) if !principal.is_empty() => {
            line.principal = Some(format!("arn:aws:iam::{account}:role/{}", role_name(anchor)));
        }
        _ => {}
    }
    if is_workspace {
        let region = line.region;
        line.resource_id =
            Some(format!("arn:aws:aws-external-anthropic:{region}:{account}:workspace/wrkspc_{anchor:06}"));
    }
}

/// Up to twice the quantity, to three decimal places as the sample has them.
fn vary(quantity: Decimal, dice: &mut Dice) -> Decimal {
    let thousandths = i64::try_from(1 + dice.below(2_000)).unwrap_or(1_000);
    (quantity * Decimal::new(thousandths, 3)).normalize()
}

/// Texts that break out of whatever does not quote them.
const HOSTILE: [&str; 5] =
    ["'; DROP TABLE cur; --", "=HYPERLINK(\"http://x\")", "a\"b,c\nd", "\u{202e}gnp.exe", "%_\\{{workspace_tag}}"];

/// Costs that are no money, or hardly.
const COSTS: [&str; 6] = ["NaN", "inf", "-inf", "1e300", "1e-11", "-5e-11"];

fn make_odd(line: &mut Line, dice: &mut Dice) {
    let hostile = HOSTILE.get(pick_of(dice, 5)).copied().unwrap_or_default();
    match dice.below(6) {
        0 => line.description = hostile.to_owned(),
        // AWS names callers on Bedrock's lines only.
        1 if line.is_ai => {
            line.principal = Some(format!("arn:aws:sts::{}:assumed-role/{}/x/y", line.account.0, hostile))
        }
        2 => line.currency = "EUR",
        3 => line.cost_text = COSTS.get(pick_of(dice, 6)).copied(),
        4 => line.usage_type = format!("USE1-Never-Seen-{}", dice.below(100)),
        _ => line.unit = "Parsecs",
    }
}

fn pick_of(dice: &mut Dice, of: u64) -> usize {
    usize::try_from(dice.below(of)).unwrap_or_default()
}

/// A number below `of`; half of all draws fall into the first quarter of the range.
fn skewed(dice: &mut Dice, of: u64) -> u64 {
    let (one, other) = (dice.below(1 << 20), dice.below(1 << 20));
    let product = (one * other) >> 20;
    (product * of) >> 20
}

/// Numbers that follow from a seed (SplitMix64): no library's may change under the files.
struct Dice(u64);

impl Dice {
    fn of(seed: u64, month: Month, row: u64) -> Self {
        let month = month.first_day();
        let month = u64::try_from(i32::from(month.year()) * 12 + i32::from(month.month())).unwrap_or_default();
        let mut dice =
            Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ (month << 48) ^ row.wrapping_mul(0xD134_2543_DE82_EF95));
        dice.roll();
        dice
    }

    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, of: u64) -> u64 {
        self.roll() % of.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::base::digest::Digest;
    use std::collections::BTreeSet;

    fn small() -> Large {
        Large {
            rows: 3_000,
            ai_percent: 50,
            anchors: 40,
            sessions: 5,
            accounts: 3,
            models: 100,
            days: 31,
            seed: 1,
            creates_new: false,
            with_oddities: false,
        }
    }

    fn digest_of(large: &Large) -> io::Result<(Digest, u64)> {
        let folder = tempfile::tempdir()?;
        let written = AtomicU64::new(0);
        write_large(folder.path(), large, &written)?;
        let mut bytes = Vec::new();
        for month in months() {
            let data = folder.path().join(EXPORT).join("data").join(format!("BILLING_PERIOD={month}"));
            bytes.extend(std::fs::read(data.join(file_name(1)))?);
        }
        Ok((Digest::of_bytes(&bytes), written.into_inner()))
    }

    #[test]
    fn the_same_parameters_write_the_same_bytes_and_another_seed_others() -> io::Result<()> {
        let first = digest_of(&small())?;
        assert_eq!(first, digest_of(&small())?);
        assert_eq!(first.1, 3_000);
        assert_ne!(first.0, digest_of(&Large { seed: 2, ..small() })?.0);
        Ok(())
    }

    #[test]
    fn share_and_cardinality_are_what_was_asked_for() {
        let large = Large { rows: 8_000, ai_percent: 20, ..small() };
        let month = months()[0];
        let families = Families::of(&large, month);
        let made: Vec<Line> = (0..8_000).filter_map(|row| families.line(&large, month, row)).collect();
        let ai: Vec<&Line> = made.iter().filter(|line| line.is_ai).collect();
        assert!((1_400..1_800).contains(&ai.len()), "{} of 8000 are AI", ai.len());
        let roles: BTreeSet<&str> = ai
            .iter()
            .filter_map(|line| line.principal.as_deref()?.split_once(":assumed-role/")?.1.split('/').next())
            .collect();
        assert!((20..=40).contains(&roles.len()), "{} roles", roles.len());
        let accounts: BTreeSet<&str> = ai.iter().map(|line| line.account.0.as_ref()).collect();
        assert_eq!(accounts.len(), 3);
        let days: BTreeSet<_> = made.iter().map(|line| line.day).collect();
        assert_eq!(days.len(), 31);
    }
}
