//! What is used day by day: who calls which model, and how much of each of its meters.
//!
//! Usage-type families are those that AWS documents (bedrock/…/cost-mgmt-understanding-cur-data) and that public bills
//! show; Claude Platform's are not published, so its lines take the forms that its user guide and price list describe.

mod bedrock;
mod elsewhere;
mod marketplace;

use domain::base::calendar::Month;
use domain::base::digest::Digest;
use jiff::civil::{Date, Weekday};
use rust_decimal::Decimal;

use super::line::{Line, nanos};
use super::organisation::{Account, Product, Region, Seller};
use super::{FIRST_DAY, LAST_DAY};

/// Lines of one caller, or one workspace, of one product.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stream {
    account: Account,
    region: Region,
    product: Product,
    principal: Option<&'static str>,
    resource: Option<&'static str>,
    tags: &'static [(&'static str, &'static str)],
    resource_tags: &'static [(&'static str, &'static str)],
    operation: &'static str,
    rhythm: Rhythm,
    meters: &'static [Meter],
}

/// When it is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rhythm {
    /// Every day, less on weekends, slowly growing.
    Daily,
    /// Monday to Friday.
    Weekdays,
    /// The same amount around the clock.
    Steady,
}

/// One usage type.
#[derive(Debug, Clone, Copy)]
struct Meter {
    /// The usage type without the region's code.
    usage: &'static str,
    inference: &'static str,
    feature: &'static str,
    unit: &'static str,
    rate_nanousd: i64,
    /// An ordinary day's quantity, in thousandths of the unit.
    daily_thousandths: i64,
}

const TOKENS: &str = "1K tokens";
const ON_DEMAND: &str = "On-Demand";
const BATCH: &str = "Batch";

const fn meter(
    usage: &'static str,
    inference: &'static str,
    unit: &'static str,
    rate_nanousd: i64,
    daily_thousandths: i64,
) -> Meter {
    Meter { usage, inference, feature: ON_DEMAND, unit, rate_nanousd, daily_thousandths }
}

const fn batch(meter: Meter) -> Meter {
    Meter { feature: BATCH, ..meter }
}

/// The lines of one day.
pub(super) fn lines_of(day: Date) -> Vec<Line> {
    let streams = [bedrock::STREAMS, marketplace::STREAMS, elsewhere::STREAMS].concat();
    let active = streams.iter().filter(|stream| stream.rhythm != Rhythm::Weekdays || !is_weekend(day));
    active.flat_map(|stream| stream.meters.iter().map(move |meter| line(stream, meter, day))).collect()
}

fn line(stream: &Stream, meter: &Meter, day: Date) -> Line {
    let mut line = Line::of(&stream.product, stream.account, stream.region, day);
    if stream.product.seller == Seller::Aws && stream.product.is_ai {
        line.product.push(("inference_type", meter.inference.to_owned()));
        line.product.push(("feature", meter.feature.to_owned()));
    }
    let code = stream.region.code;
    line.usage_type = match stream.product.seller {
        Seller::Aws => format!("{code}-{}", meter.usage),
        Seller::Marketplace => format!("{code}-MP:{code}_{}-Units", meter.usage),
    };
    line.principal = stream.principal.map(str::to_owned);
    line.resource_id = stream.resource.map(str::to_owned);
    line.tags = stream.tags.iter().map(|(key, value)| (*key, (*value).into())).collect();
    line.resource_tags = stream.resource_tags.iter().map(|(key, value)| (*key, (*value).into())).collect();
    line.operation = stream.operation;
    line.unit = meter.unit;
    line.rate = nanos(meter.rate_nanousd);
    line.quantity = quantity(stream, meter, day);
    line.description = format!("{} {}, ${} per {}", stream.product.name, line.usage_type, line.rate, meter.unit);
    line
}

/// A day's quantity: the ordinary one, less on weekends, 2 % more each week, up to 8 % off by a digest of what is
/// counted.
fn quantity(stream: &Stream, meter: &Meter, day: Date) -> Decimal {
    if stream.rhythm == Rhythm::Steady {
        return Decimal::new(meter.daily_thousandths, 3).normalize();
    }
    let seed = format!("{day} {} {:?} {}", meter.usage, stream.principal, stream.account.id);
    let spread = Digest::of_bytes(seed.as_bytes()).hex().get(..4).and_then(|hex| i64::from_str_radix(hex, 16).ok());
    let off_thousandths = spread.unwrap_or_default() % 161 - 80;
    let weekend_thousandths = if is_weekend(day) { 620 } else { 1000 };
    let weeks = i64::from((day - FIRST_DAY).get_days()) / 7;
    let thousandths = meter.daily_thousandths * weekend_thousandths / 1000 * (1000 + 20 * weeks) / 1000;
    Decimal::new(thousandths * (1000 + off_thousandths) / 1000, 3).normalize()
}

fn is_weekend(day: Date) -> bool {
    matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday)
}

/// The invoice of a month that is final.
pub(super) fn invoice_of(month: Month) -> Option<String> {
    (month < Month::of(LAST_DAY)).then(|| format!("EUINUS{}-2264107", month.to_string().replace('-', "")))
}
