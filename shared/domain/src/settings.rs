//! Settings: one versioned, audited document. Every ingestion run records the version that it used.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::access::tasks::chain::work::VerificationMode;
use crate::base::authorization::{Action, Relations, authorize};
use crate::base::outcome::{Outcome, Refusal, RefusalKind};
use crate::base::people::Actor;
use crate::spend::bill::settings::{BillSettings, WholeBillSettings};

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

/// The body of `PUT /v1/settings`: the whole document. A field that is left out would be reset, so none may be.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WholeSettings {
    /// How the bill is matched.
    pub bill: WholeBillSettings,
    /// Whether a live role that differs stops a completion.
    pub verification: VerificationMode,
    /// Days before an approval's end on which people are told.
    pub expiry_notice_days: BTreeSet<u16>,
}

impl From<WholeSettings> for Settings {
    fn from(whole: WholeSettings) -> Self {
        let WholeSettings { bill, verification, expiry_notice_days } = whole;
        Self { bill: bill.into(), verification, expiry_notice_days }
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn a_document_that_replaces_the_settings_has_every_field_of_them_and_no_other() -> serde_json::Result<()> {
        let shown = serde_json::to_value(Settings::default())?;
        let read = |document: &Value| serde_json::from_value::<WholeSettings>(document.clone()).map(Settings::from);
        assert_eq!(read(&shown)?, Settings::default(), "what is shown can be sent back");
        for level in ["", "/bill"] {
            let fields: Vec<String> = shown
                .pointer(level)
                .and_then(Value::as_object)
                .into_iter()
                .flat_map(|all| all.keys().cloned())
                .collect();
            assert!(fields.len() > 2, "{level}");
            for field in fields {
                let mut document = shown.clone();
                document.pointer_mut(level).and_then(Value::as_object_mut).and_then(|all| all.remove(&field));
                let refused = read(&document).map_err(|why| why.to_string());
                assert!(refused.is_err_and(|why| why.contains(&format!("missing field `{field}`"))), "{field}");
            }
        }
        for other in [json!({}), json!({ "bill": {} })] {
            assert!(read(&other).is_err(), "{other}");
        }
        Ok(())
    }

    #[test]
    fn a_document_that_an_older_version_stored_is_still_read() -> serde_json::Result<()> {
        let older: Settings = serde_json::from_value(json!({ "bill": { "workspaceTagKey": "team" } }))?;
        assert_eq!((older.bill.workspace_tag_key.as_str(), older.expiry_notice_days.len()), ("team", 3));
        Ok(())
    }
}
