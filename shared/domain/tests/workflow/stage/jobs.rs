//! What the product does by itself: the events that wait are delivered, and the role is checked by night.

use domain::access::anchor::AnchorKey;
use domain::access::decisions::approval::ApprovalState;
use domain::access::drift::approved::diff_of_scopes;
use domain::access::policy::POLICY_NAME;
use domain::access::policy::live::LiveRole;
use domain::access::policy::trust::Runtime;
use domain::access::tasks::chain::end::{decide_carry, decide_end, decide_fix_drift};
use domain::access::tasks::chain::issue::{RoleTurn, decide_issue, decide_take_role};
use domain::access::tasks::chain::{Chain, Progress, ScopeState, Stepped};
use domain::access::tasks::instructions::Trust;
use domain::base::ids::{ApprovalId, ScopeId};
use domain::base::outcome::Outcome;
use domain::base::people::Actor;

use super::{Came, Consequence, Night, Stage, note};

impl Stage {
    /// Delivers one of the events that wait, whichever.
    pub(crate) fn deliver(&mut self, which: usize) -> anyhow::Result<()> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let job = Actor::system("task-sequencing");
        match self.waiting.remove(which % self.waiting.len()) {
            Consequence::Issue(scope) => self.issue(&scope, &job).map(drop),
            Consequence::Supersede(old, new) => self.supersede(&old, &new, &job),
            Consequence::End(approval) => {
                let scopes = self.approvals[&approval].scopes.clone();
                scopes.iter().try_for_each(|scope| self.end(&scope.id, &job).map(drop))
            }
            Consequence::Turn => self.take_turn(&job),
        }
    }

    /// Delivers all of them, and what follows from them.
    pub(crate) fn settle(&mut self) -> anyhow::Result<()> {
        while !self.waiting.is_empty() {
            self.deliver(0)?;
        }
        Ok(())
    }

    /// The nightly check; where the role is not as approved, it opens the repair if it can.
    pub(crate) fn night(&mut self) -> anyhow::Result<Night> {
        let Some(role) = self.role.clone() else { return Ok(Night::Unjudged) };
        let chains: Vec<Chain> = role.scopes.iter().filter_map(|id| self.chains.get(id)).cloned().collect();
        let AnchorKey::Role(name) = &role.key else { return Ok(Night::Unjudged) };
        if chains.is_empty() && !role.exists {
            return Ok(Night::Unjudged);
        }
        let inline = self.live.iter().map(|live| (POLICY_NAME.to_owned(), live.policy.clone())).collect();
        let live = LiveRole { inline, ..LiveRole::default() };
        let trust = Trust { runtime: Runtime::Lambda, detail: None };
        if diff_of_scopes(name, &chains, trust, Some(&live))?.is_none() {
            return Ok(Night::AsApproved);
        }
        let implemented = chains.iter().filter(|chain| chain.state == ScopeState::Implemented).map(|c| &c.id).min();
        if let Some(scope) = implemented.cloned() {
            let job = Actor::system("drift");
            self.step(&scope, |stage, chain, _, now| {
                let turn = stage.turn(chain);
                let active = stage.approvals[&chain.approval_id].state == ApprovalState::Active;
                if turn != RoleTurn::Free || !active {
                    return Outcome::AlreadyDone;
                }
                decide_fix_drift(chain, &turn, &|chain, kind| stage.render(chain, kind), &job, now)
            })?;
        }
        Ok(Night::Drifted)
    }

    fn issue(&mut self, scope: &ScopeId, job: &Actor) -> anyhow::Result<Came> {
        self.step(scope, |stage, chain, _, now| {
            if stage.approvals[&chain.approval_id].state != ApprovalState::Active {
                return Outcome::AlreadyDone;
            }
            decide_issue(chain, &stage.turn(chain), &|chain, kind| stage.render(chain, kind), job, now)
        })
    }

    fn supersede(&mut self, old: &ApprovalId, new: &ApprovalId, job: &Actor) -> anyhow::Result<()> {
        let successor = self.approvals[new].clone();
        for scope in self.approvals[old].scopes.clone() {
            if successor.scopes.iter().any(|kept| kept.carried && kept.id == scope.id) {
                self.step(&scope.id, |_, chain, _, _| {
                    decide_carry(chain, &successor, job).map(|chain| Stepped::alone(chain, Progress::None))
                })?;
            } else {
                self.end(&scope.id, job)?;
            }
        }
        Ok(())
    }

    fn end(&mut self, scope: &ScopeId, job: &Actor) -> anyhow::Result<Came> {
        let why = note()?;
        self.step(scope, |stage, chain, _, now| {
            decide_end(chain, &why, &stage.turn(chain), &|chain, kind| stage.render(chain, kind), job, now)
        })
    }

    fn take_turn(&mut self, job: &Actor) -> anyhow::Result<()> {
        let next = self.role.as_ref().and_then(|role| role.next_in_turn().cloned());
        let Some((scope, task)) = next.and_then(|task| Some((Chain::id_of_task(&task)?, task))) else { return Ok(()) };
        self.step(&scope, |stage, chain, _, now| {
            decide_take_role(chain, &task, &|chain, kind| stage.render(chain, kind), job, now)
        })?;
        Ok(())
    }
}
