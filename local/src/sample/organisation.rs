//! Who is billed: the organisation's accounts, the regions with their billing codes, the products with their sellers.

/// The account that pays.
pub(super) const PAYER: Account = Account { id: "999988887777", name: "example-payer" };

pub(super) const CHECKOUT_PROD: Account = Account { id: "111122223333", name: "checkout-prod" };
pub(super) const DATA_PLATFORM: Account = Account { id: "222233334444", name: "data-platform" };
pub(super) const SHARED_SERVICES: Account = Account { id: "333344445555", name: "shared-services" };

pub(super) const US_EAST_1: Region = Region { name: "us-east-1", code: "USE1" };
pub(super) const US_WEST_2: Region = Region { name: "us-west-2", code: "USW2" };
pub(super) const EU_WEST_1: Region = Region { name: "eu-west-1", code: "EUW1" };

/// An account of the organisation.
#[derive(Debug, Clone, Copy)]
pub(super) struct Account {
    pub(super) id: &'static str,
    pub(super) name: &'static str,
}

/// A region and the prefix of its usage types.
#[derive(Debug, Clone, Copy)]
pub(super) struct Region {
    pub(super) name: &'static str,
    pub(super) code: &'static str,
}

/// Who bills a product, hence how its lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seller {
    /// AWS itself.
    Aws,
    /// A seller through AWS Marketplace: no service code, a hash as product code, prices per million.
    Marketplace,
}

/// What is billed. Which products are AI is said here and nowhere found out.
#[derive(Debug, Clone, Copy)]
pub(super) struct Product {
    pub(super) seller: Seller,
    pub(super) is_ai: bool,
    pub(super) legal_entity: &'static str,
    pub(super) code: &'static str,
    pub(super) servicecode: &'static str,
    pub(super) family: &'static str,
    pub(super) name: &'static str,
    /// `product['provider']` and `product['model']`; blank where AWS gives none.
    pub(super) provider: &'static str,
    pub(super) model: &'static str,
}

const AWS: &str = "Amazon Web Services, Inc.";
const ANTHROPIC: &str = "Anthropic, PBC";

/// A model that AWS bills itself.
pub(super) const fn native(provider: &'static str, model: &'static str) -> Product {
    Product {
        seller: Seller::Aws,
        is_ai: true,
        legal_entity: AWS,
        code: "AmazonBedrock",
        servicecode: "AmazonBedrock",
        family: "Amazon Bedrock",
        name: "Amazon Bedrock",
        provider,
        model,
    }
}

/// A Claude model on Bedrock, billed by its seller: the model stands in the product's name only.
pub(super) const fn bedrock_edition(code: &'static str, name: &'static str, family: &'static str) -> Product {
    Product {
        seller: Seller::Marketplace,
        is_ai: true,
        legal_entity: ANTHROPIC,
        code,
        servicecode: "",
        family,
        name,
        provider: "",
        model: "",
    }
}

/// Claude Platform on AWS, in CCU; `model` is blank on lines that AWS aggregates over models.
pub(super) const fn claude_platform(model: &'static str) -> Product {
    Product {
        seller: Seller::Marketplace,
        is_ai: true,
        legal_entity: ANTHROPIC,
        code: "c7ax0q2m9hvw4kp1sdu8tyrje",
        servicecode: "",
        family: "",
        name: "Claude Platform on AWS",
        provider: "Anthropic",
        model,
    }
}

/// A service that has nothing to do with models.
pub(super) const fn other(code: &'static str, family: &'static str, name: &'static str) -> Product {
    Product {
        seller: Seller::Aws,
        is_ai: false,
        legal_entity: AWS,
        code,
        servicecode: code,
        family,
        name,
        provider: "",
        model: "",
    }
}
