//! Each account's application inference profiles, read through its reader role and recorded one by one.
//!
//! An account and region that refuses or is silent keeps what was known of it. What a complete listing leaves out is
//! gone.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use aws_credential_types::Credentials;
use aws_sdk_bedrock::Client;
use aws_sdk_bedrock::types::{InferenceProfileSummary, InferenceProfileType};
use contract::events::Event;
use domain::access::models::model::application::{
    ApplicationProfile, ListedApplicationProfile, merge_application_profile,
};
use domain::access::workloads::account::Account;
use domain::base::aws::profile::is_application_profile;
use domain::base::aws::{AccountId, Partition, Region};
use domain::base::outcome::Outcome;
use lambda::{Cause, Failure, Tried};
use reader::NoEntry;
use serde::Serialize;
use store::StoreError;
use tokio::task::JoinSet;

use crate::App;
use crate::bedrock::{list_profiles, why};

/// How the reading shows up in the account's trail.
const SESSION_NAME: &str = "finops-center-discovery";
/// Accounts that are read at the same time; the regions of each, one after another.
const ACCOUNTS_AT_ONCE: usize = 4;

/// What was read of the accounts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProfileSummary {
    /// Accounts and regions that answered.
    pub places: usize,
    /// Profiles that they listed.
    pub listed: usize,
    /// Profiles of which something changed, new and gone ones included.
    pub changed: usize,
    /// Accounts and regions that did not answer, and why: `account/region`.
    pub unknown: BTreeMap<String, String>,
}

type Place = (AccountId, Region);
type Answer = Result<Vec<ListedApplicationProfile>, String>;

/// Reads every account, and records what changed in each as soon as it was read.
pub(crate) async fn discover(app: &Arc<App>, cause: &Cause, tried: &mut Tried) -> Result<ProfileSummary, Failure> {
    let mut summary = ProfileSummary::default();
    let mut waiting = app.store.list_active_accounts().await?.into_iter();
    let mut reading = JoinSet::new();
    loop {
        while reading.len() < ACCOUNTS_AT_ONCE
            && let Some(account) = waiting.next()
        {
            let app = Arc::clone(app);
            reading.spawn(async move { read_account(&app, &account).await });
        }
        match reading.join_next().await {
            Some(Ok(answers)) => record_account(app, cause, answers, &mut summary, tried).await,
            Some(Err(error)) => tracing::error!(error = %error, "the reading of an account broke off"),
            None => return Ok(summary),
        }
    }
}

async fn record_account(
    app: &App,
    cause: &Cause,
    answers: Vec<(Place, Answer)>,
    summary: &mut ProfileSummary,
    tried: &mut Tried,
) {
    for ((account, region), answer) in answers {
        match answer {
            Ok(listed) => {
                summary.places += 1;
                summary.listed += listed.len();
                let changed = record_place(app, cause, &account, &region, &listed).await.map_err(Failure::from);
                summary.changed += tried.note(changed).unwrap_or_default();
            }
            Err(why) => {
                tracing::warn!(
                    account = %account, region = %region, why,
                    "application profiles are unknown; the last snapshot stands"
                );
                summary.unknown.insert(format!("{account}/{region}"), why);
            }
        }
    }
}

/// The answers of an account's regions. One way in serves all regions of a partition.
async fn read_account(app: &App, account: &Account) -> Vec<(Place, Answer)> {
    let mut entries: BTreeMap<Partition, Result<Credentials, NoEntry>> = BTreeMap::new();
    let mut answers = Vec::new();
    for region in &account.regions {
        let partition = Partition::of_region(region);
        let entry = match entries.entry(partition) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => {
                new.insert(reader::enter(&app.host, partition, &account.account_id, SESSION_NAME).await)
            }
        };
        let answer = match entry {
            Ok(credentials) => read_place(app, credentials, &account.account_id, region).await,
            Err(refused) => Err(refused.to_string()),
        };
        answers.push(((account.account_id.clone(), region.clone()), answer));
    }
    answers
}

async fn read_place(app: &App, credentials: &Credentials, account: &AccountId, region: &Region) -> Answer {
    let config = app.host.aws.config_as(credentials.clone(), region.as_str());
    let profiles = list_profiles(&Client::new(&config), InferenceProfileType::Application).await;
    let profiles = profiles.map_err(|error| why("ListInferenceProfiles", &error))?;
    // One that is not this place's own is none that a scope here could call through.
    let own = |p: &InferenceProfileSummary| is_application_profile(p.inference_profile_arn(), account, region);
    Ok(profiles.into_iter().filter(own).map(listed).collect())
}

fn listed(profile: InferenceProfileSummary) -> ListedApplicationProfile {
    ListedApplicationProfile {
        arn: profile.inference_profile_arn,
        name: profile.inference_profile_name,
        model_arns: profile.models.into_iter().filter_map(|model| model.model_arn).collect(),
    }
}

/// Records a complete listing; answers how many profiles it changed.
async fn record_place(
    app: &App,
    cause: &Cause,
    account: &AccountId,
    region: &Region,
    listed: &[ListedApplicationProfile],
) -> Result<usize, StoreError> {
    let known = app.store.list_application_profiles_in(account, region).await?;
    let known: BTreeMap<&str, &ApplicationProfile> = known.iter().map(|p| (p.arn.as_str(), p)).collect();
    let listed: BTreeMap<&str, &ListedApplicationProfile> = listed.iter().map(|p| (p.arn.as_str(), p)).collect();
    let mut changed = 0;
    for arn in known.keys().chain(listed.keys()).copied().collect::<std::collections::BTreeSet<_>>() {
        let listed = listed.get(arn).copied();
        // The list may lag behind the table; only a change is worth a consistent read.
        let merged = merge_application_profile(known.get(arn).copied(), listed, account, region, cause.now);
        if matches!(merged, Outcome::Changed(_)) {
            changed += usize::from(record(app, cause, arn, listed, (account, region)).await?);
        }
    }
    Ok(changed)
}

async fn record(
    app: &App,
    cause: &Cause,
    arn: &str,
    listed: Option<&ListedApplicationProfile>,
    (account, region): (&AccountId, &Region),
) -> Result<bool, StoreError> {
    app.store
        .transact(|| async {
            let before = app.store.load::<ApplicationProfile>(arn).await?;
            let known = before.as_ref().map(|b| &b.value);
            let merged = merge_application_profile(known, listed, account, region, cause.now).changed();
            let event = |_: &mut _, profile: &ApplicationProfile| Event::ProfileChanged {
                arn: arn.to_owned(),
                model_id: profile.model_id(),
            };
            Ok(cause.save(before.as_ref(), merged, event))
        })
        .await
}
