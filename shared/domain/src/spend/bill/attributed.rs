//! Facts with who answers for each: what spend, explanations, gaps, cards and exports are all made of.

use std::collections::BTreeMap;

use super::alias::Aliases;
use super::attribution::{Attribution, Context, Governance, Verdict, attribute_fact};
use super::facts::{AnchorDay, Fact};
use super::reconciliation::{Control, SpendTotals, total};
use super::settings::BillSettings;
use crate::base::digest::Digest;
use crate::base::money::Currency;
use crate::spend::card::Transfer;

/// What says who answers for a fact, beside the fact itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grounds {
    /// Which settings.
    pub settings: BillSettings,
    /// Claims, approvals, profiles, and what settled disputes moved.
    pub governance: Governance,
    /// What a dispute moved that may not be listed yet; `governance` has it.
    pub assumed: Option<Transfer>,
}

/// A fact, and who answers for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttributedFact {
    /// The fact.
    pub fact: Fact,
    /// Who answers for it, and why.
    pub attribution: Attribution,
}

impl AttributedFact {
    /// Who answers for it.
    #[must_use]
    pub const fn verdict(&self) -> &Verdict {
        &self.attribution.verdict
    }
}

/// The facts of one reading of a month, all attributed by the same grounds, in the reading's order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttributedMonth {
    /// Every fact of the month.
    pub facts: Vec<AttributedFact>,
}

impl AttributedMonth {
    /// Attributes a reading's facts.
    #[must_use]
    pub fn of(days: Vec<AnchorDay>, grounds: &Grounds, aliases: &Aliases) -> Self {
        let context = Context { settings: &grounds.settings, aliases, governance: &grounds.governance };
        let attribute = |fact: Fact| AttributedFact { attribution: attribute_fact(&fact, &context), fact };
        Self { facts: days.into_iter().flat_map(|day| day.facts).map(attribute).collect() }
    }

    /// Where every dollar went, by currency.
    #[must_use]
    pub fn totals(&self, control: &Control) -> BTreeMap<Currency, SpendTotals> {
        total(self.facts.iter().map(|attributed| (&attributed.fact, attributed.verdict())), control)
    }

    /// Who answers for each fact, in one digest.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let verdicts: Vec<&Verdict> = self.facts.iter().map(AttributedFact::verdict).collect();
        Digest::of(&verdicts)
    }
}
