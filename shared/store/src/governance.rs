//! What attribution looks facts up in, gathered from the governance table: anchors with their claims, what was approved
//! for whom and when, which model an application inference profile stands for, and what settled disputes moved.
//!
//! Approvals of every state count, each for the days on which it was in force: late spend is judged by the day of its
//! usage, never by today.

use domain::access::anchor::Anchor;
use domain::access::decisions::approval::{Approval, MapMethod};
use domain::access::tasks::chain::Chain;
use domain::base::aws::profile::ProfileKind;
use domain::base::ids::ScopeId;
use domain::spend::bill::attributed::Grounds;
use domain::spend::bill::attribution::Governance;
use domain::spend::card::Transfer;

use crate::aggregates::approval::approvals_in;
use crate::{Index, Store, StoreError};

impl Store {
    /// What says now who answers for a fact. `assumed` is applied as if its dispute were listed as settled already: the
    /// list lags behind what was just written.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn load_grounds(&self, assumed: Option<Transfer>) -> Result<Grounds, StoreError> {
        self.load_grounds_with(&self.list_anchors().await?, assumed).await
    }

    /// The same, with all anchors as they were read already.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn load_grounds_with(
        &self,
        anchors: &[Anchor],
        assumed: Option<Transfer>,
    ) -> Result<Grounds, StoreError> {
        let (settings, _) = self.settings_in_force().await?;
        let mut governance = load_governance(self, anchors).await?;
        assumed.iter().for_each(|transfer| governance.add_transfer(transfer.clone()));
        Ok(Grounds { settings: settings.bill, governance, assumed })
    }
}

async fn load_governance(store: &Store, anchors: &[Anchor]) -> Result<Governance, StoreError> {
    let mut governance = Governance::default();
    anchors.iter().for_each(|anchor| governance.add_anchor(anchor));
    store.list_transfers().await?.into_iter().for_each(|transfer| governance.add_transfer(transfer));
    // The bill names an application profile by its ARN alone. What discovery saw in the accounts is said first, since
    // what was approved and what a chain gave evidence of knows better.
    for profile in store.list_application_profiles().await? {
        if let Some(model_id) = profile.model_id() {
            governance.add_profile(profile.arn, model_id);
        }
    }
    let mut profiled: Vec<ScopeId> = Vec::new();
    for entry in store.list_all(Index::List, &approvals_in(None)).await? {
        let approval: Approval = entry.read()?;
        governance.add_approval(&approval, anchors);
        if approval.decision.map.as_ref().is_some_and(|map| map.methods.contains(&MapMethod::InferenceProfile)) {
            profiled.extend(approval.scopes.into_iter().map(|scope| scope.id));
        }
    }
    // Profiles that tasks made are known by the evidence of their chains.
    for chain in store.load_many::<Chain>(profiled).await? {
        let Chain { profile_arn, model_id, .. } = chain.value;
        if let Some(arn) = profile_arn.filter(|arn| ProfileKind::of_arn(arn) == Some(ProfileKind::Application)) {
            governance.add_profile(arn, model_id);
        }
    }
    Ok(governance)
}
