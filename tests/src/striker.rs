//! A director of the seam that strikes one call, and counts them all.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use local::seam::{AwsCall, Fate, Seam};

/// Which call is struck, once armed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strike {
    /// None: calls are counted only.
    Nothing,
    /// The N-th call with an effect, from 1.
    Effect(usize, Fate),
    /// The first call of an operation.
    First(&'static str, Fate),
}

/// Strikes one call of one function (of any, if it is named by an empty text) and never again. Clones share the count.
#[derive(Clone)]
pub struct Striker(Arc<State>);

struct State {
    function: &'static str,
    strike: Strike,
    is_armed: AtomicBool,
    effects: AtomicUsize,
    struck: Mutex<Option<String>>,
    calls: Mutex<BTreeMap<String, usize>>,
    written: AtomicUsize,
}

impl Striker {
    /// Not armed yet: what a test sets up is left alone.
    #[must_use]
    pub fn new(function: &'static str, strike: Strike) -> Self {
        Self(Arc::new(State {
            function,
            strike,
            is_armed: AtomicBool::new(false),
            effects: AtomicUsize::new(0),
            struck: Mutex::default(),
            calls: Mutex::default(),
            written: AtomicUsize::new(0),
        }))
    }

    /// The seam that it directs.
    #[must_use]
    pub fn seam(&self) -> Seam {
        let state = Arc::clone(&self.0);
        Seam::directed(Arc::new(move |call| state.fate_of(&call)))
    }

    /// From now on calls are counted and struck.
    pub fn arm(&self) {
        self.0.is_armed.store(true, Ordering::SeqCst);
    }

    /// What was struck; nothing if the scenario ran undisturbed.
    #[must_use]
    pub fn struck(&self) -> Option<String> {
        self.0.struck.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How often each operation was called since it was armed.
    #[must_use]
    pub fn calls(&self) -> BTreeMap<String, usize> {
        self.0.calls.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many items were sent to DynamoDB to be written since it was armed.
    #[must_use]
    pub fn written(&self) -> usize {
        self.0.written.load(Ordering::SeqCst)
    }
}

impl State {
    fn fate_of(&self, call: &AwsCall<'_>) -> Fate {
        let is_ours = self.function.is_empty() || self.function == call.function;
        if !is_ours || !self.is_armed.load(Ordering::SeqCst) {
            return Fate::Pass;
        }
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        let times = calls.entry(format!("{} {}", call.service, call.operation)).or_default();
        *times += 1;
        let is_first = *times == 1;
        drop(calls);
        self.written.fetch_add(items_written(call), Ordering::SeqCst);
        let nth = if call.has_effect() { self.effects.fetch_add(1, Ordering::SeqCst) + 1 } else { 0 };
        let fate = match self.strike {
            Strike::Effect(n, fate) if n == nth => fate,
            Strike::First(operation, fate) if is_first && operation == call.operation => fate,
            _ => Fate::Pass,
        };
        if fate != Fate::Pass {
            let mut struck = self.struck.lock().unwrap_or_else(PoisonError::into_inner);
            *struck = Some(format!("{fate:?} at {} {}", call.service, call.operation));
        }
        fate
    }
}

fn items_written(call: &AwsCall<'_>) -> usize {
    let body = || serde_json::from_slice::<serde_json::Value>(call.request.body()).unwrap_or_default();
    match (call.service, call.operation) {
        ("dynamodb", "PutItem" | "UpdateItem" | "DeleteItem") => 1,
        ("dynamodb", "TransactWriteItems") => {
            body().get("TransactItems").and_then(|items| items.as_array()).map_or(0, Vec::len)
        }
        ("dynamodb", "BatchWriteItem") => {
            let tables = body().get("RequestItems").and_then(|tables| tables.as_object()).cloned().unwrap_or_default();
            tables.values().filter_map(|requests| requests.as_array()).map(Vec::len).sum()
        }
        _ => 0,
    }
}
