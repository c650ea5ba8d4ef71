//! Every kind of tampering, on a thing with a history, on one that another thing's events tell of, and on one that is
//! old.

use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::base::audit::{By, Statement};
use crate::base::people::Actor;

/// A thing, its history and the history of the thing whose events tell of it.
#[derive(Debug, Clone)]
struct Scene {
    name: &'static str,
    events: Vec<AuditEvent>,
    held: Option<Held>,
    teller: Vec<AuditEvent>,
}

fn event(aggregate: &str, after: &Digest, previous: Option<&AuditEvent>) -> AuditEvent {
    let statement = Statement {
        event_type: "thing.changed",
        aggregate,
        at: Timestamp::UNIX_EPOCH,
        by: By::from(&Actor::system("test")),
        request_id: "r",
        why: None,
        before: None,
        after: after.clone(),
        payload: json!({ "n": 1 }),
    };
    AuditEvent::chained(statement, previous.map(|e| (e.sequence, e.hash.clone())))
}

fn history(aggregate: &str, states: &[&str]) -> Vec<AuditEvent> {
    let mut events: Vec<AuditEvent> = Vec::new();
    for state in states {
        events.push(event(aggregate, &Digest::of(state), events.last()));
    }
    events
}

fn held(events: &[AuditEvent]) -> Held {
    let last = events.last();
    Held {
        version: events.len() as u64,
        sequence: events.len() as u64,
        head: last.map(|e| e.hash.clone()),
        state: last.map_or_else(|| Digest::of(&"none"), |e| e.after.clone()),
        carries_its_rows: true,
        told_by: None,
    }
}

impl Scene {
    /// An approval with three events.
    fn approval() -> Self {
        let events = history("APPROVAL#apr_1", &["a", "b", "c"]);
        Self { name: "APPROVAL#apr_1", held: Some(held(&events)), events, teller: Vec::new() }
    }

    /// An anchor with one event of its own, changed since under a chain's second.
    fn anchor() -> Self {
        let events = history("ANCHOR#a", &["claimed"]);
        let mut teller = history("SCOPE#scp_1", &["issued"]);
        let bound = Bound { version: 2, state: Digest::of(&"followed") };
        let told = event("SCOPE#scp_1", &Digest::of(&"done"), teller.last());
        teller.push(told.telling(BTreeMap::from([("ANCHOR#a".to_owned(), bound)])));
        let telling = Telling { aggregate: "SCOPE#scp_1".to_owned(), sequence: 2 };
        let state = Digest::of(&"followed");
        let held = Held { version: 2, state, told_by: Some(telling), ..held(&events) };
        Self { name: "ANCHOR#a", events, held: Some(held), teller }
    }

    fn compare(&self) -> Compared {
        let walk_of = |name: &str, events: &[AuditEvent]| {
            let mut walk = Walk::of(name);
            events.iter().for_each(|event| walk.add(event));
            walk
        };
        let teller = self.teller.first().map(|first| walk_of(&first.aggregate, &self.teller));
        compare(&walk_of(self.name, &self.events), self.held.as_ref(), teller.as_ref())
    }

    fn with(&self, tamper: impl FnOnce(&mut Self)) -> Vec<Broken> {
        let mut scene = self.clone();
        tamper(&mut scene);
        scene.compare().broken
    }

    fn state(&mut self) -> &mut Held {
        self.held.as_mut().expect("a state")
    }
}

/// The last event with another content, rehashed.
fn rewrite(events: &mut [AuditEvent]) {
    let last = events.last_mut().expect("an event");
    last.payload = json!({ "n": 2 });
    last.hash = last.computed_hash();
}

#[test]
fn every_kind_of_tampering_with_a_thing_is_found() {
    let good = Scene::approval();
    assert_eq!(good.compare(), Compared::default());
    type Tamper = fn(&mut Scene);
    let check = |what: &str, tamper: Tamper, expected: &[Broken]| {
        assert_eq!(good.with(tamper), expected, "{what}");
    };
    check("changed", |s| s.events[1].payload = json!(9), &[Broken::Altered(2)]);
    check(
        "dropped in the middle",
        |s| drop(s.events.remove(1)),
        &[Broken::OutOfOrder(3), Broken::OtherCount { said: 3, there: 2 }],
    );
    check("swapped", |s| s.events.swap(0, 1), &[Broken::OutOfOrder(2)]);
    check("tail dropped", |s| drop(s.events.pop()), &[Broken::OtherCount { said: 3, there: 2 }]);
    check("all dropped", |s| s.events.clear(), &[Broken::EventsGone]);
    check(
        "all dropped, and the state made to look new",
        |s| {
            s.events.clear();
            s.state().sequence = 0;
            s.state().head = None;
        },
        &[Broken::EventsGone],
    );
    check("last rewritten and rehashed", |s| rewrite(&mut s.events), &[Broken::OtherHead]);
    check("state changed", |s| s.state().state = Digest::of(&"forged"), &[Broken::OtherState]);
    check("state dropped", |s| s.held = None, &[Broken::StateGone]);
    check("head changed", |s| s.state().head = None, &[Broken::OtherHead]);
    check("sequence changed", |s| s.state().sequence = 2, &[Broken::OtherCount { said: 2, there: 3 }]);
    check("version set back", |s| s.state().version = 1, &[Broken::VersionBehind { version: 1, events: 3 }]);
    check("carried rows changed", |s| s.state().carries_its_rows = false, &[Broken::OtherRows]);
    check(
        "another thing's event put in",
        |s| s.events[2] = event("APPROVAL#apr_2", &Digest::of(&"c"), s.events.get(1)),
        &[Broken::Foreign(3), Broken::OtherHead],
    );
    check(
        "a thing that never was",
        |s| {
            s.events.clear();
            s.held = None;
        },
        &[Broken::NeverWas],
    );
}

#[test]
fn a_state_that_another_things_event_left_is_held_to_that_event() {
    let good = Scene::anchor();
    assert_eq!(good.compare(), Compared::default());
    let told = Broken::OtherStateThanTold { aggregate: "SCOPE#scp_1".to_owned(), sequence: 2 };
    type Tamper = fn(&mut Scene);
    let tampers: &[(&str, Tamper)] = &[
        ("state changed", |s| s.state().state = Digest::of(&"forged")),
        ("version changed", |s| s.state().version = 3),
        ("telling event dropped", |s| drop(s.teller.pop())),
        ("telling event altered", |s| s.teller[1].payload = json!(9)),
        ("teller's history dropped", |s| s.teller.clear()),
    ];
    for (what, tamper) in tampers {
        assert_eq!(good.with(*tamper), std::slice::from_ref(&told), "{what}");
    }
    assert_eq!(good.with(|s| s.state().told_by = None), [Broken::OtherState], "nothing named");
    let other = good.with(|s| s.state().told_by.as_mut().expect("a teller").sequence = 1);
    assert_eq!(other, [Broken::OtherStateThanTold { aggregate: "SCOPE#scp_1".to_owned(), sequence: 1 }]);
}

#[test]
fn what_the_version_before_wrote_last_counts_as_not_bound_where_it_may_have_changed_untold() {
    let old = |scene: &mut Scene| {
        for event in &mut scene.events {
            event.states = None;
            event.hash = event.computed_hash();
        }
        let held = scene.state();
        held.told_by = None;
    };
    let mut anchor = Scene::anchor();
    old(&mut anchor);
    let head = anchor.events.last().map(|e| e.hash.clone());
    anchor.state().head = head;
    assert_eq!(anchor.compare(), Compared { broken: Vec::new(), is_unbound: true });
    let mut created = anchor.clone();
    created.events.clear();
    *created.state() = Held { sequence: 0, head: None, ..created.state().clone() };
    assert_eq!(created.compare(), Compared { broken: Vec::new(), is_unbound: true });

    // Nothing else ever changes an approval: what the version before wrote of it is bound by its own events.
    let mut approval = Scene::approval();
    approval.events.truncate(1);
    old(&mut approval);
    let held = held(&approval.events);
    approval.held = Some(held);
    assert_eq!(approval.compare(), Compared::default());
    assert_eq!(approval.with(|s| s.state().state = Digest::of(&"forged")), [Broken::OtherState]);
}

#[test]
fn what_an_event_left_of_another_thing_must_be_there_in_that_version_or_a_later_one() {
    let scene = Scene::anchor();
    let mut walk = Walk::of("SCOPE#scp_1");
    scene.teller.iter().for_each(|event| walk.add(event));
    assert_eq!(walk.left().collect::<Vec<_>>(), ["ANCHOR#a"]);
    let left = Broken::LeftOtherwise { sequence: 2, aggregate: "ANCHOR#a".to_owned(), version: 2 };
    let held = scene.held.clone().expect("a state");
    let found =
        |held: Option<Held>| walk.compare_left(&held.into_iter().map(|held| ("ANCHOR#a".to_owned(), held)).collect());
    assert_eq!(found(Some(held.clone())), []);
    assert_eq!(found(Some(Held { version: 3, state: Digest::of(&"later"), ..held.clone() })), []);
    assert_eq!(found(Some(Held { version: 1, ..held.clone() })), std::slice::from_ref(&left), "set back");
    assert_eq!(found(Some(Held { state: Digest::of(&"forged"), ..held })), std::slice::from_ref(&left), "changed");
    assert_eq!(found(None), [left], "removed");
}

proptest! {
    #[test]
    fn no_edit_of_a_history_short_of_rewriting_its_state_too_goes_unseen(
        length in 1usize..8, at in 0usize..8, other in 0usize..8, kind in 0u8..6,
    ) {
        let names: Vec<String> = (0..length).map(|n| format!("state {n}")).collect();
        let states: Vec<&str> = names.iter().map(String::as_str).collect();
        let events = history("REQUEST#req_1", &states);
        let good = Scene { name: "REQUEST#req_1", held: Some(held(&events)), events, teller: Vec::new() };
        prop_assert!(good.compare().broken.is_empty());
        let (at, other) = (at % length, other % length);
        let mut bad = good.clone();
        match kind {
            0 => drop(bad.events.remove(at)),
            1 => bad.events.truncate(at),
            2 => bad.events.swap(at, other),
            3 => bad.events[at].after = Digest::of(&"forged"),
            4 => {
                bad.events[at].why = Some("forged".to_owned());
                bad.events[at].hash = bad.events[at].computed_hash();
            }
            _ => {
                let twice = bad.events[at].clone();
                bad.events.insert(other, twice);
            }
        }
        let is_same = bad.events == good.events;
        prop_assert_eq!(bad.compare().broken.is_empty(), is_same);
    }
}
