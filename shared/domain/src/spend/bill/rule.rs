//! The names of the rules that read and attribute a row: what `GET /v1/spend/explain` answers with.

use serde::{Deserialize, Serialize};

/// One rule that decided something about a row, in the order in which they applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// The resource is a Claude Platform workspace.
    PlatformByWorkspaceResource,
    /// The product code or service code is one of the configured ones.
    PlatformByProductCode,
    /// The product family is Amazon Bedrock.
    PlatformByProductFamily,
    /// A principal is named, which AWS does for Bedrock only.
    PlatformByPrincipal,
    /// A Marketplace row whose operation invokes a Bedrock model.
    PlatformByOperation,
    /// A Marketplace product of the Amazon Bedrock edition.
    PlatformByEdition,
    /// A Marketplace row that meets a Claude Platform term.
    PlatformByClaudeTerm,
    /// The row matched in SQL and meets no term here.
    PlatformUnknown,
    /// The resource names a foundation model or an inference profile.
    ModelByResource,
    /// `product['model']` names it.
    ModelByProductModel,
    /// `product['product_name']` names it.
    ModelByProductName,
    /// The usage type names it.
    ModelByUsageType,
    /// An application inference profile stands for it.
    ModelByApplicationProfile,
    /// The row names a model that the alias table does not hold.
    ModelUnmapped,
    /// The row names no model.
    ModelUnnamed,
    /// Agent runtime, memory or gateway: Amazon Bedrock AgentCore.
    KindByAgentCore,
    /// Claude Platform is billed in CCU.
    KindByClaudePlatform,
    /// `product['inference_type']` says it.
    KindByInferenceType,
    /// The usage type says it.
    KindByUsageType,
    /// Nothing says it; the usage type is kept.
    KindUnknown,
    /// Quantity times what the pricing unit stands for.
    TokensByUnit,
    /// The pricing unit is unknown: the quantity is kept in it, without tokens.
    TokensUnknown,
    /// The rate is one cent, so the quantity is CCU.
    CcuByRate,
    /// CCU follow from the dollars.
    CcuByCost,
    /// The caller's role, session stripped.
    AnchorByRole,
    /// The caller is no role: a user, an API key, the root, or an unknown form.
    AnchorByCaller,
    /// No caller and no workspace.
    AnchorMissing,
    /// The resource id is the workspace.
    AnchorByWorkspaceResource,
    /// The row carries a workspace tag; which workspace it names follows.
    AnchorTagged,
    /// The workspace tag names one registered workspace.
    AnchorByWorkspaceTag,
    /// The workspace tag names no registered workspace, or several.
    AnchorTagUnusable,
    /// The claim in force that day.
    OwnerByClaim,
    /// A Lead settled a dispute about it.
    OwnerByResolution,
    /// Nobody answers for it: a gap.
    OwnerMissing,
    /// Not usage: a named exclusion.
    ExcludedByLineItemType,
}

/// What a rule decides about a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Question {
    /// Which platform it is of.
    Platform,
    /// Which model it means.
    Model,
    /// What was consumed.
    UsageKind,
    /// How many tokens or CCU that is.
    Quantity,
    /// What the spend hangs on.
    Anchor,
    /// Who answers for it.
    Owner,
    /// Why it is not spend.
    Exclusion,
}

impl Rule {
    /// What it decides.
    #[must_use]
    pub const fn decides(self) -> Question {
        match self {
            Self::PlatformByWorkspaceResource
            | Self::PlatformByProductCode
            | Self::PlatformByProductFamily
            | Self::PlatformByPrincipal
            | Self::PlatformByOperation
            | Self::PlatformByEdition
            | Self::PlatformByClaudeTerm
            | Self::PlatformUnknown => Question::Platform,
            Self::ModelByResource
            | Self::ModelByProductModel
            | Self::ModelByProductName
            | Self::ModelByUsageType
            | Self::ModelByApplicationProfile
            | Self::ModelUnmapped
            | Self::ModelUnnamed => Question::Model,
            Self::KindByAgentCore
            | Self::KindByClaudePlatform
            | Self::KindByInferenceType
            | Self::KindByUsageType
            | Self::KindUnknown => Question::UsageKind,
            Self::TokensByUnit | Self::TokensUnknown | Self::CcuByRate | Self::CcuByCost => Question::Quantity,
            Self::AnchorByRole
            | Self::AnchorByCaller
            | Self::AnchorMissing
            | Self::AnchorByWorkspaceResource
            | Self::AnchorTagged
            | Self::AnchorByWorkspaceTag
            | Self::AnchorTagUnusable => Question::Anchor,
            Self::OwnerByClaim | Self::OwnerByResolution | Self::OwnerMissing => Question::Owner,
            Self::ExcludedByLineItemType => Question::Exclusion,
        }
    }
}
