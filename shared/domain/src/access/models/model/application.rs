//! Application inference profiles: what an account made for itself, and which models it leads to.
//!
//! Read from each account by discovery. One that is gone stays known with the day on which that was noticed, since
//! the bill names it for as long as its last call is billed; an account that does not answer says nothing about any
//! of its profiles.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::discovery::destination;
use crate::base::aws::{AccountId, Region};
use crate::base::outcome::Outcome;
use crate::base::platform::ModelId;

/// One item of `ListInferenceProfiles` of type `APPLICATION`, parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedApplicationProfile {
    /// `inferenceProfileArn`.
    pub arn: String,
    /// `inferenceProfileName`.
    pub name: String,
    /// `models[].modelArn`.
    pub model_arns: BTreeSet<String>,
}

/// An application profile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApplicationProfile {
    /// Its ARN.
    pub arn: String,
    /// Whose it is.
    pub account_id: AccountId,
    /// Where it is called.
    pub region: Region,
    /// What the account calls it.
    pub name: String,
    /// The ARNs of the model at every destination.
    pub model_arns: BTreeSet<String>,
    /// Since when its account, when it answered, no longer names it.
    pub gone_since: Option<Timestamp>,
}

impl ApplicationProfile {
    /// The model that it leads to; none if it leads to several, or to none that can be read.
    #[must_use]
    pub fn model_id(&self) -> Option<ModelId> {
        let mut models = self.model_arns.iter().map(|arn| destination(arn).map(|(_, model)| model));
        let first = models.next()??;
        models.all(|model| model.as_ref() == Some(&first)).then_some(first)
    }
}

/// What a complete listing of a place changes about one profile of it; `listed` is none where the listing leaves it
/// out.
pub fn merge_application_profile(
    known: Option<&ApplicationProfile>,
    listed: Option<&ListedApplicationProfile>,
    account: &AccountId,
    region: &Region,
    now: Timestamp,
) -> Outcome<ApplicationProfile> {
    let merged = match (known, listed) {
        (None, None) => return Outcome::AlreadyDone,
        (_, Some(listed)) => ApplicationProfile {
            arn: listed.arn.clone(),
            account_id: account.clone(),
            region: region.clone(),
            name: listed.name.clone(),
            model_arns: listed.model_arns.clone(),
            gone_since: None,
        },
        (Some(known), None) => {
            ApplicationProfile { gone_since: Some(known.gone_since.unwrap_or(now)), ..known.clone() }
        }
    };
    if known == Some(&merged) { Outcome::AlreadyDone } else { Outcome::Changed(merged) }
}

#[cfg(test)]
mod tests {
    use jiff::ToSpan as _;

    use super::*;

    const ARN: &str = "arn:aws:bedrock:us-east-1:111122223333:application-inference-profile/abc123";

    fn listed(models: &[&str]) -> ListedApplicationProfile {
        let model_arns = models.iter().map(|model| format!("arn:aws:bedrock:{model}")).collect();
        ListedApplicationProfile { arn: ARN.to_owned(), name: "checkout".to_owned(), model_arns }
    }

    #[test]
    fn a_profile_is_known_while_it_is_listed_and_after_it_is_gone() -> anyhow::Result<()> {
        let (account, region): (AccountId, Region) = ("111122223333".parse()?, "us-east-1".parse()?);
        let day = |n: i64| Timestamp::UNIX_EPOCH.checked_add((24 * n).hours());
        let here = listed(&["us-east-1::foundation-model/amazon.nova-lite-v1:0"]);
        let merge = |known: Option<&ApplicationProfile>, listed: Option<&ListedApplicationProfile>, now: Timestamp| {
            match merge_application_profile(known, listed, &account, &region, now) {
                Outcome::Changed(profile) => Some(profile),
                Outcome::AlreadyDone | Outcome::Refused(_) => None,
            }
        };
        assert_eq!(merge(None, None, day(0)?), None);
        let known = merge(None, Some(&here), day(0)?);
        assert_eq!(known.as_ref().map(|p| p.gone_since), Some(None));
        assert_eq!(merge(known.as_ref(), Some(&here), day(1)?), None, "nothing changed");
        let gone = merge(known.as_ref(), None, day(2)?);
        assert_eq!(gone.as_ref().and_then(|p| p.gone_since), Some(day(2)?));
        assert_eq!(merge(gone.as_ref(), None, day(3)?), None, "it was noticed once");
        assert_eq!(merge(gone.as_ref(), Some(&here), day(4)?), known, "and it is there again");
        Ok(())
    }

    #[test]
    fn the_model_is_named_only_where_every_destination_is_the_same() -> anyhow::Result<()> {
        let check = |models: &[&str], expected: Option<&str>| -> anyhow::Result<()> {
            let Outcome::Changed(profile) = merge_application_profile(
                None,
                Some(&listed(models)),
                &"111122223333".parse()?,
                &"us-east-1".parse()?,
                Timestamp::UNIX_EPOCH,
            ) else {
                anyhow::bail!("nothing was merged")
            };
            assert_eq!(profile.model_id().map(|id| id.to_string()).as_deref(), expected, "{models:?}");
            Ok(())
        };
        let nova = "amazon.nova-lite-v1:0";
        check(&[], None)?;
        check(&["us-east-1::foundation-model/amazon.nova-lite-v1:0"], Some(nova))?;
        check(
            &["us-east-1::foundation-model/amazon.nova-lite-v1:0", "::foundation-model/amazon.nova-lite-v1:0"],
            Some(nova),
        )?;
        check(
            &["us-east-1::foundation-model/amazon.nova-lite-v1:0", "us-west-2::foundation-model/amazon.nova-pro-v1:0"],
            None,
        )?;
        check(&["us-east-1:111122223333:custom-model/a"], None)
    }
}
