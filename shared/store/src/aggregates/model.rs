//! Models with their counters: the AI Models table is one query, and costs with the number of models, never of scopes.

use std::collections::{BTreeMap, BTreeSet};

use domain::access::models::model::Model;
use domain::access::tasks::chain::{Presence, ScopeState};
use domain::access::workloads::space::Space;
use domain::base::platform::ModelKey;

use crate::aggregate::{Aggregate, Listing};
use crate::item::{self, Item};
use crate::read::{Entry, Index};
use crate::{Store, StoreError, keys};

impl Aggregate for Model {
    type Id = ModelKey;

    const KIND: &'static str = "MODEL";

    fn id(&self) -> String {
        self.model_key.to_string()
    }

    fn listing(&self) -> Listing {
        // The counters of the model follow it in the list: they end in #1.
        Listing::list(keys::all_of(Self::KIND), format!("{}#0", keys::model(&self.model_key)))
    }
}

/// What a model's scopes add up to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ModelCounts {
    /// Scopes by state; zero where there is none.
    pub scopes: BTreeMap<ScopeState, u64>,
    /// Accounts with a live scope.
    pub accounts: BTreeSet<String>,
    /// Workspaces with a live scope; each row of an open request is one.
    pub workspaces: BTreeSet<String>,
}

impl ModelCounts {
    /// Scopes in a state.
    #[must_use]
    pub fn of(&self, state: ScopeState) -> u64 {
        self.scopes.get(&state).copied().unwrap_or(0)
    }

    /// Counts a scope, or a row of an open request, in.
    pub fn add(&mut self, presence: &Presence) {
        if presence.state.is_live() {
            *self.scopes.entry(presence.state).or_default() += 1;
            self.accounts.insert(presence.account.clone());
            self.workspaces.extend(presence.workspace.clone());
        }
    }

    /// Adds what other scopes add up to.
    fn merge(&mut self, other: Self) {
        for (state, amount) in other.scopes {
            *self.scopes.entry(state).or_default() += amount;
        }
        self.accounts.extend(other.accounts);
        self.workspaces.extend(other.workspaces);
    }

    fn read(item: &Item) -> Self {
        let positive = |value: &aws_sdk_dynamodb::types::AttributeValue| {
            value.as_n().ok().and_then(|n| n.parse::<i64>().ok()).and_then(|n| u64::try_from(n).ok()).filter(|n| *n > 0)
        };
        let mut counts = Self::default();
        for (name, value) in item {
            let (Some((kind, rest)), Some(amount)) = (name.split_once('#'), positive(value)) else { continue };
            match kind {
                "state" => {
                    if let Some(state) = ScopeState::ALL.into_iter().find(|s| s.as_str() == rest) {
                        counts.scopes.insert(state, amount);
                    }
                }
                "account" => {
                    counts.accounts.insert(rest.to_owned());
                }
                "workspace" => {
                    counts.workspaces.insert(rest.to_owned());
                }
                _ => {}
            }
        }
        counts
    }
}

/// What Spaces' own scopes add up to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OwnCounts<'s> {
    /// By model.
    pub counts: BTreeMap<ModelKey, ModelCounts>,
    /// The Spaces that are not in it.
    pub uncounted: Vec<&'s Space>,
}

/// A row of the AI Models table, before it is rendered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelRow {
    /// The model.
    pub model: Model,
    /// Its version.
    pub version: u64,
    /// What its scopes add up to.
    pub counts: ModelCounts,
}

impl Store {
    /// Every model with its counters.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn list_models(&self) -> Result<Vec<ModelRow>, StoreError> {
        let entries = self.list_all(Index::List, &[keys::all_of(Model::KIND)]).await?;
        let mut rows: Vec<ModelRow> = Vec::with_capacity(entries.len());
        for entry in &entries {
            if entry.sort().ends_with("#0") {
                rows.push(ModelRow { model: entry.read()?, version: entry.version()?, counts: ModelCounts::default() });
            } else if let Some(row) =
                rows.last_mut().filter(|r| entry.partition().is_ok_and(|p| p == keys::model(&r.model.model_key)))
            {
                row.counts = ModelCounts::read(Entry::item(entry));
            }
        }
        Ok(rows)
    }

    /// What the scopes of Spaces add up to, by model, in one query for each Space and the models that it uses; the
    /// Spaces that an older version created come back instead, since that did not count for them.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn list_counts_of_spaces<'s>(&self, spaces: &'s [Space]) -> Result<OwnCounts<'s>, StoreError> {
        let mut own = OwnCounts::default();
        for space in spaces {
            let items = self.query_partition(&keys::counts_of_space(&space.id), keys::COUNTED).await?;
            let mut is_counted = false;
            let mut rows: Vec<(ModelKey, ModelCounts)> = Vec::with_capacity(items.len());
            for item in &items {
                match item::text_of(item, keys::SK)?.strip_prefix("MODEL#").map(str::parse) {
                    Some(Ok(model)) => rows.push((model, ModelCounts::read(item))),
                    Some(Err(_)) | None => is_counted = true,
                }
            }
            if is_counted {
                rows.into_iter().for_each(|(model, counts)| own.counts.entry(model).or_default().merge(counts));
            } else {
                own.uncounted.push(space);
            }
        }
        Ok(own)
    }

    /// A model's counters, consistently.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn load_model_counts(&self, model: &ModelKey) -> Result<ModelCounts, StoreError> {
        let counts = self.get(item::primary_key(&keys::model(model), keys::COUNTS)).await?;
        Ok(counts.map(|c| ModelCounts::read(&c)).unwrap_or_default())
    }
}
