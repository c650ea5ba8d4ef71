//! Settings: one versioned, audited document. Every ingestion run records the version that it used.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::authorization::{Action, Relations, authorize};
use crate::bill::matching::BillSettings;
use crate::chain::work::VerificationMode;
use crate::outcome::{Outcome, Refusal, RefusalKind};
use crate::people::Actor;

/// Days before an approval's end on which its owner and the Leads are told.
const EXPIRY_NOTICE_DAYS: [u16; 3] = [14, 3, 0];

/// What an organisation may set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Settings {
    /// How the bill is matched: AI terms, tag key, broad-role patterns.
    pub bill: BillSettings,
    /// Whether a live role that differs stops a completion.
    pub verification: VerificationMode,
    /// Days before an approval's end on which people are told.
    pub expiry_notice_days: BTreeSet<u16>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            bill: BillSettings::default(),
            verification: VerificationMode::default(),
            expiry_notice_days: BTreeSet::from(EXPIRY_NOTICE_DAYS),
        }
    }
}

/// Replaces the settings as a whole.
pub fn decide_settings(current: &Settings, wanted: Settings, actor: &Actor) -> Outcome<Settings> {
    let wanted = Settings { bill: wanted.bill.normalised(), ..wanted };
    if let Err(refusal) = authorize(actor, Action::WriteSettings, Relations::NONE, "") {
        return refusal.into();
    }
    if wanted.expiry_notice_days.iter().any(|d| *d > 365) {
        return Refusal::new(RefusalKind::InvalidValue, "`expiryNoticeDays` are days before the end, 0 to 365").into();
    }
    if let Err(refusal) = wanted.bill.check() {
        return refusal.into();
    }
    if *current == wanted { Outcome::AlreadyDone } else { Outcome::Changed(wanted) }
}
