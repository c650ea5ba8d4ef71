//! Discovery: which models there are, from Bedrock's regional listings and the shipped Claude Platform catalog.
//!
//! It records what exists and never whether it may be used. A region that does not answer keeps its last snapshot and
//! is named in the run's answer; the fact that a newcomer would get wrong is that "access denied" is never "gone".
//!
//! A schedule begins `run`: it reads each region (`bedrock`) and writes the models that changed, then each account's
//! own inference profiles (`accounts`), and announces what is new to the Leads (`announce`). What a listing makes of a
//! model is decided in `domain::access::models`.

mod accounts;
mod announce;
mod bedrock;
mod run;

use std::collections::BTreeSet;
use std::str::FromStr as _;
use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use domain::base::aws::Region;
use lambda::{EnvironmentError, Function, Host};
use store::Store;

pub use accounts::ProfileSummary;
pub use run::{RegionSummary, Summary};

/// Regions that are read beside those of the accounts: what an organisation sees before it registers any.
const DISCOVERY_REGIONS: &str = "DISCOVERY_REGIONS";

/// What a run stands on.
#[derive(Debug)]
pub struct App {
    pub(crate) host: Host,
    pub(crate) store: Store,
    pub(crate) regions: BTreeSet<Region>,
}

/// The function.
///
/// # Errors
/// When the table is not named, or a region in `DISCOVERY_REGIONS` is none.
pub fn function(host: Host) -> anyhow::Result<Function> {
    let client = Client::new(&host.aws.config());
    let app = App {
        host: host.clone(),
        store: Store::new(client, host.env.require("GOVERNANCE_TABLE")?.to_owned()),
        regions: regions(host.env.get(DISCOVERY_REGIONS).unwrap_or_default())?,
    };
    Ok(Function::builder("model-discovery", Arc::new(app), host).on_schedule("model-discovery", run::discover).build())
}

fn regions(listed: &str) -> Result<BTreeSet<Region>, EnvironmentError> {
    let names = listed.split(',').map(str::trim).filter(|name| !name.is_empty());
    let broken = |why: String| EnvironmentError::Broken { name: DISCOVERY_REGIONS.to_owned(), why };
    names.map(|name| Region::from_str(name).map_err(|error| broken(error.to_string()))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_are_listed_by_comma_and_a_broken_one_stops_the_start() {
        let names = |listed| regions(listed).map(|found| found.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(names("us-west-2, eu-west-1,,eu-west-1"), Ok(vec!["eu-west-1".to_owned(), "us-west-2".to_owned()]));
        assert_eq!(names(""), Ok(Vec::new()));
        assert!(matches!(names("us-east-1,everywhere"), Err(EnvironmentError::Broken { .. })));
    }
}
