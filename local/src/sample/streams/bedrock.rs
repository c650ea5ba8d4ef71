//! Bedrock as AWS bills it itself: every form of caller, every family of native usage types.

use super::super::organisation::{
    CHECKOUT_PROD, DATA_PLATFORM, EU_WEST_1, Product, SHARED_SERVICES, Seller, US_EAST_1, US_WEST_2, native,
};
use super::{Meter, Rhythm, Stream, TOKENS, batch, meter};

const INVOKE: &str = "InvokeModelInference";
const STREAMING: &str = "InvokeModelStreamingInference";

const CHECKOUT_SESSION: &str =
    "arn:aws:sts::111122223333:assumed-role/finops-ai-checkout-assistant/checkout-assistant-prod";

/// What the other streams vary.
const BASE: Stream = Stream {
    account: CHECKOUT_PROD,
    region: US_EAST_1,
    product: native("Amazon", "Nova Lite"),
    principal: None,
    resource: None,
    tags: &[],
    resource_tags: &[],
    operation: INVOKE,
    rhythm: Rhythm::Daily,
    meters: &[],
};

/// Before the operations were told apart, and under the service's other product code.
const EARLIER: Product =
    Product { code: "AmazonBedrockService", servicecode: "AmazonBedrockService", ..native("Amazon", "Nova Micro") };

const AGENT_CORE: Product = Product {
    seller: Seller::Aws,
    code: "AmazonBedrockAgentCore",
    servicecode: "AmazonBedrockAgentCore",
    family: "Amazon Bedrock AgentCore",
    name: "Amazon Bedrock AgentCore",
    ..native("", "")
};

const NOVA_LITE: &[Meter] = &[
    meter("NovaLite-input-tokens", "Input tokens", TOKENS, 60_000, 240_000_000),
    meter("NovaLite-output-tokens", "Output tokens", TOKENS, 240_000, 36_000_000),
    meter("NovaLite-cache-read-input-token-count", "Cache read input tokens", TOKENS, 15_000, 80_000_000),
    // Writing Nova's cache costs nothing: a quantity without money.
    meter("NovaLite-cache-write-input-token-count", "Cache write input tokens", TOKENS, 0, 9_000_000),
];

const NOVA_LITE_CANARY: &[Meter] = &[
    meter("NovaLite-input-tokens", "Input tokens", TOKENS, 60_000, 12_000_000),
    meter("NovaLite-output-tokens", "Output tokens", TOKENS, 240_000, 1_800_000),
];

const NOVA_PRO: &[Meter] = &[
    meter("NovaPro-input-tokens", "Input tokens", TOKENS, 800_000, 6_000_000),
    meter("NovaPro-output-tokens", "Output tokens", TOKENS, 3_200_000, 900_000),
    meter("NovaPro-input-tokens-flex", "Input tokens", TOKENS, 400_000, 2_500_000),
    meter("NovaPro-output-tokens-priority", "Output tokens", TOKENS, 5_600_000, 120_000),
];

const NOVA_2_LITE_GLOBAL: &[Meter] = &[
    meter("Nova2.0Lite-input-tokens-cross-region-global", "Input tokens", TOKENS, 300_000, 8_000_000),
    meter("Nova2.0Lite-output-tokens-cross-region-global", "Output tokens", TOKENS, 2_500_000, 700_000),
];

const NOVA_MICRO: &[Meter] = &[meter("NovaMicro-input-tokens", "Input tokens", TOKENS, 35_000, 15_000_000)];

/// Half of on-demand, with more than ten decimal places in the product of price and quantity.
const NOVA_MICRO_BATCH: &[Meter] = &[
    batch(meter("NovaMicro-input-tokens-batch", "Input tokens", TOKENS, 17_500, 61_000_000)),
    batch(meter("NovaMicro-output-tokens-batch", "Output tokens", TOKENS, 70_000, 5_200_000)),
    batch(meter("NovaMicro-cache-read-input-token-count-batch", "Cache read input tokens", TOKENS, 4_375, 900_001)),
];

const TITAN: &[Meter] = &[meter("TitanEmbeddingV2-Text-input-tokens", "Input tokens", TOKENS, 20_000, 95_000_000)];

const LLAMA: &[Meter] = &[
    meter("Llama3-3-70B-input-tokens", "Input tokens", TOKENS, 720_000, 9_000_000),
    meter("Llama3-3-70B-output-tokens", "Output tokens", TOKENS, 720_000, 3_000_000),
];

const MANTLE: &[Meter] = &[
    meter("gpt-oss-120b-mantle-input-tokens-standard", "Input tokens", "1M tokens", 150_000_000, 5_400),
    meter("gpt-oss-120b-mantle-output-tokens-standard", "Output tokens", "1M tokens", 600_000_000, 1_150),
];

const IMAGES: &[Meter] = &[meter("NovaCanvas-T2I-1024-Standard", "T2I 1024 Standard", "images", 40_000_000, 64_000)];

const PROVISIONED: &[Meter] =
    &[meter("ProvisionedThroughput-NovaPro-NoCommitment", "Provisioned Throughput", "Hrs", 1_850_000_000, 24_000)];

const RUNTIME: &[Meter] = &[
    meter("Consumption-based:Runtime:vCPU", "", "vCPU-Hours", 89_500_000, 14_000),
    meter("Consumption-based:Runtime:Memory", "", "GB-Hours", 9_450_000, 31_000),
];

pub(super) const STREAMS: &[Stream] = &[
    // The demo's Bedrock workload: a Lambda's sessions of the role that its task created.
    Stream {
        principal: Some(CHECKOUT_SESSION),
        resource: Some("arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0"),
        operation: STREAMING,
        meters: NOVA_LITE,
        ..BASE
    },
    Stream {
        principal: Some(
            "arn:aws:sts::111122223333:assumed-role/finops-ai-checkout-assistant/checkout-assistant-canary",
        ),
        resource: Some("arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0"),
        operation: STREAMING,
        meters: NOVA_LITE_CANARY,
        ..BASE
    },
    // A role that a task created and nobody has claimed.
    Stream {
        account: SHARED_SERVICES,
        product: native("Meta", "Llama 3.3 70B Instruct"),
        principal: Some("arn:aws:sts::333344445555:assumed-role/finops-ai-claims-triage/claims-triage-worker"),
        resource: Some("arn:aws:bedrock:us-east-1:333344445555:inference-profile/us.meta.llama3-3-70b-instruct-v1:0"),
        meters: LLAMA,
        ..BASE
    },
    // Roles that nobody approved anything for.
    Stream {
        product: native("Amazon", "Nova Pro"),
        principal: Some("arn:aws:sts::111122223333:assumed-role/pricing-experiments/i-0f3c9a1b2d4e5f607"),
        resource: Some("arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-pro-v1:0"),
        meters: NOVA_PRO,
        ..BASE
    },
    Stream {
        account: DATA_PLATFORM,
        region: US_WEST_2,
        product: native("Amazon", "Titan Text Embeddings V2"),
        principal: Some("arn:aws:sts::222233334444:assumed-role/search-indexer/glue-job-reindex"),
        meters: TITAN,
        ..BASE
    },
    Stream {
        account: DATA_PLATFORM,
        product: native("Amazon", "Nova Micro"),
        principal: Some("arn:aws:sts::222233334444:assumed-role/nightly-summaries/batch-2026"),
        meters: NOVA_MICRO_BATCH,
        ..BASE
    },
    Stream {
        account: SHARED_SERVICES,
        product: native("Amazon", "Nova 2 Lite"),
        principal: Some("arn:aws:sts::333344445555:assumed-role/helpdesk-bot/helpdesk-bot"),
        resource: Some("arn:aws:bedrock:us-east-1:333344445555:inference-profile/global.amazon.nova-2-lite-v1:0"),
        meters: NOVA_2_LITE_GLOBAL,
        ..BASE
    },
    // The plain form of a role, as the bill writes it for some callers.
    Stream {
        product: EARLIER,
        principal: Some("arn:aws:iam::111122223333:role/legacy-chatbot"),
        operation: "Usage",
        meters: NOVA_MICRO,
        ..BASE
    },
    // People and keys.
    Stream {
        account: DATA_PLATFORM,
        principal: Some("arn:aws:iam::222233334444:user/alice"),
        rhythm: Rhythm::Weekdays,
        meters: NOVA_LITE_CANARY,
        ..BASE
    },
    Stream {
        account: DATA_PLATFORM,
        product: native("OpenAI", "gpt-oss-120b"),
        principal: Some("arn:aws:iam::222233334444:user/BedrockAPIKey-234s"),
        operation: "CreateInference",
        meters: MANTLE,
        ..BASE
    },
    Stream {
        account: DATA_PLATFORM,
        product: native("Amazon", "Nova Canvas"),
        principal: Some(
            "arn:aws:sts::222233334444:assumed-role/AWSReservedSSO_AWSPowerUserAccess_0a1b2c3d4e5f6071/dana@example.com",
        ),
        rhythm: Rhythm::Weekdays,
        meters: IMAGES,
        ..BASE
    },
    Stream {
        account: SHARED_SERVICES,
        product: native("Amazon", "Nova Pro"),
        principal: Some("arn:aws:sts::333344445555:assumed-role/OrganizationAccountAccessRole/platform-admin"),
        rhythm: Rhythm::Weekdays,
        meters: NOVA_2_LITE_GLOBAL,
        ..BASE
    },
    // An application inference profile with its MAP tag.
    Stream {
        account: DATA_PLATFORM,
        region: EU_WEST_1,
        principal: Some("arn:aws:sts::222233334444:assumed-role/eu-search/eu-search"),
        resource: Some("arn:aws:bedrock:eu-west-1:222233334444:application-inference-profile/p4n8k2x7q1zd"),
        tags: &[("resourceTags/map-migrated", "mig4711012345"), ("iamPrincipal/owner", "search-team")],
        resource_tags: &[("user_map_migrated", "mig4711012345")],
        meters: NOVA_LITE_CANARY,
        ..BASE
    },
    // Callers that the bill does not name, in both of its blanks.
    Stream { account: SHARED_SERVICES, product: EARLIER, operation: "Usage", meters: NOVA_MICRO, ..BASE },
    Stream { account: SHARED_SERVICES, principal: Some(""), meters: NOVA_LITE_CANARY, ..BASE },
    // Hours instead of tokens.
    Stream {
        product: native("Amazon", "Nova Pro"),
        principal: Some(""),
        resource: Some("arn:aws:bedrock:us-east-1:111122223333:provisioned-model/7hq2m4x9zk1c"),
        operation: "ProvisionedThroughput",
        rhythm: Rhythm::Steady,
        meters: PROVISIONED,
        ..BASE
    },
    Stream {
        account: SHARED_SERVICES,
        product: AGENT_CORE,
        principal: Some("arn:aws:sts::333344445555:assumed-role/agent-runtime/agentcore"),
        resource: Some("arn:aws:bedrock-agentcore:us-east-1:333344445555:runtime/returns-agent"),
        operation: "InvokeAgentRuntime",
        meters: RUNTIME,
        ..BASE
    },
];
