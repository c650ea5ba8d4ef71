//! What sellers bill through AWS Marketplace: Claude on Bedrock in both of its families, and Claude Platform in CCU.

use super::super::organisation::{
    CHECKOUT_PROD, DATA_PLATFORM, Product, SHARED_SERVICES, US_EAST_1, US_WEST_2, bedrock_edition, claude_platform,
};
use super::{Meter, Rhythm, Stream, meter};

const INVOKE: &str = "InvokeModelInference";
const UNITS: &str = "Units";

const HAIKU_3: Product = bedrock_edition("a1kf7wz3m9qx2vd8hn5cprtuy", "Claude 3 Haiku (Amazon Bedrock Edition)", "");
const SONNET_4_6: Product =
    bedrock_edition("b6jt2hy8s4nl0ge7ku3xmqvwd", "Claude Sonnet 4.6 (Amazon Bedrock Edition)", "");
const OPUS_4_7: Product =
    bedrock_edition("d9ru5pc1f7bo3zi6ya2kwxhns", "Claude Opus 4.7 (Amazon Bedrock Edition)", "Amazon Bedrock");

/// Prices per million tokens.
const HAIKU_3_METERS: &[Meter] = &[
    meter("InputTokenCount", "", UNITS, 250_000_000, 14_200),
    meter("OutputTokenCount", "", UNITS, 1_250_000_000, 2_150),
];

const SONNET_4_6_METERS: &[Meter] = &[
    meter("InputTokenCount_Global", "", UNITS, 3_000_000_000, 2_750),
    meter("OutputTokenCount_Global", "", UNITS, 15_000_000_000, 410),
    meter("CacheReadInputTokenCount_Global", "", UNITS, 300_000_000, 6_300),
    meter("CacheWriteInputTokenCount_Global", "", UNITS, 3_750_000_000, 520),
    meter("InputTokenCount_Batch", "", UNITS, 1_650_000_000, 880),
    meter("OutputTokenCount_LatencyOptimized", "", UNITS, 18_150_000_000, 35),
];

const OPUS_4_7_METERS: &[Meter] = &[
    meter("input_tokens_standard", "", UNITS, 5_500_000_000, 640),
    meter("input_tokens_global_standard", "", UNITS, 5_000_000_000, 310),
    meter("output_tokens_standard", "", UNITS, 27_500_000_000, 120),
    meter("cache_read_tokens_standard", "", UNITS, 550_000_000, 1_900),
    meter("cache_write_tokens_standa", "", UNITS, 6_875_000_000, 95),
];

/// A Claude Consumption Unit is one cent, always.
const CCU_NANOUSD: i64 = 10_000_000;

const fn ccu(usage: &'static str, daily_thousandths: i64) -> Meter {
    meter(usage, "", UNITS, CCU_NANOUSD, daily_thousandths)
}

/// What the Bedrock streams vary.
const BEDROCK: Stream = Stream {
    account: CHECKOUT_PROD,
    region: US_EAST_1,
    product: HAIKU_3,
    principal: None,
    resource: None,
    tags: &[],
    resource_tags: &[],
    operation: INVOKE,
    rhythm: Rhythm::Daily,
    meters: HAIKU_3_METERS,
};

/// What the Claude Platform streams vary. The bill names no caller here.
const PLATFORM: Stream = Stream {
    account: DATA_PLATFORM,
    region: US_WEST_2,
    product: claude_platform("claude-sonnet-4-6"),
    operation: "Usage",
    meters: &[],
    ..BEDROCK
};

pub(super) const STREAMS: &[Stream] = &[
    // The same role name in two accounts: two different roles.
    Stream {
        principal: Some("arn:aws:sts::111122223333:assumed-role/doc-classifier/doc-classifier-a"),
        resource: Some("arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-3-haiku-20240307-v1:0"),
        ..BEDROCK
    },
    Stream {
        account: DATA_PLATFORM,
        principal: Some("arn:aws:sts::222233334444:assumed-role/doc-classifier/doc-classifier-b"),
        ..BEDROCK
    },
    Stream {
        account: SHARED_SERVICES,
        product: SONNET_4_6,
        principal: Some("arn:aws:sts::333344445555:assumed-role/coding-agents/kim@example.com"),
        resource: Some("arn:aws:bedrock:us-east-1:333344445555:inference-profile/global.anthropic.claude-sonnet-4-6"),
        operation: "InvokeModelStreamingInference",
        rhythm: Rhythm::Weekdays,
        meters: SONNET_4_6_METERS,
        ..BEDROCK
    },
    Stream {
        account: SHARED_SERVICES,
        product: OPUS_4_7,
        principal: Some("arn:aws:sts::333344445555:assumed-role/coding-agents/lee@example.com"),
        rhythm: Rhythm::Weekdays,
        meters: OPUS_4_7_METERS,
        ..BEDROCK
    },
    // The demo's Claude workload: its workspace by resource and by tag.
    Stream {
        resource: Some("arn:aws:aws-external-anthropic:us-west-2:222233334444:workspace/wrkspc_01SupportDesk"),
        tags: &[("resourceTags/finops-workspace", "support-desk")],
        resource_tags: &[("user_finops_workspace", "support-desk")],
        meters: &[ccu("claude-sonnet-4-6_CCU", 3_150_000)],
        ..PLATFORM
    },
    // Workspaces known by a tag alone, in each of the maps that AWS writes tags to.
    Stream {
        product: claude_platform("claude-haiku-4-5"),
        tags: &[("resourceTags/finops-workspace", "market-research")],
        meters: &[ccu("claude-haiku-4-5_CCU", 420_000)],
        ..PLATFORM
    },
    Stream {
        product: claude_platform("claude-opus-4-7"),
        resource_tags: &[("user_finops_workspace", "legal-drafting")],
        rhythm: Rhythm::Weekdays,
        meters: &[ccu("claude-opus-4-7_CCU", 610_000)],
        ..PLATFORM
    },
    // No workspace to be found, no model either: AWS's aggregate.
    Stream { product: claude_platform(""), meters: &[ccu("ClaudeConsumptionUnits", 250_000)], ..PLATFORM },
    // The workspace that every organisation has from its sign-up.
    Stream {
        account: SHARED_SERVICES,
        region: US_EAST_1,
        resource: Some("arn:aws:aws-external-anthropic:us-east-1:333344445555:workspace/default"),
        meters: &[ccu("claude-sonnet-4-6_CCU", 90_000)],
        ..PLATFORM
    },
];
