//! Requester, approver and executor are three people, for every document that is put on a role: the product's decisions
//! beside a plain reference of the rule, over random histories of several people in every role.
//!
//! `cargo test` runs some hundred histories; `PROPTEST_CASES=100000 cargo test --release -p domain --test workflow`
//! runs many. A disagreement prints the shortest history that shows it.

#![expect(clippy::indexing_slicing, reason = "what is looked up was put there, and a panic fails the test")]

mod reference;
mod stage;

use std::collections::BTreeMap;

use domain::access::decisions::approval::{Approval, ApprovalState};
use domain::access::tasks::chain::ScopeState;
use domain::access::tasks::task::TaskState;
use domain::base::ids::{ScopeId, TaskId};
use domain::base::text::Sub;
use proptest::collection::vec;
use proptest::prelude::*;
use reference::{Executors, behind_approval, behind_scope, is_reviewer, maybe_behind_scope};
use stage::{Came, Night, PEOPLE, Stage, fields, is_open};

/// One thing that somebody does, or that the product does by itself. Numbers choose among what there is at that moment.
#[derive(Debug, Clone)]
enum Command {
    Submit { who: usize, model: usize, names_model: bool },
    Approve { who: usize, request: usize, model: usize, regions: [bool; 2], streams: bool },
    Narrow { who: usize, model: usize, regions: [bool; 2], streams: bool },
    BreakGlass { who: usize, model: usize },
    Review { who: usize, approval: usize },
    Revoke { who: usize, model: usize },
    Start { who: usize, task: usize },
    CarryOut { task: usize },
    Complete { who: usize, task: usize },
    Return { who: usize, task: usize },
    Release { who: usize, task: usize },
    Reissue { who: usize, task: usize },
    Deliver { which: usize },
    Settle,
    Night,
}

fn command() -> impl Strategy<Value = Command> {
    let (who, which, model) = (|| 0..PEOPLE.len(), || 0..8_usize, || 0..2_usize);
    let regions = || prop_oneof![Just([true, false]), Just([false, true]), Just([true, true])];
    prop_oneof![
        4 => (who(), model(), prop::bool::weighted(0.8))
            .prop_map(|(who, model, names_model)| Command::Submit { who, model, names_model }),
        8 => (who(), which(), model(), regions(), any::<bool>()).prop_map(|(who, request, model, regions, streams)| {
            Command::Approve { who, request, model, regions, streams }
        }),
        2 => (who(), model(), regions(), any::<bool>())
            .prop_map(|(who, model, regions, streams)| Command::Narrow { who, model, regions, streams }),
        1 => (who(), model()).prop_map(|(who, model)| Command::BreakGlass { who, model }),
        1 => (who(), which()).prop_map(|(who, approval)| Command::Review { who, approval }),
        1 => (who(), model()).prop_map(|(who, model)| Command::Revoke { who, model }),
        12 => (who(), which()).prop_map(|(who, task)| Command::Start { who, task }),
        6 => which().prop_map(|task| Command::CarryOut { task }),
        10 => (who(), which()).prop_map(|(who, task)| Command::Complete { who, task }),
        2 => (who(), which()).prop_map(|(who, task)| Command::Return { who, task }),
        2 => (who(), which()).prop_map(|(who, task)| Command::Release { who, task }),
        2 => (who(), which()).prop_map(|(who, task)| Command::Reissue { who, task }),
        6 => (0..16_usize).prop_map(|which| Command::Deliver { which }),
        5 => Just(Command::Settle),
        2 => Just(Command::Night),
    ]
}

/// The product, and what the reference has noted of it.
struct Run {
    stage: Stage,
    executors: Executors,
    /// The documents of all open tasks, as they were after the last command.
    documents: BTreeMap<TaskId, Vec<ScopeId>>,
}

/// What the reference says of a step on a task.
struct Expected {
    /// The three people would not be three: it must be refused.
    must_not: bool,
    /// It may be refused for their sake.
    may_not: bool,
}

impl Run {
    fn play(&mut self, command: &Command) -> anyhow::Result<()> {
        let stage = &mut self.stage;
        match command {
            Command::Submit { who, model, names_model } => self.submit(person(*who), *model, *names_model)?,
            Command::Approve { who, request, model, regions, streams } => {
                self.approve(person(*who), *request, *model, *regions, *streams)?;
            }
            Command::Narrow { who, model, regions, streams } => {
                self.narrow(person(*who), *model, *regions, *streams)?
            }
            Command::BreakGlass { who, model } => self.break_glass(person(*who), *model)?,
            Command::Review { who, approval } => self.review(person(*who), *approval)?,
            Command::Revoke { who, model } => {
                stage.revoke(person(*who), *model)?;
            }
            Command::Start { who, task } => self.start(person(*who), *task)?,
            Command::Complete { who, task } => self.complete(person(*who), *task)?,
            Command::CarryOut { task } => {
                if let Some((scope, task)) = chosen(&stage.open_tasks(), *task) {
                    stage.carry_out(&scope, &task)?;
                }
            }
            Command::Return { who, task } | Command::Release { who, task } | Command::Reissue { who, task } => {
                if let Some((scope, task)) = chosen(&stage.open_tasks(), *task) {
                    let who = person(*who);
                    match command {
                        Command::Return { .. } => stage.give_back(who, &scope, &task)?,
                        Command::Release { .. } => stage.release(who, &scope, &task)?,
                        _ => stage.reissue(who, &scope, &task)?,
                    };
                }
            }
            Command::Deliver { which } => stage.deliver(*which)?,
            Command::Settle => stage.settle()?,
            Command::Night => self.night()?,
        }
        self.check()
    }

    fn submit(&mut self, who: &str, model: usize, names_model: bool) -> anyhow::Result<()> {
        let sub: Sub = who.parse()?;
        let replaced = self.stage.active(model).filter(|_| names_model && self.stage.owns(&sub));
        let separated = replaced.is_some_and(|old| self.may_not_ask(old, &sub));
        let came = self.stage.submit(who, model, names_model)?;
        anyhow::ensure!((came == Came::Separated) == separated, "{who} asks: {came:?}, expected {separated}");
        Ok(())
    }

    fn approve(&mut self, who: &str, request: usize, model: usize, at: [bool; 2], streams: bool) -> anyhow::Result<()> {
        let open: Vec<usize> = (0..self.stage.requests.len()).filter(|n| is_open(&self.stage.requests[*n])).collect();
        let Some(number) = chosen(&open, request) else { return Ok(()) };
        let (sub, asked) = (who.parse::<Sub>()?, self.stage.requests[number].clone());
        let named = asked.fields.model_id.as_ref();
        let model = named.and_then(|id| stage::MODELS.iter().position(|m| *m == id.as_str())).unwrap_or(model);
        let by_replaced = self
            .stage
            .active(model)
            .is_some_and(|old| self.may_not_decide(old, &sub) || self.may_not_ask(old, &asked.requested_by));
        let separated = asked.requested_by == sub || by_replaced;
        let came = self.stage.approve(who, number, fields(model, at, streams)?)?;
        anyhow::ensure!((came == Came::Separated) == separated, "{who} approves: {came:?}, expected {separated}");
        Ok(())
    }

    fn narrow(&mut self, who: &str, model: usize, at: [bool; 2], streams: bool) -> anyhow::Result<()> {
        let sub: Sub = who.parse()?;
        let before = self.stage.active(model).cloned();
        let separated = before.as_ref().is_some_and(|old| self.may_not_decide(old, &sub));
        let wanted = fields(model, at, streams)?;
        let same = before
            .as_ref()
            .is_some_and(|old| old.decision.scopes == wanted.scopes && old.decision.actions == wanted.actions);
        let came = self.stage.narrow(who, wanted)?;
        anyhow::ensure!((came == Came::Separated) == separated, "{who} narrows: {came:?}, expected {separated}");
        anyhow::ensure!(came != Came::Done || !same, "{who} narrowed to the same");
        Ok(())
    }

    fn break_glass(&mut self, who: &str, model: usize) -> anyhow::Result<()> {
        let sub: Sub = who.parse()?;
        let replaced = self.stage.active(model).is_some_and(|old| self.may_not_decide(old, &sub));
        let separated = self.stage.owns(&sub) || replaced;
        let unreviewed = self.stage.approvals.values().any(|a| a.break_glass.is_some() && a.review.is_none());
        let came = self.stage.break_glass(who, fields(model, [true, false], false)?)?;
        anyhow::ensure!((came == Came::Separated) == separated, "{who} breaks glass: {came:?}, expected {separated}");
        anyhow::ensure!(came != Came::Done || !unreviewed, "{who} broke glass while one was unreviewed");
        Ok(())
    }

    fn review(&mut self, who: &str, approval: usize) -> anyhow::Result<()> {
        let sub: Sub = who.parse()?;
        let opened: Vec<Approval> =
            self.stage.approvals.values().filter(|a| a.break_glass.is_some()).cloned().collect();
        let Some(approval) = chosen(&opened, approval) else { return Ok(()) };
        let separated = approval.decided_by == sub || self.executors.carried_out(&approval, &sub);
        let came = self.stage.review(who, &approval.id)?;
        anyhow::ensure!((came == Came::Separated) == separated, "{who} reviews: {came:?}, expected {separated}");
        Ok(())
    }

    fn start(&mut self, who: &str, task: usize) -> anyhow::Result<()> {
        let Some((scope, task)) = chosen(&self.stage.open_tasks(), task) else { return Ok(()) };
        let sub: Sub = who.parse()?;
        let (expected, document) = (self.expect(&sub, &scope, &task), self.stage.document_of(&scope, &task));
        let came = self.stage.start(who, &scope, &task)?;
        expected.check(came, || format!("{who} starts {task} that puts {document:?}"))?;
        if came == Came::Done {
            self.executors.note(&sub, document.into_iter().chain([scope]));
        }
        Ok(())
    }

    fn complete(&mut self, who: &str, task: usize) -> anyhow::Result<()> {
        let Some((scope, task)) = chosen(&self.stage.open_tasks(), task) else { return Ok(()) };
        let (expected, document) = (self.expect(&who.parse()?, &scope, &task), self.stage.document_of(&scope, &task));
        let came = self.stage.complete(who, &scope, &task)?;
        expected.check(came, || format!("{who} completes {task} that puts {document:?}"))
    }

    fn night(&mut self) -> anyhow::Result<()> {
        let seen = self.stage.night()?;
        let Some(live) = self.stage.live.as_ref().filter(|_| seen == Night::AsApproved) else { return Ok(()) };
        for scope in &live.scopes {
            let chain = &self.stage.chains[scope];
            let puts = |state: TaskState| {
                chain.tasks.iter().any(|t| t.kind.puts_policy() && !t.kind.revokes() && t.state == state)
            };
            let answered_for = match chain.state {
                ScopeState::Implemented => true,
                ScopeState::PendingTask => puts(TaskState::InProgress),
                ScopeState::PendingRevocation => puts(TaskState::Completed),
                ScopeState::Approved | ScopeState::Revoked | ScopeState::UnderReview => false,
            };
            anyhow::ensure!(answered_for, "{scope} is live, {:?}, and no drift", chain.state);
        }
        Ok(())
    }

    /// Whether somebody has a part in an approval that keeps them from asking for what takes it over.
    fn may_not_ask(&self, old: &Approval, who: &Sub) -> bool {
        behind_approval(&self.stage, &old.id).decided.contains(who) || self.executors.carried_out(old, who)
    }

    /// The same from deciding on that.
    fn may_not_decide(&self, old: &Approval, who: &Sub) -> bool {
        behind_approval(&self.stage, &old.id).asked.contains(who) || self.executors.carried_out(old, who)
    }

    fn expect(&self, who: &Sub, scope: &ScopeId, task: &TaskId) -> Expected {
        let chain = |held: &ScopeId| &self.stage.chains[held];
        let document = self.stage.document_of(scope, task);
        let barred = behind_approval(&self.stage, &chain(scope).approval_id).includes(who)
            || is_reviewer(&self.stage, scope, who)
            || document.iter().any(|held| is_reviewer(&self.stage, held, who));
        let others = || document.iter().filter(|held| *held != scope);
        Expected {
            must_not: barred || others().any(|held| behind_scope(&self.stage, held).includes(who)),
            may_not: barred || others().any(|held| maybe_behind_scope(&self.stage, chain(held)).includes(who)),
        }
    }

    /// A document that was written by the last command holds what is to live on the role: no grant of a scope that
    /// was given back or has ended, until it is issued again.
    fn check_documents(&mut self) -> anyhow::Result<()> {
        let mut documents = BTreeMap::new();
        for (scope, task) in self.stage.open_tasks() {
            let document = self.stage.document_of(&scope, &task);
            if self.documents.get(&task) != Some(&document) {
                for held in document.iter().filter(|held| **held != scope) {
                    let state = self.stage.chains[held].state;
                    let is_to_live = matches!(
                        state,
                        ScopeState::PendingTask | ScopeState::Implemented | ScopeState::PendingRevocation
                    );
                    anyhow::ensure!(is_to_live, "{task} was written and holds {held}, which is {state:?}");
                }
            }
            documents.insert(task, document);
        }
        self.documents = documents;
        Ok(())
    }

    /// What holds after every command.
    fn check(&mut self) -> anyhow::Result<()> {
        self.check_documents()?;
        if let Some(live) = &self.stage.live {
            for scope in &live.scopes {
                let behind = behind_scope(&self.stage, scope);
                anyhow::ensure!(!behind.includes(&live.by), "{} put {scope}, behind which stand {behind:?}", live.by);
            }
        }
        for approval in self.stage.approvals.values().filter(|a| a.state == ApprovalState::Active) {
            let behind = behind_approval(&self.stage, &approval.id);
            anyhow::ensure!(behind.asked.is_disjoint(&behind.decided), "{}: {behind:?}", approval.id);
            for scope in &approval.scopes {
                let executors = self.executors.of(&scope.id);
                let both = executors.iter().find(|who| behind.includes(who));
                anyhow::ensure!(both.is_none(), "{both:?} carried out {} of {}: {behind:?}", scope.id, approval.id);
            }
        }
        Ok(())
    }
}

impl Expected {
    fn check(&self, came: Came, what: impl Fn() -> String) -> anyhow::Result<()> {
        anyhow::ensure!(!self.must_not || came != Came::Done, "{}: it took effect", what());
        anyhow::ensure!(self.may_not || came != Came::Separated, "{}: refused for nothing", what());
        Ok(())
    }
}

fn person(number: usize) -> &'static str {
    PEOPLE.get(number).copied().unwrap_or_default()
}

/// One of what there is.
fn chosen<T: Clone>(among: &[T], number: usize) -> Option<T> {
    among.get(number % among.len().max(1)).cloned()
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn three_people_stand_behind_every_document_in_every_history(commands in vec(command(), 1..60)) {
        let stage = Stage::new().map_err(|error| failed(&error))?;
        let mut run = Run { stage, executors: Executors::default(), documents: BTreeMap::new() };
        for command in &commands {
            run.play(command).map_err(|error| failed(&error))?;
        }
    }
}

fn failed(error: &anyhow::Error) -> TestCaseError {
    TestCaseError::fail(format!("{error:#}"))
}
