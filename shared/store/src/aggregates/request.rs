//! Requests: by state and by workload; an open one's rows are listed with its model's scopes, under review.

use contract::events::Event;
use domain::access::decisions::approval::{Approval, ApprovalState};
use domain::access::decisions::request::{Request, RequestFields, RequestState, SubmitContext};
use domain::access::models::model::Model;
use domain::access::tasks::chain::{Chain, Presence, ScopeState};
use domain::access::workloads::space::{Space, Workload};
use domain::base::ids::{RequestId, WorkloadId};
use domain::base::platform::{ModelKey, Platform};
use serde_json::json;

use crate::aggregate::{Aggregate, Listing, Loaded, Row};
use crate::aggregates::chain::scopes_of;
use crate::transaction::Transaction;
use crate::{Store, StoreError, keys};

impl Aggregate for Request {
    type Id = RequestId;

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
        let row = |(number, scope): (usize, &domain::access::decisions::request::RequestedScope)| {
            let id = format!("{}-{number}", self.id);
            let doc = json!({
                "id": id, "state": ScopeState::UnderReview, "requestId": self.id, "workloadId": self.fields.workload_id,
                "spaceId": self.space_id, "accountId": scope.account_id, "region": scope.region,
                "iamRole": scope.iam_role,
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
    let presence = |(number, scope): (usize, &domain::access::decisions::request::RequestedScope)| Presence {
        space: request.space_id.clone(),
        state: ScopeState::UnderReview,
        account: scope.account_id.to_string(),
        workspace: claude.then(|| format!("{}-{number}", request.id)),
    };
    request.fields.scopes.iter().enumerate().map(presence).collect()
}

/// What submitting a request depends on, read consistently.
#[derive(Debug)]
pub struct Submission {
    space: Space,
    workload: Loaded<Workload>,
    model: Option<Loaded<Model>>,
    /// The active approval that the request would replace, with its chains.
    replaced: Option<Approval>,
    replaced_chains: Vec<Chain>,
}

impl Submission {
    /// The same, as the decision takes it.
    #[must_use]
    pub fn context(&self) -> SubmitContext<'_> {
        SubmitContext {
            space: &self.space,
            workload: &self.workload.value,
            model: self.model.as_ref().map(|model| &model.value),
            replaced: self.replaced.as_ref(),
            replaced_chains: &self.replaced_chains,
        }
    }
}

impl Store {
    /// What submitting these fields depends on, beside the workload and its Space.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn load_submission(
        &self,
        space: Space,
        workload: Loaded<Workload>,
        fields: &RequestFields,
    ) -> Result<Submission, StoreError> {
        let named = fields.platform.zip(fields.model_id.as_ref());
        let Some(key) = named.map(|(platform, id)| ModelKey::of(platform, &id.base())) else {
            return Ok(Submission { space, workload, model: None, replaced: None, replaced_chains: Vec::new() });
        };
        let model = self.load::<Model>(&key).await?;
        let last = self.load_last_approval(&Approval::key(&workload.value.id, &key, fields.tier)).await?;
        let replaced = last.map(|last| last.value).filter(|last| last.state == ApprovalState::Active);
        let replaced_chains = match &replaced {
            Some(approval) => self.load_chains_of(approval).await?.into_iter().map(|chain| chain.value).collect(),
            None => Vec::new(),
        };
        Ok(Submission { space, workload, model, replaced, replaced_chains })
    }
}

impl Transaction {
    /// Lets a request be submitted only if its workload and its model are still as they were when that was decided:
    /// whoever decides about the model rejects the requests that are there, and would not know of one that is still
    /// to be written. Answers the event of the submission.
    pub fn guard_submission(&mut self, seen: &Submission, request: &Request) -> Event {
        self.unless_changed(&seen.workload);
        seen.model.iter().for_each(|model| self.unless_changed(model));
        self.count_request(None, Some(request));
        Event::RequestSubmitted {
            place: request.into(),
            request_id: request.id.clone(),
            model_key: request.model_key.clone(),
        }
    }

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
