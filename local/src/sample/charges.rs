//! The lines of the bill that are not usage: credits, refunds, tax, fees, discounts, savings plans.

use jiff::civil::Date;
use rust_decimal::Decimal;

use super::LAST_DAY;
use super::line::{Line, nanos};
use super::organisation::{
    Account, CHECKOUT_PROD, DATA_PLATFORM, PAYER, Product, SHARED_SERVICES, US_EAST_1, claude_platform, native, other,
};

/// A charge and the days on which it is billed.
struct Charge {
    kind: &'static str,
    on: On,
    account: Account,
    product: Product,
    usage_type: &'static str,
    description: &'static str,
    cost_nanousd: i64,
}

/// The days of a charge.
#[derive(Clone, Copy)]
enum On {
    FirstOfMonth,
    FifteenthOfMonth,
    /// The last day of the bill in each month.
    LastOfMonth,
    Sundays,
}

const EC2: Product = other("AmazonEC2", "Compute Instance", "Amazon Elastic Compute Cloud");
const PLANS: Product = other("ComputeSavingsPlans", "Compute Savings Plans", "Savings Plans for AWS Compute usage");

const CHARGES: &[Charge] = &[
    Charge {
        kind: "Fee",
        on: On::FirstOfMonth,
        account: CHECKOUT_PROD,
        product: native("Amazon", "Nova Pro"),
        usage_type: "USE1-CustomModel-Storage",
        description: "Monthly fee for storing a custom model",
        cost_nanousd: 1_950_000_000,
    },
    Charge {
        kind: "Credit",
        on: On::FifteenthOfMonth,
        account: CHECKOUT_PROD,
        product: native("Amazon", "Nova Lite"),
        usage_type: "USE1-NovaLite-input-tokens",
        description: "AWS promotional credit",
        cost_nanousd: -25_000_000_000,
    },
    Charge {
        kind: "Refund",
        on: On::FifteenthOfMonth,
        account: DATA_PLATFORM,
        product: native("Amazon", "Titan Text Embeddings V2"),
        usage_type: "USE1-TitanEmbeddingV2-Text-input-tokens",
        description: "Refund of duplicated embedding requests",
        cost_nanousd: -4_204_500_000,
    },
    Charge {
        kind: "Discount",
        on: On::Sundays,
        account: SHARED_SERVICES,
        product: native("Meta", "Llama 3.3 70B Instruct"),
        usage_type: "USE1-Llama3-3-70B-input-tokens",
        description: "Enterprise discount program",
        cost_nanousd: -1_234_567_891,
    },
    Charge {
        kind: "BundledDiscount",
        on: On::FifteenthOfMonth,
        account: SHARED_SERVICES,
        product: native("Amazon", "Nova Pro"),
        usage_type: "USE1-NovaPro-input-tokens",
        description: "Bundled discount",
        cost_nanousd: -750_000_000,
    },
    Charge {
        kind: "Tax",
        on: On::LastOfMonth,
        account: CHECKOUT_PROD,
        product: native("", ""),
        usage_type: "",
        description: "Tax for product code AmazonBedrock usage type USE1",
        cost_nanousd: 18_420_000_000,
    },
    Charge {
        kind: "Tax",
        on: On::LastOfMonth,
        account: DATA_PLATFORM,
        product: claude_platform(""),
        usage_type: "",
        description: "Tax for product Claude Platform on AWS",
        cost_nanousd: 61_050_000_000,
    },
    Charge {
        kind: "Tax",
        on: On::LastOfMonth,
        account: CHECKOUT_PROD,
        product: EC2,
        usage_type: "",
        description: "Tax for product code AmazonEC2 usage type BoxUsage",
        cost_nanousd: 4_980_000_000,
    },
    Charge {
        kind: "SavingsPlanRecurringFee",
        on: On::FirstOfMonth,
        account: PAYER,
        product: PLANS,
        usage_type: "ComputeSP:1yrNoUpfront",
        description: "1 year No Upfront Compute Savings Plan",
        cost_nanousd: 372_000_000_000,
    },
    Charge {
        kind: "SavingsPlanNegation",
        on: On::Sundays,
        account: CHECKOUT_PROD,
        product: EC2,
        usage_type: "BoxUsage:m7g.large",
        description: "SavingsPlanNegation used by AccountId : 999988887777",
        cost_nanousd: -13_708_800_000,
    },
];

/// The charges billed on a day.
pub(super) fn lines_of(day: Date) -> Vec<Line> {
    CHARGES.iter().filter(|charge| charge.on.includes(day)).map(|charge| line(charge, day)).collect()
}

fn line(charge: &Charge, day: Date) -> Line {
    Line {
        line_item_type: charge.kind,
        usage_type: charge.usage_type.to_owned(),
        description: charge.description.to_owned(),
        rate: nanos(charge.cost_nanousd),
        quantity: Decimal::ONE,
        ..Line::of(&charge.product, charge.account, US_EAST_1, day)
    }
}

impl On {
    fn includes(self, day: Date) -> bool {
        match self {
            Self::FirstOfMonth => day.day() == 1,
            Self::FifteenthOfMonth => day.day() == 15,
            Self::LastOfMonth => day == day.last_of_month() || day == LAST_DAY,
            Self::Sundays => day.weekday() == jiff::civil::Weekday::Sunday,
        }
    }
}
