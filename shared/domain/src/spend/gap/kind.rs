//! The six kinds of gap, what each is about, and which actions fit it.

use serde::{Deserialize, Serialize};

use super::GapAction;
use crate::base::platform::Platform;
use crate::spend::bill::alias::ModelName;
use crate::spend::bill::anchor::SpendAnchor;

/// Why nobody answers for spend. Several may fit; the order here decides which one takes the dollars.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum GapKind {
    /// The row names no caller: the export or the caller is to be fixed.
    NoPrincipal,
    /// Claude Platform spend without a usable workspace tag, the default workspace included.
    UntaggedWorkspace,
    /// The caller is a broad shared or SSO role: a dedicated role is to be recommended.
    RoleRecommendation,
    /// A role or workspace that a task created, or that an approval covers, is claimed by nobody.
    Unclaimed,
    /// The right model in the wrong account or region.
    OutsideApprovedScope,
    /// No approval for this principal or workspace, or, where it is claimed, for this model.
    NotBusinessApproved,
}

impl GapKind {
    /// Every kind, in the order that decides.
    pub const ALL: [Self; 6] = [
        Self::NoPrincipal,
        Self::UntaggedWorkspace,
        Self::RoleRecommendation,
        Self::Unclaimed,
        Self::OutsideApprovedScope,
        Self::NotBusinessApproved,
    ];

    /// The kind's name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoPrincipal => "no-principal",
            Self::UntaggedWorkspace => "untagged-workspace",
            Self::RoleRecommendation => "role-recommendation",
            Self::Unclaimed => "unclaimed",
            Self::OutsideApprovedScope => "outside-approved-scope",
            Self::NotBusinessApproved => "not-business-approved",
        }
    }

    /// What may be done about it; the first is suggested.
    #[must_use]
    pub const fn actions(self) -> &'static [GapAction] {
        use GapAction::{
            AddScope, Approve, Block, FixExport, FixTag, MoveResource, ProposeClaim, RecommendDedicatedRole,
            RemindOwner,
        };
        match self {
            Self::NoPrincipal => &[FixExport, RecommendDedicatedRole],
            Self::UntaggedWorkspace => &[FixTag, ProposeClaim],
            Self::RoleRecommendation => &[RecommendDedicatedRole, Approve, Block, ProposeClaim],
            Self::Unclaimed => &[RemindOwner, ProposeClaim],
            Self::OutsideApprovedScope => &[AddScope, MoveResource, Block, ProposeClaim],
            Self::NotBusinessApproved => &[Approve, Block, RecommendDedicatedRole, ProposeClaim],
        }
    }
}

/// What a gap is about. Two rows with the same kind and the same `About` are one gap.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct About {
    /// The caller or workspace.
    pub anchor: SpendAnchor,
    /// The platform, where a term told it.
    pub platform: Option<Platform>,
    /// The model, where the kind is about one.
    pub model: Option<ModelName>,
    /// The account of the usage, where the kind is about one.
    pub account_id: Option<String>,
    /// The region of the usage, where the kind is about one.
    pub region: Option<String>,
}

impl About {
    /// About a caller or workspace as a whole.
    #[must_use]
    pub const fn anchor(anchor: SpendAnchor, platform: Option<Platform>) -> Self {
        Self { anchor, platform, model: None, account_id: None, region: None }
    }
}
