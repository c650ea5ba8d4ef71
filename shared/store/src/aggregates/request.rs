//! Requests: by state and by workload; an open one's rows are listed with its model's scopes, under review.

use domain::chain::{Presence, ScopeState};
use domain::ids::WorkloadId;
use domain::platform::Platform;
use domain::request::{Request, RequestState};
use serde_json::json;

use crate::aggregate::{Aggregate, Listing, Row};
use crate::aggregates::chain::scopes_of;
use crate::keys;
use crate::transaction::Transaction;

impl Aggregate for Request {
    const KIND: &'static str = "REQUEST";

    fn id(&self) -> String {
        self.id.to_string()
    }

    fn listing(&self) -> Listing {
        Listing::list(keys::in_state_shard(Self::KIND, self.state.as_str(), self.id.as_str()), self.id())
            .and_parent(requests_of(&self.fields.workload_id), self.id())
    }

    fn rows(&self) -> Vec<Row> {
        let Some(model) = self.model_key.as_ref().filter(|_| self.state == RequestState::Submitted) else {
            return Vec::new();
        };
        let row = |(number, scope): (usize, &domain::request::RequestedScope)| {
            let id = format!("{}-{number}", self.id);
            let doc = json!({
                "id": id, "state": ScopeState::UnderReview, "requestId": self.id, "workloadId": self.fields.workload_id,
                "spaceId": self.space_id, "accountId": scope.account_id, "region": scope.region, "iamRole": scope.iam_role,
                "existing": scope.existing, "inferenceProfile": scope.inference_profile,
            });
            Row {
                name: format!("SCOPE#{number:04}"),
                doc,
                listing: Listing { list: None, parent: Some((scopes_of(model), id)) },
            }
        };
        self.fields.scopes.iter().enumerate().map(row).collect()
    }
}

/// What an open request's rows add to its model's row in the AI Models table.
#[must_use]
pub fn presences(request: &Request) -> Vec<Presence> {
    if request.state != RequestState::Submitted {
        return Vec::new();
    }
    let claude = request.fields.platform == Some(Platform::ClaudePlatform);
    let presence = |(number, scope): (usize, &domain::request::RequestedScope)| Presence {
        state: ScopeState::UnderReview,
        account: scope.account_id.to_string(),
        workspace: claude.then(|| format!("{}-{number}", request.id)),
    };
    request.fields.scopes.iter().enumerate().map(presence).collect()
}

impl Transaction {
    /// Moves what a request's rows add to their model's row, from as it was to as it is.
    pub fn count_request(&mut self, before: Option<&Request>, after: Option<&Request>) {
        for (request, is_after) in before.map(|r| (r, false)).into_iter().chain(after.map(|r| (r, true))) {
            let Some(model) = &request.model_key else { continue };
            for presence in presences(request) {
                let (gone, come) = if is_after { (None, Some(&presence)) } else { (Some(&presence), None) };
                self.count(model, gone, come);
            }
        }
    }
}

/// Parent partition of a workload's requests.
#[must_use]
pub fn requests_of(workload: &WorkloadId) -> String {
    keys::partition("REQUESTS-OF", workload.as_str())
}

/// List partitions of the requests in a state, or in every one.
#[must_use]
pub fn requests_in(state: Option<RequestState>) -> Vec<String> {
    let states = state.map_or(RequestState::ALL.to_vec(), |s| vec![s]);
    states.iter().flat_map(|s| keys::in_state(Request::KIND, s.as_str())).collect()
}
