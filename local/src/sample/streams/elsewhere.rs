//! The rest of the bill, which is not AI and must stay out of every AI total.

use super::super::organisation::{
    CHECKOUT_PROD, DATA_PLATFORM, Product, SHARED_SERVICES, Seller, US_EAST_1, US_WEST_2, other,
};
use super::{Rhythm, Stream, meter};

/// Somebody else's product on the same marketplace.
const MONITORING: Product = Product {
    seller: Seller::Marketplace,
    legal_entity: "Datadog, Inc.",
    servicecode: "",
    ..other("e3vy6lr0k8wg5tc2qj9nbdzxa", "", "Datadog Pro")
};

const BASE: Stream = Stream {
    account: CHECKOUT_PROD,
    region: US_EAST_1,
    product: other("AmazonEC2", "Compute Instance", "Amazon Elastic Compute Cloud"),
    principal: None,
    resource: Some("i-0f3c9a1b2d4e5f607"),
    tags: &[("resourceTags/team", "checkout")],
    resource_tags: &[("user_team", "checkout")],
    operation: "RunInstances",
    rhythm: Rhythm::Steady,
    meters: &[meter("BoxUsage:m7g.large", "", "Hrs", 81_600_000, 24_000)],
};

pub(super) const STREAMS: &[Stream] = &[
    BASE,
    Stream {
        account: DATA_PLATFORM,
        region: US_WEST_2,
        product: other("AmazonS3", "Storage", "Amazon Simple Storage Service"),
        resource: Some("data-platform-lake"),
        operation: "StandardStorage",
        meters: &[meter("TimedStorage-ByteHrs", "", "GB-Mo", 23_000_000, 61_250)],
        ..BASE
    },
    Stream {
        product: other("AWSLambda", "Serverless", "AWS Lambda"),
        resource: Some("arn:aws:lambda:us-east-1:111122223333:function:checkout-assistant-prod"),
        operation: "Invoke",
        rhythm: Rhythm::Daily,
        meters: &[meter("Lambda-GB-Second-ARM", "", "Lambda-GB-Second", 13_333, 412_000_000)],
        ..BASE
    },
    Stream {
        account: SHARED_SERVICES,
        product: MONITORING,
        resource: None,
        tags: &[],
        resource_tags: &[],
        operation: "",
        meters: &[meter("InfraHosts", "", "Units", 23_000_000, 40_000)],
        ..BASE
    },
];
